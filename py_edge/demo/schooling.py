"""Teaching one model of the story with our own engine: from lessons at the start, from answers ever after."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from py_edge.chain.ports import Guess
from py_edge.confidence.policy import make_policy
from py_edge.confidence.scores import to_probabilities
from py_edge.demo.digits import LABELS, SHAPE, Part, move
from py_edge.demo.pictures import from_examples, memory_file
from py_edge.demo.recipe import Schooling, Tier
from py_edge.model import Model, load_model
from py_edge.records import Example
from py_edge.retrain.learner import Files
from py_edge.tensor import Tensor
from py_edge.tfjs.new import sequential
from py_edge.tfjs.save import to_files
from py_edge.train.finetune import finetune

PLAN_FILE, MEMORY_FILE = "wasm.plan", "memory.json"
_PANEL = 8  # columns per packed panel of the stand-alone executor


def new_model(tier: Tier, seed: int) -> Model:
    """An untaught model of this tier, its weights drawn from the seed."""
    layers = [{"class_name": kind, **config} for kind, config in tier.layers]
    return Model(sequential(SHAPE, layers, seed=seed, name=tier.name))


def teach(model: Model, part: Part, how: Schooling, seed: int) -> None:
    """Train all layers in place. `moved` doubles the pictures with moved ones and halves the epochs for as many steps."""
    rng = np.random.default_rng([seed, len(part)])
    images, labels, epochs = part.images, part.labels, how.epochs
    if how.moved:
        images = np.concatenate([images, move(images, rng, 2 * how.moved)])
        labels, epochs = np.concatenate([labels, labels]), max(1, how.epochs // 2)
    steps = -(-len(labels) // how.batch)

    def rate(iteration: int) -> float:
        return how.learning_rate * (1 - (iteration // steps) / epochs)

    finetune(
        model, images, labels.astype(np.int32), layers="all", epochs=epochs, batch=how.batch, learning_rate=rate,
        metrics=(), seed=seed,
    )  # fmt: skip


def outputs_of(model: Model, part: Part) -> list[list[float]]:
    """The model's output (N, C) for each picture."""
    if not len(part):
        return []
    found = model.predict(part.images)
    assert isinstance(found, Tensor)
    rows: list[list[float]] = found.tolist()
    return rows


@dataclass(frozen=True)
class School:
    """The learner of one tier, as retrain/ wants it. lessons: what the tier knew first and keeps being taught."""

    tier: Tier
    lessons: Part

    def first(self, seed: int) -> dict[str, bytes]:
        """The files of the untaught tier after its lessons."""
        model = new_model(self.tier, seed)
        teach(model, self.lessons, self.tier.start, seed)
        return dict(to_files(model.tfjs))

    def train(self, base: Files, examples: Sequence[Example], seed: int) -> tuple[Files, dict[str, Any]]:
        """A candidate that goes on from the base with lessons and examples together."""
        model = load_model(_model_files(base))
        known = from_examples(examples)
        times = self.tier.again.times
        whole = Part(
            np.concatenate([self.lessons.images, *[known.images] * times]),
            np.concatenate([self.lessons.labels, *[known.labels] * times]),
        )
        teach(model, whole, self.tier.again, seed)
        return {**base, **to_files(model.tfjs)}, {}

    def evaluate(self, files: Files, examples: Sequence[Example]) -> list[Guess]:
        """What these files think of the examples, at temperature 1."""
        found = []
        for output in outputs_of(load_model(_model_files(files)), from_examples(examples)):
            probabilities = to_probabilities(output)
            found.append(Guess(int(np.argmax(output)), probabilities))
        return found

    def certify(
        self, files: Files, audits: Sequence[Example], gold: Sequence[Example]
    ) -> tuple[Files, dict[str, Any]]:
        """Temperature and threshold of these files by the audits, and the files that a page needs besides."""
        model = load_model(_model_files(files))
        evidence, other = from_examples(audits), from_examples(gold)
        policy = make_policy(
            outputs_of(model, evidence), evidence.labels.tolist(), outputs_of(model, other), other.labels.tolist(),
            self.tier.promise,
        )  # fmt: skip
        metadata = {
            "labels": list(LABELS), "parameters": model.tfjs.parameters, "promise": self.tier.promise.to_json(),
            **policy.to_json(),
        }  # fmt: skip
        return self._for_pages(model, files, other, metadata), metadata

    def _for_pages(self, model: Model, files: Files, gold: Part, metadata: dict[str, Any]) -> Files:
        if self.tier.level:
            return files
        meta = {name: metadata[name] for name in ("labels", "temperature", "threshold")}
        memory = json.dumps(memory_file(self.lessons, gold), separators=(",", ":")).encode()
        return {
            **files,
            PLAN_FILE: model.plan(panel=_PANEL, meta=meta).to_bytes(),
            MEMORY_FILE: memory,
        }


def _model_files(files: Files) -> dict[str, bytes]:
    return {path: data for path, data in files.items() if path not in (PLAN_FILE, MEMORY_FILE)}
