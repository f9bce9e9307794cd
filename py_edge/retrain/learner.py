"""What a node must be handed to retrain a model: the learner, and what it owns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from py_edge.chain.ports import Guess
from py_edge.records import Example

Files = Mapping[str, bytes]


class Learner(Protocol):
    """Trains and evaluates one kind of model; files are the bytes of a model folder by path."""

    def train(self, base: Files, examples: Sequence[Example], seed: int) -> tuple[Files, dict[str, Any]]:
        """A candidate made from the base and the examples, and its metadata (temperature, threshold, …)."""

    def evaluate(self, files: Files, examples: Sequence[Example]) -> Sequence[Guess]:
        """What the model thinks of each example's input."""

    def certify(
        self, files: Files, audits: Sequence[Example], gold: Sequence[Example]
    ) -> tuple[Files, dict[str, Any]]:
        """The files with what depends on the policy made anew, and temperature, threshold, certificate as metadata.

        audits: random answers of persons, never trained on, which alone may certify; gold helps the temperature.
        One whose label_index is NO_LABEL is of a kind that the model does not know: any answer to it is an error.
        """


@dataclass(frozen=True)
class Owned:
    """A model that this node retrains and releases.

    level: the tier that uses it (0 device); it learns only from tiers above that. first: files and metadata of
    version 1, if the node has none yet. gold: frozen examples, never trained on, never sent anywhere.
    """

    name: str
    learner: Learner
    level: int = 0
    first: tuple[Files, dict[str, Any]] | None = None
    gold: Sequence[Example] = ()
    learns_from: tuple[str, ...] = ()  # names of asking models; empty: every question
    options: Mapping[str, Any] = field(default_factory=dict)
