"""What the benchmark's server shows, and the one wasm module that it builds itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from py_edge.bench.places import CACHE, MODELS, PACKAGE, PAGES, PEERS, PLANS, SITE
from py_edge.errors import EnvironmentProblem

BUILT = CACHE / "built"
MOUNTS = {
    "/bench/": PAGES, "/peers/": PEERS, "/models/": MODELS, "/plans/": PLANS, "/site/": SITE, "/built/": BUILT,
    "/executors/": PACKAGE / "kernels" / "_build",
}  # fmt: skip
_FLAGS = "-target wasm32-freestanding -O3 -msimd128 -mrelaxed-simd -nostdlib -Wl,--no-entry,--strip-all"


def build_ceiling() -> Path:
    """peak.wasm from pages/peak.c. Raises EnvironmentProblem when the compiler fails."""
    source, target = PAGES / "peak.c", BUILT / "peak.wasm"
    if target.exists() and target.stat().st_mtime > source.stat().st_mtime:
        return target
    BUILT.mkdir(parents=True, exist_ok=True)
    exports = "-Wl,--export=mul_add,--export=fma,--export=read_all"
    command = [
        sys.executable,
        "-m",
        "ziglang",
        "cc",
        *_FLAGS.split(),
        exports,
        str(source),
        "-o",
        str(target),
    ]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise EnvironmentProblem(f"the ceiling was not built\n{ran.stderr[-500:]}", where=str(source))
    return target
