"""Low-rank adapters: a matrix W stands still and a small A B beside it learns; afterwards W + scale A B goes into the model.

Where W is read by products only, `x W` becomes `x W + (x A) B`: no gradient of W's size is ever made. Elsewhere W itself is
replaced by W + scale A B. Source: Hu et al. 2021, LoRA; B starts at zero, so training starts from the very model.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from py_edge.errors import NotFoundError, ValueRangeError
from py_edge.graph import Builder, Graph, Node
from py_edge.tensor import Tensor, count
from py_edge.train.engine import Trainable
from py_edge.train.start import start


@dataclass(frozen=True, slots=True)
class Adapters:
    """rank r of A (K, r) and B (r, N); scale: what A B is multiplied by; patterns: which weights (at least two axes)."""

    rank: int = 8
    scale: float = 1.0
    patterns: Sequence[str] = ("*kernel", "*MatMul*")
    seed: int = 0

    def targets(self, names: Sequence[str], shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
        """Weights that get an adapter. Raises NotFoundError: none; ValueRangeError: rank < 1."""
        if self.rank < 1:
            raise ValueRangeError("an adapter has rank 1 at least", got=self.rank)
        found = [n for n in names if len(shapes[n]) >= 2 and any(fnmatchcase(n, p) for p in self.patterns)]
        if not found:
            raise NotFoundError(
                "no weight fits the adapters' patterns", got=list(self.patterns), want=list(names)[:20]
            )
        return found

    def first_values(self, name: str, shape: tuple[int, ...]) -> dict[str, Tensor]:
        """A: normal / sqrt(K), B: zeros; names `<weight>/lora_a`, `<weight>/lora_b`."""
        k, n = count(shape[:-1]), shape[-1]
        rng = random.Random(f"{self.seed}:{name}")
        a = [rng.gauss(0, 1 / math.sqrt(k)) for _ in range(k * self.rank)]
        return {
            f"{name}/lora_a": Tensor.from_flat(a, (k, self.rank)),
            f"{name}/lora_b": Tensor.zeros((self.rank, n)),
        }

    def merged(self, base: Mapping[str, Tensor], learnt: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """weight -> W + scale A B, for every weight whose A and B are in `learnt`."""
        found = {}
        for key, a in learnt.items():
            if not key.endswith("/lora_a"):
                continue
            name = key.removesuffix("/lora_a")
            b, w = learnt[f"{name}/lora_b"], base[name]
            run = start(_merging(w.shape, a.shape, b.shape, self.scale))
            for port, tensor in (("w", w), ("a", a), ("b", b)):
                run.input_view(port)[:] = tensor.data.cast("B")
            run.execute()
            found[name] = Tensor(memoryview(run.output_view("merged").tobytes()), w.shape, "float32")
        return found


class Adapted:
    """A model seen through its adapters: what is trained are A and B; setting them merges into the model."""

    def __init__(self, model: Trainable, adapters: Adapters, names: Sequence[str]) -> None:
        shapes = {name: tensor.shape for name, tensor in model.weights.items()}
        self.model, self.adapters = model, adapters
        self.targets = adapters.targets(names, shapes)
        self.first = {
            k: t for name in self.targets for k, t in adapters.first_values(name, shapes[name]).items()
        }

    @property
    def weights(self) -> Mapping[str, Tensor]:
        return {**self.model.weights, **self.first}

    @property
    def trainable(self) -> list[str]:
        return list(self.first)

    def forward(
        self, rows: int, *, training: bool = False, frozen: Sequence[str] = (), seed: int = 0
    ) -> Graph:
        graph = self.model.forward(rows, training=training, frozen=frozen, seed=seed)
        return with_adapters(graph, self.adapters, self.targets)[0]

    def set_weights(self, weights: Mapping[str, Tensor]) -> None:
        self.model.set_weights(self.adapters.merged(self.model.weights, weights))


def with_adapters(graph: Graph, adapters: Adapters, targets: Sequence[str]) -> tuple[Graph, list[str]]:
    """(the graph with adapters beside `targets`, names of their variables, which are what is to be trained)."""
    b = Builder(graph.copy())
    by_name = {name: value for value, name in b.graph.variables.items()}
    names = []
    for target in targets:
        weight = by_name[target]
        first = adapters.first_values(target, b.shape(weight))
        names += list(first)
        pair = [b.variable(name, tensor) for name, tensor in first.items()]
        readers = [node for node in b.graph.nodes if weight in node.inputs]
        if readers and all(_is_product(node, weight) for node in readers) and b.rank(weight) == 2:
            for node in readers:
                _beside(b, node, pair, adapters.scale)
        else:
            _instead(b, weight, pair, adapters.scale)
    return b.graph, names


def _is_product(node: Node, weight: int) -> bool:
    plain = node.op == "matmul" and not node.attrs.get("transpose_a") and not node.attrs.get("transpose_b")
    return plain and node.inputs.index(weight) == 1 and node.inputs.count(weight) == 1


def _beside(b: Builder, node: Node, pair: Sequence[int], scale: float) -> None:
    """x W -> x W + scale (x A) B, keeping the id of the result."""
    nodes = b.graph.nodes
    place = nodes.index(node)
    tail, b.graph.nodes = nodes[place + 1 :], nodes[:place]
    plain = b.op(node.op, *node.inputs, **node.attrs)
    low = (
        b.mul(b.matmul(node.inputs[0], pair[0]), scale) if scale != 1.0 else b.matmul(node.inputs[0], pair[0])
    )
    total = b.add(plain, b.matmul(low, pair[1]))
    last = b.graph.nodes.pop()
    assert last.outputs == (total,)
    b.graph.nodes.append(Node("add", last.inputs, node.outputs, {}, node.where))
    b.graph.nodes += tail


def _merging(w: tuple[int, ...], a: tuple[int, ...], b: tuple[int, ...], scale: float) -> Graph:
    """W, A, B -> W + scale A B."""
    own = Builder()
    weight, left, right = own.input("w", w), own.input("a", a), own.input("b", b)
    moved = own.reshape(own.mul(own.matmul(left, right), scale), shape=w)
    own.output("merged", own.add(weight, moved))
    return own.graph


def _instead(b: Builder, weight: int, pair: Sequence[int], scale: float) -> None:
    """Every reader of W reads W + scale A B."""
    nodes, b.graph.nodes = b.graph.nodes, []
    product = b.matmul(*pair)
    moved = b.add(weight, b.reshape(b.mul(product, scale), shape=b.shape(weight)))
    b.graph.nodes += [
        Node(n.op, tuple(moved if v == weight else v for v in n.inputs), n.outputs, n.attrs, n.where)
        for n in nodes
    ]
