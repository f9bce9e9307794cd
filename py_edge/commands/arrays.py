"""`.npy` and `.npz` without numpy: the formats are small, and `predict` needs no more than their bytes.

Source: the NEP 1 description of the npy format, versions 1.0 to 3.0. Objects (pickle) are refused.
"""

from __future__ import annotations

import ast
import io
import math
import struct
import zipfile
from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from py_edge.errors import ModelFormatError, UnsupportedError
from py_edge.tensor import Tensor

_MAGIC = b"\x93NUMPY"
_FORMATS = {
    "f4": "f", "f8": "d", "i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I", "u8": "Q",
    "b1": "B",
}  # fmt: skip
_KIND = {"f": "float32", "d": "float32", "e": "float32", "B": "uint8"}
_DESCR = {"float32": "<f4", "int32": "<i4", "bool": "|b1", "uint8": "|u1"}


def read_arrays(path: Path) -> Tensor | dict[str, Tensor]:
    """One tensor from a .npy, tensors by name from a .npz. Raises ModelFormatError, UnsupportedError, OSError."""
    data = path.read_bytes()
    if data[:2] != b"PK":
        return read_npy(data, str(path))
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            return {
                name.removesuffix(".npy"): read_npy(archive.read(name), f"{path}/{name}") for name in names
            }
    except (zipfile.BadZipFile, EOFError, zipfile.zlib.error) as error:  # type: ignore[attr-defined]
        raise ModelFormatError(
            "the .npz file is damaged", where=str(path), remedy="write it again"
        ) from error


def write_arrays(path: Path, values: Mapping[str, Tensor]) -> None:
    """A .npy for one tensor, or a .npz keyed by name when the file's name ends so."""
    if path.suffix == ".npz":
        with zipfile.ZipFile(path, "w") as archive:
            for name, tensor in values.items():
                archive.writestr(f"{name}.npy", write_npy(tensor))
    elif len(values) == 1:
        path.write_bytes(write_npy(next(iter(values.values()))))
    else:
        raise ModelFormatError(
            "several outputs do not fit a .npy file",
            got=sorted(values),
            remedy=f"write {path.with_suffix('.npz')}",
        )


def read_npy(data: bytes, where: str) -> Tensor:
    """A tensor of the bytes of one .npy; float64 and float16 become float32, wider integers int32."""
    header, start = _header(data, where)
    descr, shape, fortran = header["descr"], header["shape"], header["fortran_order"]
    size = math.prod(shape)
    item = descr[1:] if isinstance(descr, str) else ""
    letter = "e" if item == "f2" else _FORMATS.get(item)
    if letter is None:
        raise UnsupportedError("this array holds no numbers", where=where, got=descr, want=sorted(_FORMATS))
    width = struct.calcsize(letter)
    body = data[start : start + size * width]
    if len(body) != size * width:
        raise ModelFormatError(
            "the array is cut short", where=where, got=len(data) - start, want=size * width
        )
    dtype = "bool" if item == "b1" else _KIND.get(letter, "int32")
    order = ">" if descr[0] == ">" else "<"
    if letter in "fiB" and order == "<" and not fortran:
        return Tensor(memoryview(body), shape, dtype)
    values: Any = struct.unpack(f"{order}{size}{letter}", body)
    if fortran:
        values = _row_major(values, shape)
    return Tensor.from_flat(values, shape, dtype)


def _header(data: bytes, where: str) -> tuple[dict[str, Any], int]:
    try:
        if data[:6] != _MAGIC:
            raise ValueError(f"begins with {data[:6]!r}")
        length, start = (
            (struct.unpack("<H", data[8:10])[0], 10)
            if data[6] == 1
            else (*struct.unpack("<I", data[8:12]), 12)
        )
        if length > 65536:
            raise ValueError("header too long")
        header = ast.literal_eval(data[start : start + length].decode("utf-8"))
        shape = header["shape"]
        if not all(type(side) is int and side >= 0 for side in shape):
            raise ValueError(f"shape {shape}")
        return {
            "descr": header["descr"],
            "shape": tuple(shape),
            "fortran_order": bool(header["fortran_order"]),
        }, start + length
    except (
        ValueError,
        SyntaxError,
        KeyError,
        TypeError,
        IndexError,
        struct.error,
        RecursionError,
        MemoryError,
    ) as error:
        raise ModelFormatError(
            "not an .npy file", where=where, remedy="save it with numpy.save or numpy.savez"
        ) from error


def _row_major(values: tuple[Any, ...], shape: tuple[int, ...]) -> list[Any]:
    """Column-major values put into row-major order."""
    strides = [math.prod(shape[:axis]) for axis in range(len(shape))]
    places = [0]
    for side, stride in zip(shape, strides, strict=True):
        places = [place + step * stride for place in places for step in range(side)]
    return [values[place] for place in places]


def write_npy(tensor: Tensor) -> bytes:
    """The bytes of one .npy, version 1.0."""
    header = f"{{'descr': '{_DESCR[tensor.dtype]}', 'fortran_order': False, 'shape': {tensor.shape!r}, }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    data = array("B", tensor.data.cast("B") if tensor.nbytes else b"").tobytes()
    return _MAGIC + b"\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data
