"""What the README says holds: its Python runs, what it links to is there, its commands exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from py_edge.cli import COMMANDS
from py_edge.model import Model, load_model
from py_edge.tfjs import sequential

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    *(ROOT / "web" / "recipes").glob("*.md"),
    *(ROOT / "py_edge").glob("*/README.md"),
]


def test_the_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it stands there, beside a model of digits: it predicts, learns, and leaves a model that loads."""
    found = re.search(r"snippet: python -->\n```python\n(.*?)```", PAGES[0].read_text(), re.DOTALL)
    assert found is not None
    layers: list[dict[str, Any]] = [
        {"class_name": "Flatten"},
        {"class_name": "Dense", "units": 10, "activation": "softmax"},
    ]
    Model(sequential((8, 8, 1), layers, seed=1)).save(tmp_path / "models" / "digits")
    monkeypatch.chdir(tmp_path)
    around = {"images": np.random.default_rng(0).random((10, 8, 8, 1)), "labels": np.arange(10)}

    exec(found[1], around)

    assert around["probabilities"].shape == (10, 10)
    again = np.asarray(load_model("models/digits-tuned").predict(around["images"]))
    assert not np.allclose(again, around["probabilities"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Files and pictures that a page points to are in the repository."""
    targets = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_and_targets_exist(page: Path) -> None:
    """Every `py-edge VERB` and `make TARGET` in a page is one."""
    text = page.read_text()
    makefile = (ROOT / "Makefile").read_text()
    verbs = re.findall(r"(?:^|[`/])py-edge ([a-z][a-z-]+)", text, re.MULTILINE)
    targets = re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE)

    assert [verb for verb in verbs if verb not in COMMANDS] == []
    assert [target for target in targets if f"\n{target}:" not in makefile] == []
