"""The stand-alone executors that the pages load: the kernels as WebAssembly modules of their own, two SIMD variants."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from py_edge.bundle.parts import PACKAGE, ROOT
from py_edge.errors import EnvironmentProblem

VARIANTS = ("simd128", "relaxed", "crew-simd128", "crew-relaxed")
"""SIMD variants; with `crew`, those whose memory several threads share."""
FOLDER = PACKAGE / "kernels" / "_build"


def executor_path(variant: str) -> Path:
    """Where the kernels' build puts the executor of this variant."""
    return FOLDER / (f"{variant}.wasm" if variant.startswith("crew-") else f"alone-{variant}.wasm")


def build_executors() -> dict[str, Path]:
    """Variant to file, built if a source is newer. Raises EnvironmentProblem with the compiler's last lines."""
    paths = {variant: executor_path(variant) for variant in VARIANTS}
    command = [sys.executable, "-m", "py_edge.kernels.build", *(path.name for path in paths.values())]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    missing = [str(path) for path in paths.values() if not path.is_file()]
    if ran.returncode or missing:
        tail = "\n".join((ran.stdout + ran.stderr).strip().splitlines()[-15:])
        raise EnvironmentProblem(
            f"the kernels were not built\n{tail}", where=", ".join(missing) or "py_edge.kernels"
        )
    return paths
