"""The plan: what the C executor runs, as plain relocatable bytes.

Layout, little endian: `PEPL`, u32 abi, u32 header bytes, u32 code words; the header, JSON padded with spaces so that
the code starts at a multiple of 16; the code (int32 words, padded to 16); the blob to the end.
The host provides `weights_bytes` and `arena_bytes`, both zeroed, runs `init` once with the blob at hand, then `run`.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from typing import Any

from py_edge.errors import IntegrityError, ModelFormatError, UnsupportedError
from py_edge.kernels.load import ABI_VERSION

_MAGIC = b"PEPL"


@dataclass(frozen=True, slots=True)
class Port:
    """A named tensor at `offset` bytes: of the arena (inputs, outputs) or of the weights space (variables)."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    offset: int


@dataclass(frozen=True, slots=True)
class Plan:
    """code: int32 words; init, run: [begin, end) in them; panel: columns per packed panel; meta: free JSON for the host."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    variables: tuple[Port, ...]
    init: tuple[int, int]
    run: tuple[int, int]
    arena_bytes: int
    weights_bytes: int
    panel: int
    code: bytes
    blob: bytes
    meta: dict[str, Any] = field(default_factory=dict)
    live_bytes: int = 0

    @property
    def steps(self) -> int:
        """How many kernel calls one run makes, each loop body counted once."""
        words = memoryview(self.code).cast("i")
        at, steps = self.init[1], 0
        while at < len(words):
            at, steps = at + 2 + words[at + 1], steps + 1
        return steps

    def header(self) -> dict[str, Any]:
        """Everything but code and blob, as the file's JSON has it; sizes and offsets in bytes."""

        def port(p: Port) -> dict[str, Any]:
            return {"name": p.name, "shape": list(p.shape), "dtype": p.dtype, "offset": p.offset}

        return {
            "abi": ABI_VERSION, "panel": self.panel, "arena_bytes": self.arena_bytes, "live_bytes": self.live_bytes,
            "weights_bytes": self.weights_bytes, "blob_bytes": len(self.blob), "init": list(self.init),
            "run": list(self.run), "inputs": [port(p) for p in self.inputs],
            "outputs": [port(p) for p in self.outputs], "variables": [port(p) for p in self.variables],
            "meta": self.meta,
        }  # fmt: skip

    def to_bytes(self) -> bytes:
        """The plan as a file, see above; `from_bytes` reads it back."""
        header = json.dumps(self.header(), separators=(",", ":"), sort_keys=True).encode()
        header += b" " * (-(16 + len(header)) % 16)
        code = self.code + b"\0" * (-len(self.code) % 16)
        return (
            _MAGIC
            + struct.pack("<III", ABI_VERSION, len(header), len(self.code) // 4)
            + header
            + code
            + self.blob
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Plan:
        """Raises ModelFormatError for other bytes, UnsupportedError for another ABI, IntegrityError when cut short."""
        if data[:4] != _MAGIC or len(data) < 16:
            raise ModelFormatError("not a plan file", where="plan", got=bytes(data[:4]), want="PEPL")
        abi, header_bytes, words = struct.unpack("<III", data[4:16])
        if abi != ABI_VERSION:
            raise UnsupportedError(
                "plan of another version", where="plan", got=abi, want=ABI_VERSION, remedy="make it anew"
            )
        code_at = 16 + header_bytes
        blob_at = code_at + (words * 4 + 15) // 16 * 16
        try:
            header = json.loads(data[16:code_at])
        except ValueError as error:
            raise ModelFormatError("the plan's header is not JSON", where="plan") from error
        if len(data) != blob_at + header["blob_bytes"]:
            raise IntegrityError(
                "plan file has another length",
                where="plan",
                got=len(data),
                want=blob_at + header["blob_bytes"],
            )

        def ports(key: str) -> tuple[Port, ...]:
            return tuple(Port(p["name"], tuple(p["shape"]), p["dtype"], p["offset"]) for p in header[key])

        return cls(
            ports("inputs"), ports("outputs"), ports("variables"), tuple(header["init"]), tuple(header["run"]),
            header["arena_bytes"], header["weights_bytes"], header["panel"],
            bytes(data[code_at : code_at + words * 4]), bytes(data[blob_at:]), header["meta"], header["live_bytes"],
        )  # fmt: skip
