"""The state of a training run: a compiled step per batch size, the weights and optimizer state between steps.

One call of a plan per batch. A last, smaller batch is filled up with rows of weight 0, or gets a plan of its own where rows
see one another (batch normalisation).
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from py_edge.errors import IntegrityError, ShapeError
from py_edge.tensor import Tensor
from py_edge.train.data import Rows, put_floats
from py_edge.train.engine import Forward, Runner, Start
from py_edge.train.optimizers import Optimizer
from py_edge.train.step import Objective, Step, training_step


@dataclass(slots=True)
class Examples:
    """inputs and truths by the names of the step's inputs; weights: one per example or None.

    logits: for replay, `logits` and `logit_weight`, rows of zeros where an example has none.
    """

    inputs: Mapping[str, Rows]
    truths: Mapping[str, Rows]
    weights: Sequence[float] | None = None
    logits: Mapping[str, Rows] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))


@dataclass(slots=True)
class _Loop:
    """One step compiled for `rows` rows, with views of its inputs and outputs."""

    step: Step
    run: Runner
    rows: int
    loss: memoryview[float]
    sums: list[memoryview[float]]
    ones: bytes


class Trainer:
    """forward: batch size -> the model's graph. start: graph -> Run (passes, compile, load). optimizer None: only measures."""

    def __init__(
        self,
        forward: Forward,
        trained: Collection[str],
        objective: Objective,
        optimizer: Optimizer | None,
        start: Start,
    ) -> None:
        self.forward, self.trained, self.objective, self.optimizer = (
            forward,
            tuple(trained),
            objective,
            optimizer,
        )
        self.start = start
        self.iteration = 0
        self.totals: list[float] = []
        self.seen = 0.0
        self.loss_sum = 0.0
        self._loops: dict[int, _Loop] = {}
        self._active: _Loop | None = None
        self._held: dict[str, bytes] = {}

    def loop(self, rows: int) -> _Loop:
        """The step for batches of `rows` rows, holding the present state. Raises ShapeError: a model of another, fixed batch."""
        loop = self._loops.get(rows)
        if loop is None:
            graph = self.forward(rows)
            for name, value in graph.inputs.items():
                if graph.specs[value].shape[:1] != (rows,):
                    raise ShapeError(
                        "the model takes a fixed number of rows", where=name, got=rows, want=graph.specs[value].shape[:1],
                        remedy="train in batches of so many",
                    )  # fmt: skip
            step = training_step(graph, self.trained, self.objective, self.optimizer)
            run = self.start(step.graph)
            names = [name for _, own in step.metrics for name in own]
            sums = [run.output_view(name).cast("f") for name in names]
            loop = self._loops[rows] = _Loop(
                step, run, rows, run.output_view("loss").cast("f"), sums, _floats([1.0] * rows)
            )
        if loop is not self._active:
            state = self.state()
            self._active = loop
            for name in loop.run.variables:
                if name in state:
                    loop.run.variable_view(name)[:] = state[name]
        return loop

    def state(self) -> dict[str, bytes]:
        """Every variable's bytes: weights, optimizer slots, moving statistics, random counters."""
        if self._active is None:
            return dict(self._held)
        run = self._active.run
        return self._held | {name: run.variable_view(name).tobytes() for name in run.variables}

    def restore(self, state: Mapping[str, bytes], iteration: int | None = None) -> None:
        """Raises IntegrityError: a variable of another size."""
        self._held = dict(state)
        if iteration is not None:
            self.iteration = iteration
        if self._active is not None:
            for name in self._active.run.variables:
                view = self._active.run.variable_view(name)
                if len(state.get(name, b"")) != view.nbytes:
                    raise IntegrityError(
                        "stored state does not fit",
                        where=name,
                        got=len(state.get(name, b"")),
                        want=view.nbytes,
                    )
                view[:] = state[name]

    def weights(self) -> dict[str, Tensor]:
        """What training changed of the model: trained weights and moving statistics, not the optimizer's state."""
        if self._active is None:
            return {}
        run, own = self._active.run, set(self._active.step.slots)
        return {name: run.variable(name) for name in run.variables if name not in own}

    def batch(
        self, examples: Examples, indices: Sequence[int], size: int, divisor: int | None = None
    ) -> float:
        """One step on the examples at `indices`, with plans for `size` rows; returns the loss.

        divisor: what the summed loss is divided by; default the number of indices.
        """
        n = len(indices)
        loop = self.loop(size)
        if n < size and loop.step.exact:
            loop = self.loop(n)
        run = loop.run
        rows_at = [*indices, *[indices[0]] * (loop.rows - n)]
        for group in (examples.inputs, examples.truths, examples.logits):
            for name, rows in group.items():
                rows.copy_to(run.input_view(name), rows_at)
        self._weigh(loop, examples, indices, n)
        put_floats(run.input_view("scale"), [1.0 / (divisor or n)])
        if self.optimizer is not None:
            for name, value in self.optimizer.rates(self.iteration).items():
                put_floats(run.input_view(name), [value])
            self.iteration += 1
        run.execute()
        loss = loop.loss[0]
        self.loss_sum += loss * n
        self.seen += n
        for position, view in enumerate(loop.sums):
            self.totals[position] += view[0]
        return loss

    def _weigh(self, loop: _Loop, examples: Examples, indices: Sequence[int], n: int) -> None:
        """Weights and mask; like every input they must be written before each run, which uses their room."""
        run, rest = loop.run, loop.rows - n
        mask = loop.ones if not rest else _floats([1.0] * n + [0.0] * rest)
        run.input_view("mask")[:] = mask
        own = examples.weights
        run.input_view("sample_weight")[:] = (
            mask if own is None else _floats([own[i] for i in indices] + [0.0] * rest)
        )

    def begin(self) -> None:
        """Start counting anew: an epoch, an evaluation."""
        self.loss_sum = self.seen = 0.0
        self.totals = [0.0] * (len(self._active.sums) if self._active else 64)

    def sums(self) -> list[float]:
        """What was counted since `begin`, to be kept with a generation."""
        return [self.loss_sum, self.seen, *self.totals]

    def set_sums(self, sums: Sequence[float]) -> None:
        self.loss_sum, self.seen, *self.totals = sums

    def logs(self) -> dict[str, float]:
        """Loss and metrics since `begin`."""
        found = {"loss": self.loss_sum / self.seen if self.seen else 0.0}
        position = 0
        for metric, names in self._active.step.metrics if self._active else ():
            found[metric.name] = metric.finish(self.totals[position : position + len(names)])
            position += len(names)
        return found


def _floats(values: Sequence[float]) -> bytes:
    return array("f", values).tobytes()
