"""Who owns what in the story: the cloud its own model; the site its own and the device's base."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from py_edge import __version__
from py_edge.demo.digits import Part, Splits, load_splits
from py_edge.demo.pictures import to_examples
from py_edge.demo.recipe import CLOUD, DEVICE, SITE, TIERS, Tier
from py_edge.demo.schooling import School
from py_edge.node.answerer import ModelAnswerer
from py_edge.node.node import Parts
from py_edge.retrain.gate import GateRules
from py_edge.retrain.learner import Owned

# A start from 40 pictures has still much to trade: a class may lose a few answers where the whole wins.
RULES = GateRules(rule="likelihood", gold_drop=0.05, class_slack=6)
OWNED_BY = {"site": (SITE, DEVICE), "cloud": (CLOUD,)}


def lessons_of(tier: Tier, splits: Splits) -> Part:
    """The few labelled pictures that a tier starts from."""
    return splits.lessons[: tier.lessons]


def models_folder(root: Path, seed: int) -> Path:
    """Where the starting models of this seed and this recipe are kept."""
    recipe = sha256(f"{TIERS} {__version__}".encode()).hexdigest()
    return root / f"models-{seed}-{recipe[:8]}"


def train_first(folder: Path, splits: Splits, seed: int) -> None:
    """Teach the three starting models and save them in TF.js layers format, one folder each; kept ones stay."""
    for tier in TIERS:
        target = folder / tier.name
        if (target / "model.json").is_file():
            continue
        files = School(tier, lessons_of(tier, splits)).first(seed)
        target.mkdir(parents=True, exist_ok=True)
        for path, data in sorted(files.items(), key=lambda item: item[0] == "model.json"):
            (target / path).write_bytes(data)


def make_parts(role: str, models: Path, seed: int) -> Parts:
    """What the node of this role is handed: its answerer, and the models that it retrains."""
    splits = load_splits(seed)
    gold = to_examples(splits.gold, "device")
    owned = []
    for tier in OWNED_BY[role]:
        school = School(tier, lessons_of(tier, splits))
        saved = {path.name: path.read_bytes() for path in sorted((models / tier.name).iterdir())}
        files, metadata = school.certify(saved, [], gold)
        owned.append(Owned(tier.name, school, tier.level, (files, metadata), gold))
    answering = ModelAnswerer()
    return Parts(
        answerer=answering,
        answerer_model=role,
        load=answering.load,
        owned=tuple(owned),
        gate=RULES,
    )
