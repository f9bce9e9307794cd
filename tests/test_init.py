"""The package as its user sees it: names, completion, types, and nothing loaded before it is used."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import py_edge
from py_edge.errors import EnvironmentProblem

PROGRAM = """
import py_edge
from py_edge import Decision, Model, Plan, PyEdgeError, Run, Tensor, certify, decide, finetune, fit_temperature, load_model

model: Model = load_model("folder", threads=2)
plan: Plan = model.plan(4, winograd=False)
run: Run = Run(plan, model.library)
answer: Tensor = run({model.inputs[0].name: [[1.0, 2.0]]})["output"]
sure: Decision = decide(answer.flat, temperature=fit_temperature([[0.1, 0.9]], [1]), threshold=0.9, labels=["no", "yes"])
words: str = sure.label or sure.reason
promised: float = certify([0.9], [True], risk=0.02, delta=0.1).threshold
finetune(model, [[1.0, 2.0]], [1], epochs=2, layers=1)
try:
    model.save("elsewhere", {"labels": ["no", "yes"]})
except PyEdgeError as error:
    place: str = f"{error.code} {error.where} {error.remedy}"
version: str = py_edge.__version__
"""


def test_every_public_name_can_be_had_and_is_typed() -> None:
    """Each has its home, tab completion shows it, the type checker imports the same; a star takes those without scikit-learn."""
    tree = ast.parse(Path(py_edge.__file__).read_text())
    (typed,) = (node for node in tree.body if isinstance(node, ast.If))
    imported = {alias.name for each in typed.body if isinstance(each, ast.ImportFrom) for alias in each.names}

    names = sorted(py_edge._HOMES)
    assert sorted(imported) == names
    assert dir(py_edge) == names
    assert [name for name in names if py_edge._HOMES[name] not in py_edge._NEED_SKLEARN] == py_edge.__all__
    for name in names:
        assert getattr(py_edge, name).__doc__


def test_help_and_completion_work_without_scikit_learn() -> None:
    """On the plain install the scikit-learn classes are not listed; asking for one names the extra."""
    code = "import sys; sys.modules['sklearn'] = None; import importlib.util as u; old = u.find_spec\n"
    code += "u.find_spec = lambda name: None if name == 'sklearn' else old(name)\n"
    code += "import pydoc, py_edge; text = pydoc.plain(pydoc.render_doc(py_edge)); print('load_model(' in text, dir(py_edge))\n"
    code += "try: py_edge.EdgeClassifier\nexcept Exception as error: print(error)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    listed, asked = done.stdout.splitlines()

    assert listed.startswith("True [")
    assert "EdgeClassifier" not in listed
    assert asked.endswith(f"pip install 'py_edge[sklearn]' [{EnvironmentProblem.code}]")


def test_importing_the_package_loads_nothing_else() -> None:
    """`import py_edge` brings in none of our rooms."""
    code = "import sys, py_edge; print([name for name in sys.modules if name.startswith('py_edge.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.slow
def test_a_users_program_passes_the_strict_checker(tmp_path: Path) -> None:
    """mypy --strict finds nothing in a program of public names only, and finds what is used wrongly."""
    good, bad = tmp_path / "good.py", tmp_path / "bad.py"
    good.write_text(PROGRAM)
    bad.write_text(PROGRAM + "decide(answer.flat, 1.0, 0.9)\nmodel.predict()\n")
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache")]

    for file, found in ((good, 0), (bad, 1)):
        done = subprocess.run([*command, str(file)], capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == found, done.stdout
    assert "Too many positional arguments" in done.stdout
    assert "Missing positional argument" in done.stdout
