"""Build the C kernels for every home with ziglang (clang and wasm-ld in a pip package): `python -m py_edge.kernels.build`.

Without arguments: this machine's variants and WebAssembly. `--all`: every platform. Names of targets: only those.
A target is rebuilt when its sources, flags or compiler change. Output: py_edge/kernels/_build/.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from py_edge.errors import EnvironmentProblem

SOURCE = Path(__file__).parent
OUTPUT = SOURCE / "_build"
PARALLEL = 2
EXPORTS = ("pe_run", "pe_panel", "pe_abi_version")
CREW_EXPORTS = (
    "pe_crew_private",
    "pe_crew_open",
    "pe_crew_call",
    "pe_crew_serve",
    "pe_crew_stop",
    "pe_crew_lose",
)

_COMPILE = (
    "-std=c11",
    "-O3",
    "-fvisibility=hidden",
    "-fno-math-errno",
    "-fno-strict-aliasing",
    "-fno-vectorize",
    "-fno-slp-vectorize",
    "-g0",
    "-Wall",
    "-Werror",
)
_NATIVE = ("-fPIC",)
_SIMD = ("-msimd128", "-mbulk-memory", "-mnontrapping-fptoint", "-msign-ext", "-fno-builtin")
_RELAXED = (*_SIMD, "-mrelaxed-simd")
_SIDE_LINK = ("-shared", "--experimental-pic", "--no-entry", "--strip-all")
_ALONE_LINK = (
    "--no-entry", "--strip-all", "--stack-first", "-z", "stack-size=262144", "--export=__heap_base", "--initial-memory=1048576",
    "--max-memory=4294967296", *(f"--export={name}" for name in EXPORTS),
)  # fmt: skip
# Shared memory is made by the host; every thread has an instance and sets its own stack.
_CREW_LINK = (
    "--no-entry", "--strip-all", "--stack-first", "-z", "stack-size=262144", "--initial-memory=1048576",
    "--max-memory=4294967296", "--shared-memory", "--import-memory", "--export=__stack_pointer",
    *(f"--export={name}" for name in (*EXPORTS, *CREW_EXPORTS)),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Target:
    """file: name in _build/; triple: what zig calls the machine; system: sys.platform and machine it is for, or "wasm"."""

    file: str
    triple: str
    system: str
    compile: tuple[str, ...]
    link: tuple[str, ...] = ()

    @property
    def wasm(self) -> bool:
        return self.system == "wasm"


def _native(system: str, triple: str, suffix: str, cpus: dict[str, str]) -> list[Target]:
    return [
        Target(f"{system}{level}{suffix}", triple, system, (*_NATIVE, f"-mcpu={cpu}"), ("-shared", "-s"))
        for level, cpu in cpus.items()
    ]


_X86 = {"": "x86_64_v2", "-avx2": "x86_64_v3", "-avx512": "x86_64_v4"}
# Side modules are not called .so: Pyodide's installer loads every .so of a wheel, also one that the engine cannot compile.
TARGETS: tuple[Target, ...] = (
    *_native("linux-x86_64", "x86_64-linux-gnu.2.17", ".so", _X86),
    *_native("linux-aarch64", "aarch64-linux-gnu.2.17", ".so", {"": "generic"}),
    *_native("darwin-x86_64", "x86_64-macos", ".dylib", _X86),
    *_native("darwin-arm64", "aarch64-macos", ".dylib", {"": "apple_m1"}),
    *_native("win32-amd64", "x86_64-windows-gnu", ".dll", _X86),
    Target("side-simd128.wasm", "wasm32-emscripten", "wasm", ("-fPIC", *_SIMD), _SIDE_LINK),
    Target("side-relaxed.wasm", "wasm32-emscripten", "wasm", ("-fPIC", *_RELAXED), _SIDE_LINK),
    Target("alone-simd128.wasm", "wasm32-freestanding", "wasm", _SIMD, _ALONE_LINK),
    Target("alone-relaxed.wasm", "wasm32-freestanding", "wasm", _RELAXED, _ALONE_LINK),
    Target("crew-simd128.wasm", "wasm32-freestanding", "wasm", (*_SIMD, "-matomics"), _CREW_LINK),
    Target("crew-relaxed.wasm", "wasm32-freestanding", "wasm", (*_RELAXED, "-matomics"), _CREW_LINK),
)


def this_system() -> str:
    """What targets call this machine, e.g. linux-x86_64."""
    return f"{sys.platform}-{platform.machine().lower()}"


def zig_version() -> str | None:
    """Version of the installed ziglang, None without one."""
    try:
        return importlib.metadata.version("ziglang")
    except importlib.metadata.PackageNotFoundError:
        return None


def stamp_of(target: Target) -> str:
    """Hex digest over everything that goes into a target."""
    digest = hashlib.sha256(repr((target, _COMPILE, zig_version())).encode())
    for path in sorted(SOURCE.glob("*.[ch]")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def is_current(target: Target) -> bool:
    stamp = OUTPUT / f"{target.file}.stamp"
    return (OUTPUT / target.file).exists() and stamp.exists() and stamp.read_text() == stamp_of(target)


def _cache_folder() -> Path:
    """A folder that can be written: .cache of the project, else of the temporary folder."""
    for folder in (SOURCE.parent.parent / ".cache", Path(tempfile.gettempdir()) / "py_edge-cache"):
        try:
            (folder / "zig").mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder / "zig", os.W_OK):
            return folder
    raise EnvironmentProblem(
        "no folder for the compiler's cache can be written", remedy="make the temp folder writable"
    )


def _zig(*arguments: str) -> None:
    environment = dict(os.environ)
    cache = str(_cache_folder() / "zig")
    environment.setdefault("ZIG_GLOBAL_CACHE_DIR", cache)
    environment.setdefault("ZIG_LOCAL_CACHE_DIR", cache)
    command = [sys.executable, "-m", "ziglang", *arguments]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        raise EnvironmentProblem(
            "the compiler failed", where=" ".join(arguments[:1]), got=result.stderr.strip()[-2000:]
        )


def _compile(target: Target, source: Path, folder: Path) -> Path:
    """One object, kept by the digest of what it is made of."""
    headers = b"".join(path.read_bytes() for path in sorted(SOURCE.glob("*.h")))
    key = repr((source.name, target.triple, target.compile, _COMPILE, zig_version())).encode()
    digest = hashlib.sha256(key + headers + source.read_bytes()).hexdigest()[:32]
    kept = folder / f"{source.stem}-{digest}.o"
    if not kept.exists():
        fresh = folder / f"{kept.name}.{os.getpid()}.o"
        _zig("cc", "-target", target.triple, *_COMPILE, *target.compile, "-c", str(source), "-o", str(fresh))
        fresh.replace(kept)
    return kept


def _link(target: Target, objects: Sequence[Path]) -> Path:
    OUTPUT.mkdir(exist_ok=True)
    fresh, result = OUTPUT / f"{os.getpid()}.{target.file}", OUTPUT / target.file
    names = [str(path) for path in objects]
    if target.wasm:
        _zig("wasm-ld", *target.link, *names, "-o", str(fresh))
    else:
        _zig("cc", "-target", target.triple, *target.compile, *target.link, *names, "-o", str(fresh))
    fresh.replace(result)
    (OUTPUT / f"{target.file}.stamp").write_text(stamp_of(target))
    for extra in (".lib", ".pdb"):
        fresh.with_suffix(extra).unlink(missing_ok=True)
    return result


def build(targets: Iterable[Target]) -> list[Path]:
    """Build what is not current; returns the paths of all. Raises EnvironmentProblem without ziglang."""
    wanted = list(targets)
    stale = [target for target in wanted if not is_current(target)]
    if stale and zig_version() is None:
        raise EnvironmentProblem(
            "the kernels must be built, and ziglang is missing", remedy="pip install 'py_edge[build]'"
        )
    if stale:
        objects = _cache_folder() / "objects"
        objects.mkdir(exist_ok=True)
        sources = sorted(SOURCE.glob("*.c"))
        with ThreadPoolExecutor(PARALLEL) as pool:
            jobs = {
                target: [pool.submit(_compile, target, source, objects) for source in sources]
                for target in stale
            }
            for target, compiled in jobs.items():
                _link(target, [job.result() for job in compiled])
    return [OUTPUT / target.file for target in wanted]


def targets_for(system: str) -> list[Target]:
    """The targets of one system, base first; "wasm" for WebAssembly."""
    return [target for target in TARGETS if target.system == system]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m py_edge.kernels.build", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("names", nargs="*", help="targets, e.g. alone-relaxed.wasm")
    parser.add_argument("--all", action="store_true", help="every platform")
    options = parser.parse_args(arguments)
    if options.names:
        chosen = [target for target in TARGETS if target.file in options.names]
    else:
        chosen = list(TARGETS) if options.all else [*targets_for(this_system()), *targets_for("wasm")]
    for path in build(chosen):
        print(f"{path.stat().st_size:>9,}  {path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
