"""The build hook: compile the kernels for one target and put them, with the right tag, into the wheel.

The target is `PY_EDGE_WHEEL`: `native` (default: this machine), or a Pyodide ABI as `pyemscripten_2026_0_wasm32`. One
wheel carries every variant of its target; which one is used is decided where it is loaded (py_edge/kernels/load.py).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

TAGS = {
    "linux-x86_64": "manylinux_2_17_x86_64.manylinux2014_x86_64",
    "linux-aarch64": "manylinux_2_17_aarch64.manylinux2014_aarch64",
    "darwin-x86_64": "macosx_11_0_x86_64",
    "darwin-arm64": "macosx_11_0_arm64",
    "win32-amd64": "win_amd64",
}


# micropip of Pyodide 0.28 knows its ABI only by the name it had before PEP 783.
ALSO = {"pyemscripten_2025_0_wasm32": "pyemscripten_2025_0_wasm32.pyodide_2025_0_wasm32"}


class KernelHook(BuildHookInterface):  # type: ignore[type-arg]
    """What hatchling calls before it writes a wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the kernels and name what goes in. An editable install builds nothing: loading does, when needed."""
        if version == "editable":
            return
        root = Path(self.root)
        sys.path.insert(0, str(root))
        from py_edge.kernels import build

        target = os.environ.get("PY_EDGE_WHEEL", "native")
        native = target == "native"
        if native:
            chosen = build.targets_for(build.this_system())
        else:
            chosen = [one for one in build.targets_for("wasm") if one.file.startswith("side-")]
        include = {str(path): f"py_edge/kernels/_build/{path.name}" for path in build.build(chosen)}
        include[str(root / "wheels" / "lock.json")] = "py_edge/bundle/lock.json"
        site = root / "py_edge" / "_site"
        if native and (site / "stamp.json").is_file():
            include |= {str(path): str(path.relative_to(root)) for path in site.rglob("*") if path.is_file()}
        build_data["force_include"] = include
        build_data["pure_python"] = False
        build_data["tag"] = (
            f"py3-none-{TAGS.get(build.this_system(), 'any') if native else ALSO.get(target, target)}"
        )
