"""What the learn worker calls: named functions, data in, plain values out. Runs in Pyodide, and natively in tests.

Every function gives `{"value": …}` or `{"problem": …}`, because an exception that crosses into JavaScript loses its
code. Arrays come as flat buffers (float32 inputs row after row, int32 labels, float32 weights). D: values of one input.
"""

from __future__ import annotations

import functools
import gc
import os
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, ParamSpec

import py_edge
from py_edge.errors import NotFoundError, PyEdgeError
from py_edge.host.classroom import Classroom
from py_edge.host.fit import Fit
from py_edge.host.learner import BROWSER_PANEL, Learner
from py_edge.host.teachable import Imported
from py_edge.model import load_model
from py_edge.tfjs.save import to_files
from py_edge.train.delta import make_delta

P = ParamSpec("P")

_learners: dict[str, Learner] = {}
_classrooms: dict[str, Classroom] = {}
_fits: dict[str, Fit] = {}


def told(function: Callable[P, Any]) -> Callable[P, dict[str, Any]]:
    """The function's value or problem as a dictionary."""

    @functools.wraps(function)
    def tell(*args: P.args, **kwargs: P.kwargs) -> dict[str, Any]:
        try:
            return {"value": function(*args, **kwargs)}
        except PyEdgeError as error:
            return {"problem": error.as_dict()}
        except MemoryError:
            return {
                "problem": {
                    "code": "E_CAPACITY",
                    "message": "this tab has not enough memory",
                    "where": "Python",
                }
            }
        except Exception as error:
            message = f"{type(error).__name__}: {error}"
            return {"problem": {"code": "E_INTERNAL", "message": message, "where": function.__name__}}

    return tell


def _learner(name: str) -> Learner:
    if name not in _learners:
        raise NotFoundError("no such model is loaded", where="learn worker", got=name)
    return _learners[name]


def _classroom(name: str) -> Classroom:
    if name not in _classrooms:
        raise NotFoundError("no such model was opened", where="learn worker", got=name)
    return _classrooms[name]


def start() -> dict[str, str]:
    """Once, before anything else. Randomness is seeded anew, for a memory snapshot freezes it."""
    random.seed(os.urandom(16))
    return {"python": sys.version.split()[0], "py_edge": py_edge.__version__}


@told
def load(
    name: str, files: Mapping[str, Any], metadata: Mapping[str, Any], options: Mapping[str, Any]
) -> dict[str, Any]:
    """Take a release's files (path -> bytes) as the model of this name. options: memory, the path of the memory file;
    change, what this device has learnt on it before.

    Raises ModelFormatError and its children for files that cannot be used; the model before stays in place then.
    """
    given = {path: bytes(data) for path, data in files.items()}
    learner = Learner(given, metadata, str(options.get("memory", "")), bytes(options.get("change") or b""))
    _learners[name] = learner
    return {"parameters": learner.parameters}


@told
def plan(name: str) -> bytes:
    """The released model as a plan file for one input at a time."""
    learner = _learner(name)
    learner.model.set_weights(learner.released)
    return learner.plan()


@told
def files(name: str) -> dict[str, bytes]:
    """The model as it answers now, what was learnt included, as TF.js files (path -> bytes)."""
    learner = _learner(name)
    labels = {key: learner.metadata[key] for key in ("labels",) if key in learner.metadata}
    return to_files(learner.present().tfjs, labels)


@told
def delta(name: str, levels: int) -> bytes:
    """What was learnt against the released weights, small enough to send; see train.delta.make_delta."""
    learner = _learner(name)
    return make_delta(learner.released, learner.present().weights, levels=levels)


@told
def compile_plan(files: Mapping[str, Any], batch: int) -> bytes:
    """TF.js files (path -> bytes) as a plan file for `batch` examples at a time."""
    model = load_model({path: bytes(data) for path, data in files.items()})
    return model.plan(batch, panel=BROWSER_PANEL).to_bytes()


