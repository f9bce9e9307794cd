"""The command: quick help, honest exit codes, one sentence per error."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from py_edge.cli import COMMANDS, build_parser, main
from py_edge.tfjs.new import sequential
from py_edge.tfjs.save import save_model

LAYERS: list[dict[str, Any]] = [
    {"class_name": "Flatten"},
    {"class_name": "Dense", "units": 3, "activation": "softmax"},
]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A tiny model in a folder."""
    save_model(sequential((2, 2), LAYERS, seed=1), tmp_path / "model")
    return tmp_path / "model"


def test_help_loads_nothing_heavy() -> None:
    """`py-edge --help` names every command and imports neither numpy nor a server."""
    code = "import sys\nfrom py_edge.cli import main\ntry: main(['--help'])\nfinally: print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert all(name in done.stdout for name in COMMANDS)
    loaded = set(done.stderr.split())
    assert not loaded & {
        "numpy",
        "starlette",
        "sklearn",
        "playwright",
        "py_edge.node",
        "py_edge.plan",
        "py_edge.demo",
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each verb of the list has its module, tells its arguments and shows a call of itself that its parser takes."""
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    usage, _, example = capsys.readouterr().out.partition("example:\n")
    assert usage.startswith(f"usage: py-edge {name}")
    assert build_parser(name).parse_args(shlex.split(example)[1:]).command == name


def test_wrong_usage_is_two(capsys: pytest.CaptureFixture[str]) -> None:
    """No command, an unknown one and a missing argument end with 2 and a usage line."""
    for given in ([], ["fly"], ["predict"]):
        with pytest.raises(SystemExit) as ended:
            main(given)
        assert ended.value.code == 2
        assert "usage: py-edge" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["demo", "--rounds", "0"], "want 1 to"),
        (["demo", "--port", "70000"], "want 0 to 65534"),
        (["bench", "--parts", "threads,flight"], "unknown flight; known: latency, threads"),
    ],
)
def test_a_value_that_is_none_is_refused_at_once(
    given: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before any work, with what would do."""
    try:
        code: Any = main(given)
    except SystemExit as ended:
        code = ended.code
    assert code == 2
    assert words in capsys.readouterr().err


def test_a_bundle_of_a_wrong_path_is_refused_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model that is not there, and a folder to verify that holds no bundle, end with the path and E_NOT_FOUND."""
    nowhere = str(tmp_path / "nowhere")
    for given in (["-o", str(tmp_path / "out"), "--model", nowhere], ["verify", nowhere]):
        assert main(["bundle", *given]) == 1
        said = capsys.readouterr().err.strip()
        assert said.startswith(f"py-edge: {nowhere}: ")
        assert said.endswith("[E_NOT_FOUND]")


def test_a_comparison_with_nothing_is_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder without data of the part that was asked for is an error, not an empty table and 0."""
    assert main(["conformance", "--data", str(tmp_path), "--only", "converted"]) == 1
    assert "nothing was compared" in capsys.readouterr().err


def test_predict_writes_what_the_model_says(model: Path, tmp_path: Path) -> None:
    """One .npy in, one .npy out; a .npz keyed by the input's name does the same."""
    x = np.random.default_rng(0).normal(size=(5, 2, 2)).astype("f4")
    np.save(tmp_path / "x.npy", x)
    assert (
        main(["predict", str(model), "--input", str(tmp_path / "x.npy"), "--output", str(tmp_path / "y.npy")])
        == 0
    )
    found = np.load(tmp_path / "y.npy")
    assert found.shape == (5, 3)
    assert np.allclose(found.sum(1), 1, atol=1e-6)
    np.savez(tmp_path / "x.npz", input=x)
    given = ["--input", str(tmp_path / "x.npz"), "--output", str(tmp_path / "y.npz")]
    assert main(["predict", str(model / "model.json"), *given]) == 0
    with np.load(tmp_path / "y.npz") as archive:
        assert np.array_equal(archive[archive.files[0]], found)


def test_inspect_tells_all_facts(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The JSON has format, layers, parameters, what is unsupported, plan steps, arena bytes and their ratio."""
    assert main(["inspect", str(model), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["format"] == "layers-model"
    assert facts["parameters"] == 15
    assert [layer["kind"] for layer in facts["layers"]][-2:] == ["Flatten", "Dense"]
    assert facts["unsupported"] == []
    assert facts["plan_steps"] >= 1
    assert facts["arena_bytes"] > 0
    assert facts["arena_bytes"] >= facts["live_bytes"] > 0
    assert facts["arena_ratio"] >= 1
    assert main(["inspect", str(model)]) == 0
    assert "15 parameters" in capsys.readouterr().out


def test_inspect_names_what_is_unsupported(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A layer that we do not know is named with its place; finding it is what inspect is for, so the exit code is 0."""
    text = (model / "model.json").read_text().replace('"Flatten"', '"Teleport"')
    (model / "model.json").write_text(text)
    assert main(["inspect", str(model), "--json"]) == 0
    problem = json.loads(capsys.readouterr().out)["unsupported"][0]
    assert problem["code"] == "E_UNSUPPORTED"
    assert "Teleport" in json.dumps(problem)


def test_inspect_names_all_of_it_before_a_shard_is_opened(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each unknown layer is told with its place though no shard is there; nothing is said about what was not read."""
    text = (model / "model.json").read_text().replace('"Flatten"', '"Teleport"').replace('"Dense"', '"Dens"')
    (model / "model.json").write_text(text)
    for shard in model.glob("*.bin"):
        shard.unlink()
    assert main(["inspect", str(model), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    told = [(p["code"], p["where"].split()[0].rpartition("/")[2]) for p in facts["unsupported"]]
    assert told == [("E_UNSUPPORTED", "1"), ("E_UNSUPPORTED", "2")]
    assert (facts["parameters"], facts["arena_bytes"]) == (None, None)


def test_inspect_names_an_unsupported_setting(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A known layer with a setting that we lack is listed as well, not raised."""
    text = (model / "model.json").read_text().replace('"softmax"', '"sharpmax"')
    (model / "model.json").write_text(text)
    assert main(["inspect", str(model), "--json"]) == 0
    (problem,) = json.loads(capsys.readouterr().out)["unsupported"]
    assert (problem["code"], "sharpmax" in problem["message"]) == ("E_UNSUPPORTED", True)


@pytest.mark.parametrize("broken", ["", "{", "[]", '{"format": "layers-model"}', "<!doctype html>"])
def test_broken_models_are_one_sentence(
    broken: str, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Truncated and foreign files end with 1 and one line with a code, never a traceback."""
    (model / "model.json").write_text(broken)
    np.save(tmp_path / "x.npy", np.zeros((1, 2, 2), "f4"))
    for given in (
        ["inspect", str(model)],
        ["predict", str(model), "--input", str(tmp_path / "x.npy"), "--output", "y.npy"],
    ):
        assert main(given) == 1
        said = capsys.readouterr().err.strip()
        assert said.startswith("py-edge: ")
        assert "[E_" in said
        assert "\n" not in said


def test_missing_files_are_said(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A path that is not there is named; nothing is written."""
    assert (
        main(
            ["predict", str(model), "--input", str(tmp_path / "no.npy"), "--output", str(tmp_path / "y.npy")]
        )
        == 1
    )
    assert "no.npy" in capsys.readouterr().err
    assert main(["inspect", str(tmp_path / "nowhere")]) == 1
    assert "nowhere" in capsys.readouterr().err
    assert not (tmp_path / "y.npy").exists()


def test_wrong_input_is_said(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An input of another shape names what came and what was wanted."""
    np.save(tmp_path / "x.npy", np.zeros((1, 3, 2), "f4"))
    assert (
        main(["predict", str(model), "--input", str(tmp_path / "x.npy"), "--output", str(tmp_path / "y.npy")])
        == 1
    )
    assert "E_SHAPE" in capsys.readouterr().err


def test_module_is_the_command() -> None:
    """`python -m py_edge` is `py-edge`."""
    done = subprocess.run(
        [sys.executable, "-m", "py_edge", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("py-edge ")
