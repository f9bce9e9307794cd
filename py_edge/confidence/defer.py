"""The decision: answer now, or ask further up. What cannot be judged is hard, never easy."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from py_edge.confidence.scores import score, to_probabilities


@dataclass(frozen=True, slots=True)
class Decision:
    """label: in words, None without an idea; label_index: its place, -1 without; confidence: calibrated, in [0, 1];
    defer: somebody else should answer; reason: why, for people; novel: it is like nothing that was learnt from."""

    label: str | None
    label_index: int
    confidence: float
    defer: bool
    reason: str
    novel: bool = False


def decide(
    output: Iterable[float],
    *,
    temperature: float = 1.0,
    threshold: float = math.inf,
    labels: Sequence[str] | None = None,
) -> Decision:
    """Label, confidence and "not sure" of one output (C,) of logits or probabilities.

    Sure means confidence >= threshold at this temperature; without a threshold nothing is sure. An empty output, one
    with NaN or infinity, and a temperature or threshold that is no number give defer, with the reason.
    """
    if not (math.isfinite(temperature) and temperature > 0):
        return Decision(None, -1, 0.0, True, f"the temperature {temperature} is no temperature")
    probabilities = to_probabilities(output, temperature)
    if not probabilities:
        return Decision(None, -1, 0.0, True, "the output is empty or not finite")
    scores = score(probabilities)
    place, confidence = scores.label_index, scores.confidence
    label = labels[place] if labels is not None and place < len(labels) else str(place)
    if confidence >= threshold:
        return Decision(
            label, place, confidence, False, f"confidence {confidence:.3f} reaches {threshold:.3f}"
        )
    return Decision(label, place, confidence, True, f"confidence {confidence:.3f} is below {threshold:.3f}")
