"""The starting models, trained once for all tests of the story."""

from __future__ import annotations

from pathlib import Path

import pytest

from py_edge.demo.digits import Splits, load_splits
from py_edge.demo.owned import train_first


@pytest.fixture(scope="session")
def splits() -> Splits:
    return load_splits(0)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory, splits: Splits) -> Path:
    """Folder with the starting models of seed 0."""
    folder = tmp_path_factory.mktemp("models")
    train_first(folder, splits, 0)
    return folder
