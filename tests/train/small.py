"""A small trainable model built by hand, so that training is tested without the loader."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence

from py_edge.graph import Builder, Graph
from py_edge.tensor import Tensor, count


class SmallModel:
    """sizes (in, hidden.., out): dense layers `dense_i/kernel`, `dense_i/bias`, relu between; softmax (or linear) at the end."""

    def __init__(
        self, sizes: Collection[int], seed: int = 0, last: str = "softmax", dropout: float = 0.0
    ) -> None:
        rng, self.sizes, self.last, self.dropout = random.Random(seed), list(sizes), last, dropout
        self._weights: dict[str, Tensor] = {}
        for i, (n, m) in enumerate(zip(self.sizes, self.sizes[1:], strict=False)):
            draws = [rng.gauss(0, (2 / n) ** 0.5) for _ in range(count((n, m)))]
            self._weights[f"dense_{i}/kernel"] = Tensor.from_flat(draws, (n, m))
            self._weights[f"dense_{i}/bias"] = Tensor.zeros((m,))

    @property
    def weights(self) -> Mapping[str, Tensor]:
        return self._weights

    @property
    def trainable(self) -> list[str]:
        return list(self._weights)

    def set_weights(self, weights: Mapping[str, Tensor]) -> None:
        assert weights.keys() <= self._weights.keys()
        self._weights |= weights

    def forward(
        self, rows: int, *, training: bool = False, frozen: Sequence[str] = (), seed: int = 0
    ) -> Graph:
        b = Builder()
        x = b.input("x", (rows, self.sizes[0]))
        layers = len(self.sizes) - 1
        for i in range(layers):
            kernel, bias = (
                b.variable(f"dense_{i}/{role}", self._weights[f"dense_{i}/{role}"])
                for role in ("kernel", "bias")
            )
            x = b.add(b.matmul(x, kernel), bias)
            if i < layers - 1:
                x = b.relu(x)
                if training and self.dropout:
                    x = self._drop(b, x, i, seed)
        b.output("out", b.op(self.last, x) if self.last else x)
        return b.graph

    def _drop(self, b: Builder, x: int, i: int, seed: int) -> int:
        counter = b.variable(f"dropout_{i}/counter", Tensor.from_flat([0], (), "int32"))
        kept = b.op(
            "random",
            counter,
            shape=b.shape(x),
            dtype="float32",
            kind="bernoulli",
            seed=seed + i,
            alpha=1 - self.dropout,
        )
        b.graph.updates[counter] = b.add(counter, b.scalar(1, "int32"))
        return b.mul(b.mul(x, kept), 1 / (1 - self.dropout))


def blobs(n: int, classes: int = 3, size: int = 4, seed: int = 1) -> tuple[Tensor, Tensor]:
    """Gaussian clouds around the corners."""
    rng = random.Random(seed)
    labels = [i % classes for i in range(n)]
    rows = [rng.gauss(2.0 * (c == j), 0.5) for c in labels for j in range(size)]
    return Tensor.from_flat(rows, (n, size)), Tensor.from_flat(labels, (n,), "int32")
