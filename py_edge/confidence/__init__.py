"""How sure an answer is, and whether that is sure enough: scores, temperature, certified thresholds, the decision,
and whether the input is like anything that was learnt from."""

from py_edge.confidence.calibrate import fit_temperature
from py_edge.confidence.certify import NEVER_SURE, Certificate, certify, error_bound
from py_edge.confidence.defer import Decision, decide
from py_edge.confidence.novelty import NOVEL, Familiarity
from py_edge.confidence.policy import Policy, Promise, make_policy
from py_edge.confidence.scores import Scores, score, to_probabilities

__all__ = [
    "NEVER_SURE",
    "NOVEL",
    "Certificate",
    "Decision",
    "Familiarity",
    "Policy",
    "Promise",
    "Scores",
    "certify",
    "decide",
    "error_bound",
    "fit_temperature",
    "make_policy",
    "score",
    "to_probabilities",
]