@told
def learn_begin(
    name: str,
    inputs: Any,
    labels: Sequence[int],
    weights: Sequence[float],
    options: Mapping[str, Any],
    kept: Mapping[str, Any],
) -> None:
    """Begin to fine-tune the released model on these n examples (inputs n D), in place of a fine-tune before.

    kept: generations (name -> bytes) of the very same fine-tune that was broken off; others are passed over.
    """
    learn_stop(name)
    shelf = {key: bytes(data) for key, data in kept.items()}
    _fits[name] = _learner(name).begin(inputs, list(labels), list(weights), dict(options), shelf)


@told
def learn_on(
    name: str, piece_ms: float, audited_inputs: Any, audited_labels: Sequence[int]
) -> dict[str, Any]:
    """Train for about so long. Gives progress (see Fit.go_on), generations (what must be kept now, or None) and trained.

    trained is None until the end, then it is certified with the audited examples: plan, temperature, threshold,
    certificate, loss (per epoch), examples, train_ms. Raises TrainingError when it diverged.
    """
    if name not in _fits:
        raise NotFoundError("no fine-tune has begun", where="learn worker", got=name)
    fit, trained = _fits[name], None
    try:
        progress = fit.go_on(piece_ms)
        if fit.history:
            trained = _learner(name).finish(fit, audited_inputs, list(audited_labels))
        generations = fit.new_generations()
    except Exception:
        _fits.pop(name)
        raise
    if trained:
        _fits.pop(name)
        del fit
        gc.collect()  # a fit leaves some 47 kB in cycles, and the collector comes by too seldom in an idle worker
    return {"progress": progress, "generations": generations, "trained": trained}


@told
def learn_stop(name: str) -> None:
    """Break off the fine-tune that has begun, if there is one."""
    fit = _fits.pop(name, None)
    if fit:
        fit.close()


@told
def certify(name: str, audited_inputs: Any, audited_labels: Sequence[int]) -> dict[str, Any]:
    """Temperature and threshold for the model as it is now, from the audited answers alone."""
    learner = _learner(name)
    learner.present()
    return learner.certify(audited_inputs, list(audited_labels))


@told
def class_open(
    name: str, inputs: int, hidden: Sequence[int], labels: Sequence[str], options: Mapping[str, Any]
) -> dict[str, Any]:
    """A fresh dense net of this name, instead of the one before. options: activation, learning_rate, seed."""
    _classrooms[name] = Classroom(inputs, list(hidden), list(labels), **dict(options))
    return {"epoch": 0}


@told
def class_import(name: str, archive: Any) -> dict[str, Any]:
    """The net of a Teachable Machine zip, instead of the one before. Gives labels, side and channels of its pictures."""
    net = Imported(bytes(archive))
    _classrooms[name] = net
    return {"labels": net.labels, "side": net.picture[0], "channels": net.picture[2]}


@told
def class_features(name: str, pictures: Any, n: int) -> bytes:
    """What an imported net is taught and asked with, for n pictures; see Imported.features."""
    net = _classroom(name)
    if not isinstance(net, Imported):
        raise NotFoundError("this net has no features", where="learn worker", got=name)
    return net.features(pictures, n)


@told
def class_fit(name: str, inputs: Any, labels: Sequence[int], epochs: int) -> dict[str, Any]:
    """Some epochs on these examples; see Classroom.fit."""
    return _classroom(name).fit(inputs, list(labels), epochs)


@told
def class_know(name: str, inputs: Any, labels: Sequence[int], variants: int) -> None:
    """What is learnt from, so that class_decide knows what is like none of it; see Classroom.know."""
    _classroom(name).know(inputs, list(labels), variants)


@told
def class_decide(name: str, value: Any, threshold: float) -> dict[str, Any]:
    """The decision about one input, as confidence.Decision has it, and the net's probabilities."""
    decision, probabilities = _classroom(name).decide(value, threshold)
    return {**asdict(decision), "probabilities": probabilities}


@told
def class_predict(name: str, inputs: Any, n: int) -> bytes:
    """Probabilities of n inputs, float32 row after row."""
    return _classroom(name).predict(inputs, n)


@told
def class_files(name: str) -> dict[str, bytes]:
    """The net as TF.js files."""
    return _classroom(name).files()
