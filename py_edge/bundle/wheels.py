"""Build the wheels with pip alone: the native one and one per Pyodide ABI. `python -m py_edge.bundle.wheels`.

The work is done by the hook `wheels/hatch_build.py`; this module only says which target, through one variable.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import py_edge
from py_edge.bundle.parts import PACKAGE, ROOT, in_checkout
from py_edge.errors import EnvironmentProblem

NATIVE = "native"
ABIS = ("pyemscripten_2026_0_wasm32", "pyemscripten_2025_0_wasm32")
TARGET_VARIABLE = "PY_EDGE_WHEEL"


def wheel_sources() -> list[Path]:
    """Every file that a Pyodide wheel is made of."""
    package = [
        path
        for path in PACKAGE.rglob("*")
        if path.is_file() and not {"__pycache__", "_build", "_site"} & set(path.relative_to(PACKAGE).parts)
    ]
    return [*package, ROOT / "pyproject.toml", ROOT / "wheels" / "hatch_build.py"]


def build_wheel(target: str, folder: Path, root: Path = ROOT) -> Path:
    """Build one wheel of the checkout at `root` into `folder` and give its path. target: NATIVE or one of ABIS.

    Raises EnvironmentProblem if this is no checkout or the build fails, with the build's last lines.
    """
    if not in_checkout():
        raise EnvironmentProblem("wheels are built from a checkout", where=str(ROOT))
    with tempfile.TemporaryDirectory() as temporary:
        command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", temporary, str(root)]
        if all(importlib.util.find_spec(name) for name in ("hatchling", "ziglang")):
            command.insert(4, "--no-build-isolation")
        environment = {**os.environ, TARGET_VARIABLE: target, "SOURCE_DATE_EPOCH": "1580601600"}
        ran = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        made = list(Path(temporary).glob("*.whl"))
        if ran.returncode or len(made) != 1:
            tail = "\n".join((ran.stdout + ran.stderr).strip().splitlines()[-15:])
            raise EnvironmentProblem(f"the wheel for {target} was not built\n{tail}", where="pip wheel")
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob(f"py_edge-{py_edge.__version__}-{'-'.join(made[0].stem.split('-')[2:])}.whl"):
            old.unlink()
        path = folder / made[0].name
        path.write_bytes(made[0].read_bytes())
        return path


def main() -> None:
    """Build all of them into `wheels/`, the native one last because it carries the site."""
    from py_edge.bundle.parts import prepare

    for abi in ABIS:
        print(build_wheel(abi, ROOT / "wheels"))
    prepare()
    print(build_wheel(NATIVE, ROOT / "wheels"))


if __name__ == "__main__":
    main()
