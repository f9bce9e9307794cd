"""npy and npz without numpy, against numpy."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from py_edge.commands.arrays import read_arrays, read_npy, write_arrays, write_npy
from py_edge.errors import ModelFormatError, PyEdgeError, UnsupportedError
from py_edge.tensor import Tensor


def saved(value: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, value)
    return buffer.getvalue()


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4", "i1", "i2", "i4", "i8", "u1", "u2", ">i4", "?"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3, 4)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_reads_what_numpy_wrote(dtype: str, shape: tuple[int, ...], order: str) -> None:
    """Every number type, shape and order of numpy comes back with its values."""
    value = np.asarray(np.random.default_rng(0).integers(0, 2 if dtype == "?" else 100, shape), dtype, order)  # type: ignore[call-overload]
    tensor = read_npy(saved(value), "x")
    assert tensor.shape == shape
    assert np.array_equal(np.asarray(tensor.tolist()).reshape(shape), value.astype(float))


@pytest.mark.parametrize("dtype", ["float32", "int32", "bool", "uint8"])
def test_numpy_reads_what_we_wrote(dtype: str) -> None:
    """numpy.load understands our .npy, and our .npz keyed by name."""
    tensor = Tensor.from_flat([0, 1, 1, 0, 1, 0], (2, 3), dtype)
    found = np.load(io.BytesIO(write_npy(tensor)))
    assert found.dtype == dtype
    assert found.tolist() == tensor.tolist()


def test_archives_are_keyed_by_name(tmp_path: Path) -> None:
    """A .npz written by either side is read by the other."""
    tensors = {"a": Tensor.of([1.0, 2.0]), "b": Tensor.of([[3]])}
    write_arrays(tmp_path / "x.npz", tensors)
    with np.load(tmp_path / "x.npz") as archive:
        assert {name: archive[name].tolist() for name in archive} == {"a": [1.0, 2.0], "b": [[3]]}
    np.savez_compressed(tmp_path / "y.npz", a=np.arange(3, dtype="f4"))
    found = read_arrays(tmp_path / "y.npz")
    assert isinstance(found, dict)
    assert found["a"].tolist() == [0.0, 1.0, 2.0]


def test_several_outputs_need_an_archive(tmp_path: Path) -> None:
    """Two tensors into one .npy is refused, with the remedy."""
    with pytest.raises(ModelFormatError, match="npz"):
        write_arrays(tmp_path / "x.npy", {"a": Tensor.of([1.0]), "b": Tensor.of([1.0])})


def test_objects_are_refused() -> None:
    """An array of Python objects would be a pickle; it is not opened."""
    with pytest.raises(UnsupportedError):
        read_npy(saved(np.array([{}, None], dtype=object)), "x")


@pytest.mark.parametrize("cut", [0, 5, 9, 40, 130])
def test_broken_files_are_refused(cut: int, tmp_path: Path) -> None:
    """A file cut anywhere, or a damaged archive, gives a coded error and never a foreign one."""
    whole = saved(np.arange(10.0))
    with pytest.raises(PyEdgeError):
        read_npy(whole[:cut], "x")
    (tmp_path / "x.npz").write_bytes(b"PK\x03\x04" + whole[:cut])
    with pytest.raises(PyEdgeError):
        read_arrays(tmp_path / "x.npz")
