"""Load the kernels for the machine at hand: native by processor, in Pyodide the side module by what the engine validates.

`library()` gives the one Library of this process. Standard library only; natively a missing build is built first.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from py_edge.errors import EnvironmentProblem, KernelError

ABI_VERSION = 3
BUILD = Path(__file__).parent / "_build"
"""PE_ABI_VERSION of pe.h; a plan carries it too."""
STATUS = {
    1: "the code is damaged", 2: "an index is outside of its axis", 3: "a parameter cannot be right",
    4: "a loop does not end", 5: "a thread of the run is gone",
}  # fmt: skip

# (module (func i32.const 0, i32x4.splat, three times, f32x4.relaxed_madd, drop)): valid only with relaxed SIMD.
RELAXED_PROBE = bytes.fromhex(
    "0061736d01000000010401600000030201000a140112004100fd114100fd114100fd11fd85021a0b"
)

Run = Callable[[int, int, int, int, int, int], int]


@dataclass(slots=True)
class Library:
    """name: the file; panel: columns of a packed panel; run(code, begin, end, arena, weights, blob) by addresses -> status."""

    name: str
    panel: int
    handle: ctypes.CDLL
    run: Run

    def check(self, status: int, where: str = "") -> None:
        """Turn a status of `run` into KernelError; 0 passes."""
        if status:
            kind, step = divmod(-status, 65536)
            raise KernelError(STATUS.get(kind, "unknown status"), where=where or f"step {step}", got=status)


def open_library(path: Path) -> Library:
    """Load one build and check its ABI. Raises EnvironmentProblem when it is another version's or cannot be loaded."""
    try:
        handle = ctypes.CDLL(str(path))
    except OSError as error:
        raise EnvironmentProblem(
            "the kernels cannot be loaded", where=str(path.name), got=str(error)
        ) from error
    for name in ("pe_abi_version", "pe_panel"):
        getattr(handle, name).argtypes = []
        getattr(handle, name).restype = ctypes.c_int32
    found = handle.pe_abi_version()
    if found != ABI_VERSION:
        remedy = "rebuild: python -m py_edge.kernels.build"
        raise EnvironmentProblem(
            "kernels of another version", where=path.name, got=found, want=ABI_VERSION, remedy=remedy
        )
    run = handle.pe_run
    word, address = ctypes.c_int32, ctypes.c_void_p
    run.argtypes = [address, word, word, address, address, address]
    run.restype = word
    handle.pe_crew_private.argtypes = [address, word, word, word, word, word]
    handle.pe_crew_private.restype = word
    handle.pe_crew_open.argtypes = [address, word, address, address, address, address, word, word]
    handle.pe_crew_open.restype = None
    handle.pe_crew_run.argtypes = [address, word, word, word]
    handle.pe_crew_run.restype = word
    return Library(path.name, handle.pe_panel(), handle, run)


def _relaxed_simd() -> bool:
    """Whether the WebAssembly engine around Pyodide has relaxed SIMD."""
    from js import WebAssembly  # type: ignore[import-not-found]
    from pyodide.ffi import to_js  # type: ignore[import-not-found]

    return bool(WebAssembly.validate(to_js(RELAXED_PROBE)))


def _ensure_built() -> None:
    from py_edge.kernels import build

    targets = build.targets_for(build.this_system())
    if not targets:
        want = sorted({target.system for target in build.TARGETS})
        raise EnvironmentProblem("no kernels for this machine", got=build.this_system(), want=want)
    missing = not all((BUILD / target.file).exists() for target in targets)
    if missing or (
        build.zig_version() is not None and not all(build.is_current(target) for target in targets)
    ):
        build.build(targets)


def native_paths() -> list[Path]:
    """The builds that this machine can run, slowest first."""
    from py_edge.kernels import build

    _ensure_built()
    paths = [BUILD / target.file for target in build.targets_for(build.this_system())]
    level = ctypes.CDLL(str(paths[0])).pe_cpu_level()
    return paths[: level + 1]


@cache
def library() -> Library:
    """The fastest kernels that run here, loaded once."""
    if sys.platform == "emscripten":
        return open_library(BUILD / ("side-relaxed.wasm" if _relaxed_simd() else "side-simd128.wasm"))
    return open_library(native_paths()[-1])
