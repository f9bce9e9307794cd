"""The arrows of the design: who may import whom, and that the browser path needs the standard library only."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import py_edge

ROOT = Path(__file__).resolve().parents[1] / "py_edge"

# A room may import itself, the rooms in its row, and what those may import.
ARROWS: dict[str, set[str]] = {
    "errors": set(),
    "fields": {"errors"},
    "records": {"fields"},
    "tensor": {"errors"},
    "graph": {"tensor"},
    "tfjs": {"graph"},
    "passes": {"graph"},
    "kernels": {"graph"},
    "plan": {"graph", "kernels"},
    "model": {"tfjs", "passes", "plan"},
    "train": {"plan", "passes", "model"},
    "confidence": {"tensor"},
    "storage": {"records"},
    "chain": {"storage"},
    "desk": {"chain"},
    "retrain": {"chain", "train", "confidence"},
    "host": {"chain", "train", "confidence"},
    "bundle": {"records", "model"},
    "node": {"chain", "desk", "retrain", "confidence", "model", "bundle"},
    "testing": {"node", "bundle", "demo"},
    "demo": {"node", "bundle", "host"},
    "bench": {"model", "bundle", "train", "host"},
    "commands": {"demo", "bench", "testing"},
    "cli": {"commands"},
}
BROWSER = [
    "errors",
    "records",
    "tensor",
    "tfjs",
    "graph",
    "passes",
    "plan",
    "kernels",
    "train",
    "confidence",
    "chain",
    "host",
]
NATIVE_ONLY = {
    *(f"kernels/{path.name}" for path in (ROOT / "kernels").glob("reference*.py")),
    "kernels/build.py",
    "train/estimator.py",
    "train/heads.py",
}


def rooms() -> list[str]:
    found = [
        path.stem if path.is_file() else path.name
        for path in ROOT.iterdir()
        if not path.name.startswith(("_", "."))
    ]
    return sorted(name for name in found if (ROOT / name).is_dir() or (ROOT / f"{name}.py").is_file())


def allowed(room: str) -> set[str]:
    """Everything that a room may reach, itself included."""
    reached, new = set(), {room, "errors"}
    while new:
        reached |= new
        new = {target for name in new for target in ARROWS.get(name, set())} - reached
    return reached


def files(room: str) -> list[Path]:
    return [ROOT / f"{room}.py"] if (ROOT / f"{room}.py").is_file() else sorted((ROOT / room).rglob("*.py"))


def imports(path: Path) -> list[tuple[str, int]]:
    """Full dotted names imported anywhere in a file, with their lines."""
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            if node.module == "py_edge":
                names += [(f"py_edge.{a.name}", node.lineno) for a in node.names if a.name in rooms()]
            else:
                names.append((node.module, node.lineno))
    return names


@pytest.mark.parametrize("room", rooms())
def test_arrows_point_one_way(room: str) -> None:
    """A room imports only rooms that stand before it in the picture."""
    assert room in ARROWS, f"py_edge/{room} is in no row of the picture"
    reach = allowed(room)
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in files(room)
        for name, line in imports(path)
        if name.startswith("py_edge.")
        and name.split(".")[1] not in reach
        and not name.split(".")[1].startswith("_")
    ]
    assert wrong == []


@pytest.mark.parametrize("room", BROWSER)
def test_browser_path_needs_the_standard_library_only(room: str) -> None:
    """What the browser loads imports nothing that Pyodide would have to fetch."""
    ours = {"py_edge", "js", "pyodide", "pyodide_js"}
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in files(room)
        if str(path.relative_to(ROOT)) not in NATIVE_ONLY
        for name, line in imports(path)
        if name.split(".")[0] not in ours and name.split(".")[0] not in sys.stdlib_module_names
    ]
    assert wrong == []


def test_importing_the_package_loads_no_numpy() -> None:
    """`import py_edge` and a model's way to a prediction touch neither numpy nor the server's libraries."""
    code = "import sys, py_edge; print(*sorted(m for m in sys.modules if m.split('.')[0] in {'numpy','sklearn','starlette','sqlalchemy','uvicorn'}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_public_name_without_its_library_says_what_to_install() -> None:
    """Every public name can be looked up; without scikit-learn a star import works, and what needs it names the extra."""
    missing = "import sys; sys.modules['sklearn'] = sys.modules['sklearn.base'] = None\nfrom py_edge import *; load_model; import py_edge; py_edge.EdgeClassifier"
    done = subprocess.run([sys.executable, "-c", missing], capture_output=True, text=True, check=False)

    assert all(hasattr(py_edge, name) for name in [*py_edge.__all__, *py_edge._HOMES])
    assert "EdgeClassifier: sklearn" in done.stderr
    assert "pip install 'py_edge[sklearn]'" in done.stderr
