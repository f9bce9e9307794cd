"""Any model written back as TF.js files: model.json and shards that TF.js itself can read, with digests beside them."""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from py_edge.errors import PathError, StorageError
from py_edge.tensor import Tensor
from py_edge.tfjs.manifest import check_path
from py_edge.tfjs.model import Model
from py_edge.tfjs.weights import Complex, Strings, Weight

SHARD_BYTES = 4 << 20


def to_files(
    model: Model, metadata: Mapping[str, Any] | None = None, shard_bytes: int = SHARD_BYTES
) -> dict[str, bytes]:
    """{file name: bytes}: model.json and group1-shard<i>of<n>.bin. metadata goes to userDefinedMetadata.

    Weights that were quantised are written as what they mean: float32.
    """
    group, shards = _group(model.all_weights, model.stored, shard_bytes)
    document = {**model.document, "format": model.format, "weightsManifest": [group]}
    document.setdefault("generatedBy", None)
    document.setdefault("convertedBy", None)
    merged = {**model.metadata, **(metadata or {})}
    if merged:
        document["userDefinedMetadata"] = merged
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return {"model.json": text.encode(), **shards}


def save_model(
    model: Model,
    folder: str | os.PathLike[str],
    metadata: Mapping[str, Any] | None = None,
    shard_bytes: int = SHARD_BYTES,
) -> Path:
    """to_files written to a folder, model.json last and in one step, so that no reader sees half a model.

    Raises StorageError: the disk refused.
    """
    target, files = Path(folder), to_files(model, metadata, shard_bytes)
    try:
        _write(target, files)
    except OSError as error:
        raise StorageError(
            "the model cannot be written", where=str(target), got=error.strerror, want="a folder"
        ) from error
    return target / "model.json"


def _write(target: Path, files: Mapping[str, bytes]) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for name, data in sorted(files.items(), key=lambda item: item[0] == "model.json"):
        check_path(name, name)
        part = target / f"{name}.part"
        if part.is_symlink():
            raise PathError("a symbolic link", where=name)
        part.write_bytes(data)
        os.replace(part, target / name)


def _group(
    weights: Mapping[str, Weight], stored: Mapping[str, str], shard_bytes: int
) -> tuple[dict[str, Any], dict[str, bytes]]:
    entries, pieces = [], []
    for name, weight in weights.items():
        dtype, data = encode(weight, stored.get(name, ""))
        entries.append(
            {
                "name": name,
                "shape": list(weight.real.shape if isinstance(weight, Complex) else weight.shape),
                "dtype": dtype,
            }
        )
        pieces.append(data)
    shards = list(_cut(b"".join(pieces), shard_bytes))
    names = [f"group1-shard{i + 1}of{len(shards)}.bin" for i in range(len(shards))]
    files = dict(zip(names, shards, strict=True))
    digests = {name: sha256(data).hexdigest() for name, data in files.items()}
    group = {"paths": names, "weights": entries, "sizes": [len(s) for s in shards], "sha256": digests}
    return group, files


def _cut(data: bytes, size: int) -> Iterable[bytes]:
    return (data[begin : begin + size] for begin in range(0, max(len(data), 1), size))


def encode(weight: Weight, stored: str) -> tuple[str, bytes]:
    """(dtype of the manifest, bytes) of one weight; unquantised uint8 and uint16 stay what they were."""
    if isinstance(weight, Strings):
        return "string", b"".join(len(text).to_bytes(4, "little") + text for text in weight.values)
    if isinstance(weight, Complex):
        pairs = array("f", bytes(2 * weight.real.nbytes))
        pairs[0::2], pairs[1::2] = array("f", weight.real.tobytes()), array("f", weight.imag.tobytes())
        return "complex64", pairs.tobytes()
    if weight.dtype == "int32" and stored in ("uint8", "uint16"):
        return stored, _narrow(weight, stored)
    return weight.dtype, weight.tobytes()


def _narrow(weight: Tensor, stored: str) -> bytes:
    return array("B" if stored == "uint8" else "H", weight.flat.tolist()).tobytes()
