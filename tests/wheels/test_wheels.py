"""The wheels: built with pip alone, installed by micropip in a bare Pyodide of both ABIs, and predicting there."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from py_edge.bundle.lock import read_lock
from py_edge.bundle.parts import ROOT
from py_edge.bundle.sources import Fetcher
from py_edge.bundle.wheels import ABIS, NATIVE, build_wheel

HERE = Path(__file__).parent
SCRIPT = """
import sys
from py_edge.graph.build import Builder
from py_edge.kernels.load import library
from py_edge.plan import evaluate
from py_edge.tensor import Tensor

b = Builder()
x = b.input("x", (1, 4))
b.output("y", b.matmul(x, b.constant(Tensor.of([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]]))))
y = evaluate(b.graph, library(), {"x": Tensor.of([[1.0, 1.0, 1.0, 2.0]])})["y"].tolist()
f"{library().name} {y} {'numpy' in sys.modules}"
"""


@pytest.fixture(
    scope="module", params=[ABIS[0], *(pytest.param(abi, marks=pytest.mark.slow) for abi in ABIS[1:])]
)
def wheel(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel for one Pyodide ABI; the older one is tried with the slow tests."""
    return build_wheel(request.param, tmp_path_factory.mktemp("wheels"))


def test_a_bare_pyodide_installs_the_wheel_with_micropip_and_predicts(wheel: Path, tmp_path: Path) -> None:
    """micropip takes the wheel for its platform's, and the side module in it computes, without numpy."""
    old = "2025_0" in wheel.name
    runtime = _lay_out("runtime_2025" if old else "runtime", tmp_path / "runtime")
    tools = _lay_out("micropip", tmp_path / "tools")
    micropip = next((runtime if old else tools).glob("micropip-*.whl"))
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    command = ["node", str(HERE / "bare_pyodide.mjs"), str(runtime), str(micropip)]
    command += [str(next(tools.glob("packaging-*.whl"))), str(wheel), str(script)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    name, answer = ran.stdout.strip().splitlines()[-1].split(" ", 1)
    assert name in ("side-simd128.wasm", "side-relaxed.wasm")
    assert answer == "[[23.0, 28.0]] False"


def test_the_wheel_carries_both_variants_the_lock_and_no_file_that_pyodide_loads_by_itself(
    wheel: Path,
) -> None:
    """Pyodide's installer loads every .so at once, also one its engine cannot compile; so there is none."""
    names = zipfile.ZipFile(wheel).namelist()
    assert {"py_edge/kernels/_build/side-simd128.wasm", "py_edge/kernels/_build/side-relaxed.wasm"} <= set(
        names
    )
    assert "py_edge/bundle/lock.json" in names
    assert not [name for name in names if name.endswith(".so") or "/_site/" in name]


def test_the_native_wheel_carries_this_machines_kernels_and_a_platform_tag(tmp_path: Path) -> None:
    """pip installs it without a compiler on this platform, and nowhere else."""
    made = build_wheel(NATIVE, tmp_path)
    names = zipfile.ZipFile(made).namelist()
    assert [name for name in names if name.startswith("py_edge/kernels/_build/")]
    assert made.name.startswith("py_edge-")
    assert "-py3-none-" in made.name
    assert not made.name.endswith("-any.whl")


def test_the_same_sources_give_the_same_wheel(tmp_path: Path) -> None:
    """Two builds are byte for byte equal, so a wheel can be checked by rebuilding it."""
    root = tmp_path / "checkout"
    root.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "wheels/lock.json", "wheels/hatch_build.py"):
        (root / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / name, root / name)
    shutil.copytree(ROOT / "py_edge", root / "py_edge", ignore=shutil.ignore_patterns("__pycache__", "_site"))
    first, second = (build_wheel(ABIS[0], tmp_path / name, root).read_bytes() for name in ("first", "second"))
    assert first == second


def test_the_side_modules_import_nothing_but_what_a_loader_gives(wheel: Path, tmp_path: Path) -> None:
    """Audit: a dylink section comes first, only the ABI is exported, and no libc or JavaScript is imported."""
    with zipfile.ZipFile(wheel) as archive:
        for variant in ("simd128", "relaxed"):
            module = _Module(archive.read(f"py_edge/kernels/_build/side-{variant}.wasm"))
            assert module.sections[0] == "dylink.0"
            assert {"pe_run", "pe_panel", "pe_abi_version"} <= module.exports
            loader = {
                "memory",
                "__memory_base",
                "__table_base",
                "__stack_pointer",
                "__indirect_function_table",
            }
            assert {name for kind, name in module.imports if kind == "env"} <= loader
            assert {kind for kind, _ in module.imports} <= {"env", "GOT.mem", "GOT.func"}


class _Module:
    """Names of a WebAssembly module's sections, imports and exports."""

    def __init__(self, data: bytes) -> None:
        assert data[:8] == b"\0asm\x01\0\0\0"
        self.data, self.at = data, 8
        self.sections: list[str] = []
        self.imports: list[tuple[str, str]] = []
        self.exports: set[str] = set()
        while self.at < len(data):
            kind, size = self._byte(), self._number()
            end = self.at + size
            if kind == 0:
                self.sections.append(self._name())
            elif kind == 2:
                self.imports = [self._import() for _ in range(self._number())]
            elif kind == 7:
                self.exports = {self._export() for _ in range(self._number())}
            self.at = end

    def _byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def _number(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def _name(self) -> str:
        size = self._number()
        self.at += size
        return self.data[self.at - size : self.at].decode()

    def _import(self) -> tuple[str, str]:
        names = (self._name(), self._name())
        kind = self._byte()
        if kind == 0:
            self._number()
        elif kind in (1, 2):
            if kind == 1:
                self._byte()
            flags = self._number()
            self._number()
            if flags & 1:
                self._number()
        else:
            self._byte()
            self._byte()
        return names

    def _export(self) -> str:
        name = self._name()
        self._byte()
        self._number()
        return name


def _lay_out(tier: str, folder: Path) -> Path:
    """The locked files of a tier in a folder, under their names."""
    folder.mkdir()
    lock = read_lock()
    for name, path in Fetcher(lock).fetch(lock.select([tier])).items():
        shutil.copyfile(path, folder / name)
    return folder
