"""Fine-tuning on small nets: it learns, keeps what it must keep, resumes order, and rolls back."""

from __future__ import annotations

import pytest

from py_edge.model import Model
from py_edge.tensor import Tensor
from py_edge.tfjs import sequential
from py_edge.train.finetune import finetune
from py_edge.train.history import Progress
from py_edge.train.keras_like import KerasLike
from py_edge.train.rehearsal import Reservoir
from tests.train.reference_run import ReferenceRun
from tests.train.small import SmallModel, blobs


def test_whole_net_learns() -> None:
    """Training every layer must fit clouds that can be told apart, on the training and the held-back side."""
    model = SmallModel([4, 8, 3])
    x, y = blobs(60)
    history = finetune(
        model,
        x,
        y,
        layers="all",
        epochs=8,
        batch=16,
        learning_rate=0.03,
        validation=blobs(30, seed=2),
        start=ReferenceRun,
    )
    assert history.last["accuracy"] > 0.9
    assert history.last["val_accuracy"] > 0.9
    assert history.history["loss"][-1] < history.history["loss"][0] / 2


@pytest.mark.parametrize("layers", ["all", "last"])
def test_a_linear_output_learns_classes_as_logits(layers: str) -> None:
    """Classes must teach a model of logits what they teach the same model with a softmax at its end, bit by bit."""
    learnt = []
    for last in ("softmax", ""):
        model = SmallModel([4, 8, 3], last=last)
        history = finetune(
            model,
            *blobs(20),
            layers=layers,
            epochs=2,
            batch=8,
            validation=blobs(9, seed=2),
            start=ReferenceRun,
        )
        weights = {name: tensor.data.tobytes() for name, tensor in model.weights.items()}
        learnt.append((weights, history.history))
    assert learnt[0] == learnt[1]


def test_head_only_changes_the_head_only_and_caches_features() -> None:
    """Training the last layer must leave the others alone and give what it gives without cached features."""
    weights = []
    for cached in (True, False):
        model = SmallModel([4, 8, 3])
        before = dict(model.weights)
        history = finetune(model, *blobs(20), epochs=2, batch=8, cache_features=cached, start=ReferenceRun)
        assert history.trained == ["dense_1/kernel", "dense_1/bias"]
        assert model.weights["dense_0/kernel"] is before["dense_0/kernel"]
        weights.append(model.weights["dense_1/kernel"].flat.tolist())
    assert max(abs(a - b) for a, b in zip(*weights, strict=True)) < 1e-5


def test_frozen_norm_is_measured_each_epoch() -> None:
    """Held-back examples must be measured after every epoch, with statistics that move and with ones that stand still."""
    x, y = blobs(30)
    for batch_norm in ("frozen", "train"):
        layers: list[dict[str, object]] = [
            {"class_name": "Dense", "units": 5},
            {"class_name": "BatchNormalization"},
            {"class_name": "Dense", "units": 3, "activation": "softmax"},
        ]
        model = Model(sequential((4,), layers, seed=1))
        history = finetune(model, x, y, layers="all", epochs=3, batch_norm=batch_norm, validation=(x, y))
        assert len(history.history["val_loss"]) == 3
        wanted = KerasLike(model)
        wanted.compile(loss="sparseCategoricalCrossentropy")
        assert wanted.evaluate(x, y)["loss"] == pytest.approx(history.last["val_loss"], rel=1e-5)


def test_same_seed_same_weights_other_seed_other_order() -> None:
    """A fit is a function of its arguments: dropout and order come from the seed."""
    found = []
    for seed in (3, 3, 4):
        model = SmallModel([4, 8, 3], dropout=0.3)
        finetune(model, *blobs(20), layers="all", epochs=2, batch=8, seed=seed, start=ReferenceRun)
        found.append(model.weights["dense_0/kernel"].tobytes())
    assert found[0] == found[1] != found[2]


def test_divergence_rolls_back() -> None:
    """A loss that is no number must put the last good weights back and say so."""
    model = SmallModel([4, 8, 1], last="")
    x, _ = blobs(12)
    before = {name: t.tobytes() for name, t in model.weights.items()}
    y = Tensor.from_flat([1e20] * 12, (12, 1))
    history = finetune(
        model,
        x,
        y,
        layers="all",
        optimizer="sgd",
        learning_rate=1e6,
        epochs=3,
        batch=4,
        metrics=(),
        start=ReferenceRun,
    )
    assert history.stopped == "diverged"
    assert history.rolled_back
    assert {name: t.tobytes() for name, t in model.weights.items()} == before


def test_an_example_that_is_no_number_teaches_nothing() -> None:
    """NaN among the examples must roll back and leave weights and memory as they were."""
    model, memory = SmallModel([4, 3]), Reservoir(10)
    before = model.weights["dense_0/kernel"].tobytes()
    x = Tensor.from_flat([float("nan")] * 4 + [0.1] * 16, (5, 4))
    y = Tensor.from_flat([0, 1, 2, 0, 1], (5,), "int32")
    history = finetune(model, x, y, epochs=2, batch=5, rehearsal=memory)
    assert history.rolled_back
    assert model.weights["dense_0/kernel"].tobytes() == before
    assert len(memory) == 0


