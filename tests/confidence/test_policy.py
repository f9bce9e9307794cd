"""Temperature and threshold of one model version."""

from __future__ import annotations

import math

import numpy as np
import pytest

from py_edge.confidence.calibrate import fit_temperature
from py_edge.confidence.certify import NEVER_SURE
from py_edge.confidence.defer import decide
from py_edge.confidence.policy import Promise, make_policy
from py_edge.records import NO_LABEL


def answers(n: int) -> tuple[list[list[float]], list[int]]:
    """Overconfident logits of ten classes with their truth."""
    rng = np.random.default_rng(5)
    logits = rng.normal(0, 1, (n, 10))
    labels = rng.integers(0, 10, n)
    logits[np.arange(n), labels] += rng.gamma(4, 1.2, n)
    return (4 * logits).tolist(), labels.tolist()


def test_policy_keeps_its_promise_on_new_answers() -> None:
    """What the policy lets the model answer is wrong at most as often as promised, and it lets it answer most."""
    outputs, truth = answers(3000)
    policy = make_policy(outputs[:300], truth[:300], promise=Promise(risk=0.05, rule="fixed_sequence"))
    decisions = [
        decide(output, temperature=policy.temperature, threshold=policy.threshold) for output in outputs[300:]
    ]
    answered = [(d, label) for d, label in zip(decisions, truth[300:], strict=True) if not d.defer]
    assert len(answered) / len(decisions) > 0.5
    assert sum(d.label_index != label for d, label in answered) / len(answered) <= 0.05
    assert policy.temperature > 1.5


def test_without_audits_everything_climbs() -> None:
    """Other held-out answers set the temperature but never certify."""
    outputs, truth = answers(200)
    policy = make_policy([], [], outputs, truth)
    assert policy.threshold == NEVER_SURE
    assert policy.temperature == fit_temperature(outputs, truth)
    assert make_policy([], []).temperature == 1.0


def test_what_fits_no_label_is_an_error_of_whoever_names_it() -> None:
    """Among 200 audits 40 show a thing of an unknown kind, which the model is surest of: no threshold lets them pass, and
    the temperature is that of the others."""
    outputs, truth = answers(160)
    strange = [[60.0] + [0.0] * 9] * 40
    policy = make_policy([*outputs, *strange], [*truth, *[NO_LABEL] * 40])
    assert policy.threshold == NEVER_SURE
    assert policy.certificate.n == 200
    assert policy.temperature == fit_temperature(outputs, truth)
    assert make_policy(outputs, truth).threshold < 1


def test_broken_outputs_certify_nothing() -> None:
    """Empty outputs count against the model."""
    with pytest.raises(Exception, match="E_CALIBRATION"):
        make_policy([[]], [0])


def test_a_broken_output_counts_as_the_least_sure() -> None:
    """Audits of an unknown kind on which the model gave no number take nothing from what it was sure of."""
    outputs, truth = [[9.0, 0.0]] * 150, [0] * 150
    policy = make_policy([*outputs, *[[math.nan, 0.0]] * 10], [*truth, *[NO_LABEL] * 10])
    assert (policy.certificate.n, policy.certificate.answered, policy.certificate.errors) == (160, 150, 0)


def test_promise_survives_json() -> None:
    """A promise comes back from a release's metadata; nothing said means the default."""
    promise = Promise(0.02, 0.05, (0.5, 0.9), "fixed_sequence")
    assert Promise.from_json(promise.to_json()) == promise
    assert Promise.from_json(None) == Promise()
