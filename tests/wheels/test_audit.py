"""The side modules under the audit tool that pyodide-build uses: what they export, and that they need no other library."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from auditwheel_emscripten.exports import get_exports
from auditwheel_emscripten.show import show

from py_edge.kernels import build

ENTRIES = {"pe_run", "pe_panel", "pe_abi_version"}


@pytest.mark.parametrize("name", ["side-simd128.wasm", "side-relaxed.wasm"])
def test_a_side_module_stands_alone(name: str, tmp_path: Path) -> None:
    """Each exports the executor's entries and nothing that could clash with another library, and links to none."""
    module = tmp_path / "side.so"  # the tool goes by this ending
    shutil.copyfile(next(iter(build.build([t for t in build.TARGETS if t.file == name]))), module)

    exports = {export.name for export in next(iter(get_exports(module).values()))}

    assert exports >= ENTRIES
    assert all(export.startswith(("pe_", "__wasm")) for export in exports)
    assert list(show(module).values()) == [[]]