def test_cancel_keeps_the_weights_so_far() -> None:
    """A cancelled fit must stop before the next batch and leave what was learnt."""
    model, steps = SmallModel([4, 3]), []
    before = model.weights["dense_0/kernel"].tobytes()

    def count_steps(progress: Progress) -> None:
        steps.append(progress.step)

    history = finetune(
        model,
        *blobs(20),
        batch=4,
        callbacks=[count_steps],
        cancel=lambda: len(steps) >= 3,
        start=ReferenceRun,
    )
    assert (history.stopped, len(steps)) == ("cancelled", 3)
    assert model.weights["dense_0/kernel"].tobytes() != before


def test_weights_of_examples_and_classes_count() -> None:
    """Examples of weight zero must not teach, whether they get it one by one or by class."""
    x, y = blobs(30)
    wrong = Tensor.from_flat([(int(v) + (i < 15)) % 3 for i, v in enumerate(y.flat)], (30,), "int32")
    doubt = [float(i >= 15) for i in range(30)]
    found = []
    for weight in (doubt, None):
        history = finetune(
            SmallModel([4, 3]), x, wrong, epochs=30, batch=30, learning_rate=0.1, sample_weight=weight,
            validation=(x, y), start=ReferenceRun,
        )  # fmt: skip
        found.append(history.last["val_accuracy"])
    assert found[1] < found[0] > 0.95
    model = SmallModel([4, 3])
    before = model.weights["dense_0/kernel"].tobytes()
    finetune(
        model, x, y, epochs=2, optimizer="sgd", class_weight={0: 0.0, 1: 0.0, 2: 0.0}, start=ReferenceRun
    )
    assert model.weights["dense_0/kernel"].tobytes() == before


def test_anchor_keeps_weights_near() -> None:
    """The FedProx term must hold the weights closer to where they began."""
    moved = []
    for mu in (0.0, 1.0):
        model = SmallModel([4, 3])
        before = model.weights["dense_0/kernel"].flat.tolist()
        finetune(
            model, *blobs(20), epochs=10, optimizer="sgd", learning_rate=0.3, anchor=mu, start=ReferenceRun
        )
        after = model.weights["dense_0/kernel"].flat.tolist()
        moved.append(sum((a - b) ** 2 for a, b in zip(before, after, strict=True)))
    assert moved[1] < moved[0] / 4


def test_rehearsal_grows_and_is_replayed() -> None:
    """Replay must keep old classes that naive training forgets."""
    kept = []
    x, y = blobs(60)
    old = [i for i in range(60) if y.flat[i] != 2]
    new = [i for i in range(60) if y.flat[i] == 2]

    def pick(rows: list[int]) -> tuple[Tensor, Tensor]:
        values = [v for i in rows for v in x.flat[i * 4 : i * 4 + 4]]
        return Tensor.from_flat(values, (len(rows), 4)), Tensor.from_flat(
            [y.flat[i] for i in rows], (len(rows),), "int32"
        )

    for memory in (None, Reservoir(20)):
        model = SmallModel([4, 8, 3])
        finetune(
            model,
            *pick(old),
            layers="all",
            epochs=10,
            learning_rate=0.02,
            batch=8,
            rehearsal=memory,
            start=ReferenceRun,
        )
        finetune(
            model,
            *pick(new),
            layers="all",
            epochs=80,
            learning_rate=0.05,
            batch=8,
            rehearsal=memory,
            start=ReferenceRun,
        )
        history = finetune(
            model, *pick(old), layers="all", epochs=1, learning_rate=0.0, optimizer="sgd", start=ReferenceRun
        )
        kept.append(history.last["accuracy"])
    assert memory is not None
    assert set(memory.counts()) == {0, 1, 2}
    assert kept[0] + 0.1 < kept[1] > 0.9


@pytest.mark.parametrize(("mode", "moves"), [("train", True), ("auto", True), ("frozen", False)])
def test_batch_normalisation_moves_or_stands(mode: str, moves: bool) -> None:
    """Frozen, its four weights are the very same after a fit of all layers; trained, each of them is another."""
    model = sequential((4,), [
        {"class_name": "Dense", "units": 6}, {"class_name": "BatchNormalization"},
        {"class_name": "Dense", "units": 3, "activation": "softmax"},
    ], seed=1)  # fmt: skip
    before = {name: t.tobytes() for name, t in Model(model).weights.items()}
    fitted = Model(model)
    finetune(fitted, *blobs(24), layers="all", epochs=2, batch=8, batch_norm=mode)
    changed = {name for name, t in fitted.weights.items() if t.tobytes() != before[name]}
    norm = {name for name in before if "normalization" in name}
    assert len(norm) == 4
    assert changed & norm == (norm if moves else set())
    assert changed - norm == set(before) - norm
