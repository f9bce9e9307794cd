"""Stored weights decode bit for bit, at any offset, from any sharding."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from py_edge.errors import ValueRangeError
from py_edge.tensor import Tensor
from py_edge.tfjs.load import load_model
from py_edge.tfjs.manifest import parse_manifest
from py_edge.tfjs.reader import MappingReader
from py_edge.tfjs.weights import Complex, Strings, read_weights
from tests.tfjs.bad_models import good


def decode(entries: list[dict[str, object]], data: bytes, cuts: list[int] | None = None) -> dict[str, object]:
    bounds = [0, *sorted(cuts or []), len(data)]
    files = {f"s{i}.bin": data[a:b] for i, (a, b) in enumerate(pairwise(bounds)) if a < b}
    groups = parse_manifest([{"paths": list(files), "weights": entries}], "")
    return dict(read_weights(groups, MappingReader(files))[0])


@given(
    codes=st.lists(st.integers(0, 255), min_size=1, max_size=40), scale=st.floats(1e-6, 1e3), low=st.floats(-1e3, 1e3),
    wide=st.booleans(),
)  # fmt: skip
def test_quantised_values_are_exact(codes: list[int], scale: float, low: float, wide: bool) -> None:
    """float32(q * scale + min), computed in float64, for uint8 and uint16."""
    stored = np.array(codes, np.uint16 if wide else np.uint8)
    rule = {"dtype": str(stored.dtype), "scale": scale, "min": low}
    entry: dict[str, object] = {"name": "w", "shape": [len(codes)], "dtype": "float32", "quantization": rule}
    got = decode([entry], stored.tobytes())["w"]
    want = (stored.astype(np.float64) * scale + low).astype(np.float32)
    assert isinstance(got, Tensor)
    assert got.tobytes() == want.tobytes()


@given(st.lists(st.floats(-60000, 60000, width=16), min_size=1, max_size=30))
def test_half_floats_are_exact(values: list[float]) -> None:
    """float16 widens without loss."""
    half = np.array(values, np.float16)
    entry: dict[str, object] = {
        "name": "w",
        "shape": [len(values)],
        "dtype": "float32",
        "quantization": {"dtype": "float16"},
    }
    got = decode([entry], half.tobytes())["w"]
    assert isinstance(got, Tensor)
    assert got.tobytes() == half.astype(np.float32).tobytes()


@given(st.lists(st.integers(1, 40), max_size=5, unique=True))
def test_every_dtype_at_odd_offsets(cuts: list[int]) -> None:
    """All dtypes side by side, a uint8 first so that nothing is aligned, cut anywhere."""
    parts: list[tuple[str, list[int], bytes]] = [
        ("uint8", [1], b"\x07"), ("float32", [2], np.array([1.5, -2], np.float32).tobytes()), ("bool", [3], b"\1\0\1"),
        ("int32", [], np.int32(-5).tobytes()), ("uint16", [2], np.array([65535, 1], np.uint16).tobytes()),
        ("complex64", [1], np.array([1 + 2j], np.complex64).tobytes()), ("float32", [0, 3], b""),
        ("string", [2], b"\3\0\0\0a\0b\2\0\0\0\xc3\xa9"),
    ]  # fmt: skip
    entries: list[dict[str, object]] = [
        {"name": f"w{i}", "shape": s, "dtype": d} for i, (d, s, _) in enumerate(parts)
    ]
    got = decode(entries, b"".join(p for *_, p in parts), cuts)
    numbers = [w.tolist() for w in got.values() if isinstance(w, Tensor)]
    assert numbers == [[7], [1.5, -2.0], [True, False, True], -5, [65535, 1], []]
    assert got["w5"] == Complex(Tensor.of([1.0]), Tensor.of([2.0])) or isinstance(got["w5"], Complex)
    assert got["w7"] == Strings((b"a\0b", b"\xc3\xa9"), (2,))


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_manifest_order_does_not_matter(order: list[int]) -> None:
    """Weights are found by name, wherever they stand."""
    document = good()
    group = document["weightsManifest"][0]
    data = [np.arange(8, dtype=np.float32).tobytes(), np.zeros(2, np.float32).tobytes()]
    group["weights"] = [group["weights"][i] for i in order]
    model = load_model(
        {"model.json": json.dumps(document).encode(), "w.bin": b"".join(data[i] for i in order)}
    )
    assert model.weights["d/kernel"].tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]]


def test_large_is_not_infinite() -> None:
    """The largest float32 twice, and both signs of it, are weights as any other; one step further none is."""
    entry: dict[str, object] = {"name": "w", "shape": [2], "dtype": "float32"}
    largest = np.finfo(np.float32).max
    for pair in ((largest, largest), (largest, -largest)):
        got = decode([entry], np.array(pair, "f4").tobytes())["w"]
        assert isinstance(got, Tensor)
        assert got.tolist() == list(map(float, pair))
    with pytest.raises(ValueRangeError, match="not finite"):
        decode([entry], np.array((largest, np.inf), "f4").tobytes())
