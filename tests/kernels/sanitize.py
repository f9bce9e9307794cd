"""The kernels under AddressSanitizer and UndefinedBehaviorSanitizer, every kind of case with random shapes.

python -m tests.kernels.sanitize [SEEDS]: ziglang compiles, gcc's runtimes watch; what lies between two tensors of an arena
is poisoned, so that reading past a tensor is found too. Exits non-zero at the first finding. Linux x86-64 with gcc.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from py_edge.kernels import build
from py_edge.kernels.load import native_paths, open_library
from tests.kernels.cases import Case
from tests.kernels.suite import ALL

FLAGS = (
    "-std=c11", "-O1", "-g", "-fPIC", "-fno-math-errno", "-fno-strict-aliasing", "-fno-omit-frame-pointer",
    "-fsanitize=address,undefined", "-fno-sanitize=function", "-fno-sanitize-trap=all",
)  # fmt: skip
LIBRARIES = ("libasan.so", "libubsan.so")
CPUS = ("x86_64_v2", "x86_64_v3", "x86_64_v4")
"""SSE, AVX2 and AVX-512, as the builds that are shipped."""


def compile_watched(folder: Path, cpu: str) -> Path:
    """A shared library of all kernels with both sanitizers."""
    objects = []
    for source in sorted(build.SOURCE.glob("*.c")):
        made = folder / f"{source.stem}-{cpu}.o"
        command = [sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-linux-gnu.2.17", f"-mcpu={cpu}"]
        subprocess.run([*command, *FLAGS, "-c", str(source), "-o", str(made)], check=True)
        objects.append(str(made))
    path = folder / f"watched-{cpu}.so"
    subprocess.run(["gcc", "-shared", "-fsanitize=address,undefined", *objects, "-o", str(path)], check=True)
    return path


def run_watched(path: Path, seeds: int) -> None:
    """Every kind of case; the sanitizers end the process at a finding."""
    library = open_library(path)
    poison = ctypes.CDLL(None).__asan_poison_memory_region
    unpoison = ctypes.CDLL(None).__asan_unpoison_memory_region
    poison.argtypes = unpoison.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    for name, make in ALL.items():
        for seed in range(seeds):
            case = make(np.random.default_rng(seed), library.panel)
            code = (ctypes.c_int32 * len(case.code))(*case.code)
            memory = ctypes.create_string_buffer(len(case.arena) + 128)
            base = ctypes.addressof(memory) + -ctypes.addressof(memory) % 64
            ctypes.memmove(base, bytes(case.arena), len(case.arena))
            for begin, end in guards(case):
                poison(base + begin, end - begin)
            status = library.run(ctypes.addressof(code), 0, len(case.code), base, base, base)
            unpoison(base, len(case.arena))
            case.judge(status, ctypes.string_at(base, len(case.arena)))
        print(f"{path.stem}: {name}", flush=True)


def guards(case: Case) -> list[tuple[int, int]]:
    """The stretches between the tensors; poison begins at whole words of eight bytes."""
    held = np.frombuffer(bytes(case.arena), np.uint8) == 0xA5
    edges = np.flatnonzero(np.diff(np.concatenate([[0], held.astype(np.int8), [0]])))
    pairs = zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    return [(begin + -begin % 8, end) for begin, end in pairs if end - begin >= 64]


def main() -> int:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    if len(sys.argv) > 2:
        run_watched(Path(sys.argv[2]), seeds)
        return 0
    if shutil.which("gcc") is None:
        print("gcc is missing: its sanitizer runtimes are needed")
        return 1
    found = [
        subprocess.check_output(["gcc", f"-print-file-name={name}"], text=True).strip() for name in LIBRARIES
    ]
    options = {
        "ASAN_OPTIONS": "detect_leaks=0:halt_on_error=1",
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    }
    environment = {**os.environ, **options, "LD_PRELOAD": " ".join(found)}
    with tempfile.TemporaryDirectory() as folder:
        for cpu in CPUS[: len(native_paths())]:
            path = compile_watched(Path(folder), cpu)
            command = [sys.executable, "-m", "tests.kernels.sanitize", str(seeds), str(path)]
            if subprocess.run(command, env=environment, check=False).returncode:
                return 1
    print("nothing found")
    return 0


if __name__ == "__main__":
    sys.exit(main())
