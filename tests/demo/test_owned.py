"""The starting models and who owns them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from py_edge.demo.digits import Splits
from py_edge.demo.owned import make_parts, models_folder, train_first
from py_edge.demo.recipe import TIERS
from py_edge.demo.schooling import outputs_of
from py_edge.model import load_model


def test_models_are_layers_models_that_know_something(models: Path, splits: Splits) -> None:
    """Each is a TF.js layers-model of its size, right more often the higher its tier, on writers never seen."""
    right = []
    for tier in TIERS:
        document = json.loads((models / tier.name / "model.json").read_text())
        assert document["format"] == "layers-model"
        model = load_model(models / tier.name)
        right.append(float(np.mean(np.argmax(outputs_of(model, splits.held), 1) == splits.held.labels)))
    assert right == sorted(right)
    assert 0.5 < right[0] < 0.9 < right[2]
    assert load_model(models / "device").tfjs.parameters < 3_000


def test_kept_models_are_not_trained_again(models: Path, splits: Splits) -> None:
    """A second set-up with the same folder writes nothing."""
    before = {path: path.stat().st_mtime_ns for path in models.rglob("*") if path.is_file()}
    train_first(models, splits, 0)
    assert {path: path.stat().st_mtime_ns for path in models.rglob("*") if path.is_file()} == before


def test_seeds_have_folders_of_their_own(tmp_path: Path) -> None:
    """Models of another seed are never taken for ours."""
    assert models_folder(tmp_path, 1) != models_folder(tmp_path, 2)


def test_site_owns_the_device_too(models: Path) -> None:
    """The site retrains its own model and the device's base; the device's release carries what a page needs."""
    site, cloud = make_parts("site", models, 0), make_parts("cloud", models, 0)
    assert [owned.name for owned in site.owned] == ["site", "device"]
    assert [owned.name for owned in cloud.owned] == ["cloud"]
    for owned in (*site.owned, *cloud.owned):
        assert owned.first is not None
        files, metadata = owned.first
        assert {"wasm.plan", "memory.json"} <= set(files) or owned.name != "device"
        assert metadata["threshold"] > 1
        assert len(metadata["labels"]) == 10
