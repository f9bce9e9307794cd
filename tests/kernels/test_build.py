"""Building the kernels: what is current is not built again, a missing compiler is said in words."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from py_edge.errors import EnvironmentProblem
from py_edge.kernels import build


def test_current_targets_are_left_alone() -> None:
    """A second build touches nothing."""
    targets = build.targets_for(build.this_system())
    before = [path.stat().st_mtime_ns for path in build.build(targets)]
    assert [path.stat().st_mtime_ns for path in build.build(targets)] == before
    assert all(build.is_current(target) for target in targets)


def test_stamp_follows_the_flags() -> None:
    """Other flags are another build; the same are the same."""
    first, *_ = build.TARGETS
    assert build.stamp_of(first) == build.stamp_of(first)
    assert len({build.stamp_of(target) for target in build.TARGETS}) == len(build.TARGETS)


def test_names_of_files_are_unique() -> None:
    """No target overwrites another's file."""
    assert len({target.file for target in build.TARGETS}) == len(build.TARGETS)


def test_missing_compiler_names_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without ziglang nothing can be built, and the error says what to install."""
    monkeypatch.setattr(build, "OUTPUT", tmp_path)
    monkeypatch.setattr(build, "zig_version", lambda: None)
    with pytest.raises(EnvironmentProblem, match=r"pip install 'py_edge\[build\]'"):
        build.build(build.targets_for("wasm"))


@pytest.mark.parametrize("name", ["side-simd128.wasm", "alone-simd128.wasm"])
def test_plain_wasm_has_no_relaxed_instructions(name: str) -> None:
    """The simd128 variants run where relaxed SIMD is unknown; the relaxed ones do use it."""
    plain = [target for target in build.TARGETS if target.file == name]
    relaxed = [target for target in build.TARGETS if target.file == name.replace("simd128", "relaxed")]
    madd = b"\xfd\x85\x02"
    assert build.build(plain)[0].read_bytes().count(madd) < 3
    assert build.build(relaxed)[0].read_bytes().count(madd) > 100


def test_alone_module_imports_nothing() -> None:
    """The predict worker instantiates it with no imports at all, and finds every export."""
    (path,) = build.build([target for target in build.TARGETS if target.file == "alone-simd128.wasm"])
    script = (
        "const m = new WebAssembly.Module(require('fs').readFileSync(process.argv[1]));"
        "console.log(WebAssembly.Module.imports(m).length, WebAssembly.Module.exports(m).map(e => e.name).sort().join())"
    )
    found = subprocess.check_output(["node", "-e", script, str(path)], text=True).split()
    assert found == ["0", "__heap_base,memory,pe_abi_version,pe_panel,pe_run"]


def test_command_lists_what_it_built() -> None:
    """`python -m py_edge.kernels.build NAME` prints size and name."""
    command = [sys.executable, "-m", "py_edge.kernels.build", "alone-simd128.wasm"]
    assert "alone-simd128.wasm" in subprocess.check_output(command, text=True)
