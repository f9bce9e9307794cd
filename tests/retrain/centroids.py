"""A real small learner for tests: one centroid per label, kept as JSON; training moves them to the examples."""

from __future__ import annotations

import base64
import json
import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from py_edge.chain.ports import Guess
from py_edge.records import Example, Question, Release


def numbers(content: Mapping[str, Any]) -> tuple[float, ...]:
    """The numbers of an input tensor."""
    raw = base64.b64decode(content["data"])
    return struct.unpack(f"<{len(raw) // 4}f", raw)


def model_files(centroids: Mapping[int, float]) -> dict[str, bytes]:
    """The files of a model with these centroids."""
    return {"model.json": json.dumps({str(label): value for label, value in centroids.items()}).encode()}


def read_centroids(files: Mapping[str, bytes]) -> dict[int, float]:
    """And back."""
    return {int(label): value for label, value in json.loads(files["model.json"]).items()}


def guess(centroids: Mapping[int, float], value: float) -> Guess:
    """The nearest centroid, less sure the farther it is."""
    best = min(sorted(centroids), key=lambda label: abs(value - centroids[label]))
    sure = 0.1 + 0.9 * math.exp(-abs(value - centroids[best]) / 2)
    chances = [(1 - sure) / 9] * 10
    chances[best] = sure
    return Guess(best, chances)


class CentroidLearner:
    """Learns the mean of what it is shown for each label."""

    def train(
        self, base: Mapping[str, bytes], examples: Sequence[Example], seed: int
    ) -> tuple[dict[str, bytes], dict[str, Any]]:
        """A new centroid for each label that has examples."""
        centroids = read_centroids(base)
        for label in {example.label_index for example in examples}:
            values = [numbers(e.input)[0] for e in examples if e.label_index == label]
            centroids[label] = sum(values) / len(values)
        return model_files(centroids), {"seed": seed}

    def evaluate(self, files: Mapping[str, bytes], examples: Sequence[Example]) -> list[Guess]:
        """A guess for each example."""
        centroids = read_centroids(files)
        return [guess(centroids, numbers(example.input)[0]) for example in examples]

    def certify(
        self, files: Mapping[str, bytes], audits: Sequence[Example], gold: Sequence[Example]
    ) -> tuple[Mapping[str, bytes], dict[str, Any]]:
        """The threshold is the confidence of the least sure audit; without audits nothing is promised."""
        guesses = self.evaluate(files, audits)
        return files, {"threshold": min(max(g.probabilities) for g in guesses)} if guesses else {}


class CentroidAnswerer:
    """Answers with the newest release."""

    threshold = 0.8
    labels = tuple("0123456789")

    def __init__(self) -> None:
        self.centroids: dict[int, float] = {}
        self.version = 0

    def load(self, release: Release, files: Mapping[str, bytes]) -> None:
        """Take a new release."""
        self.centroids, self.version = read_centroids(files), release.version

    def answer(self, asked: Question) -> Guess:
        """A guess for one question."""
        found = guess(self.centroids, numbers(asked.input)[0])
        return Guess(found.label_index, found.probabilities, self.version)
