"""What the README says holds: its Python runs, what it links to is there, its commands exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from py_edge import load_model
from py_edge.cli import COMMANDS

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    *(ROOT / "web" / "recipes").glob("*.md"),
    *(ROOT / "py_edge").glob("*/README.md"),
]


def test_the_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it stands there: a model of digits is made that knows them; it predicts, learns, and leaves a model that loads."""
    making, using = re.findall(
        r"snippet: (?:model|python) -->\n```python\n(.*?)```", PAGES[0].read_text(), re.DOTALL
    )
    monkeypatch.chdir(tmp_path)
    around: dict[str, Any] = {}
    exec(making, around)
    digits = around["digits"]
    around |= {"images": digits.images[:50, ..., None] / 16, "labels": digits.target[:50]}

    exec(using, around)

    right = around["probabilities"].argmax(1) == around["labels"]
    assert right.mean() > 0.8
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
