"""Low-rank adapters: a matrix W stands still and a small A B beside it learns; afterwards W + scale A B goes into the model.

W is the weight as its product reads it: of attention heads (D, heads, d) the matrix (D, heads d). Where it is read by products
only, `x W` becomes `x W + (x A) B`: no gradient of W's size is ever made. Elsewhere W itself is replaced by W + scale A B.
Source: Hu et al. 2021, LoRA; B starts at zero, so training starts from the very model.
"""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from py_edge.errors import NotFoundError, ValueRangeError
from py_edge.graph import Builder, Graph, Node
from py_edge.tensor import Tensor, count
from py_edge.train.engine import Runner, Trainable
from py_edge.train.roles import multiplies
from py_edge.train.start import start


@dataclass(frozen=True, slots=True)
class Adapters:
    """rank r of A (K, r) and B (r, N); scale: what A B is multiplied by.

    patterns: which weights of at least two axes, by name; none: every one that a product reads, whatever the format calls it
    (dense, attention, convolution, recurrent; a depthwise kernel mixes no channels and gets none).
    """

    rank: int = 8
    scale: float = 1.0
    patterns: Sequence[str] = ()
    seed: int = 0

    def targets(self, graph: Graph, names: Collection[str]) -> dict[str, tuple[int, int]]:
        """Those of `names` that get an adapter, with (K, N). Raises NotFoundError: none; ValueRangeError: rank < 1."""
        if self.rank < 1:
            raise ValueRangeError("an adapter has rank 1 at least", got=self.rank)
        values = {name: value for value, name in graph.variables.items()}
        wide = [name for name in names if name in values and len(graph.specs[values[name]].shape) >= 2]
        found = [name for name in wide if self._fits(graph, values[name])]
        if not found:
            raise NotFoundError(
                "no weight fits the adapters' patterns", got=list(self.patterns), want=list(names)[:20]
            )
        return {name: _matrix(graph, values[name]) for name in found}

    def _fits(self, graph: Graph, weight: int) -> bool:
        if self.patterns:
            return any(fnmatchcase(graph.variables[weight], pattern) for pattern in self.patterns)
        return multiplies(graph, weight)

    def first_values(self, targets: Mapping[str, tuple[int, int]]) -> dict[str, Tensor]:
        """A: normal / sqrt(K), B: zeros; names `<weight>/lora_a`, `<weight>/lora_b`."""
        own = Builder()
        first_draw = own.input("first_draw", (), "int32")
        for name, (k, _) in targets.items():
            drawn = own.op(
                "random", first_draw, shape=(k, self.rank), dtype="float32", kind="normal",
                seed=random.Random(f"{self.seed}:{name}").getrandbits(31),
            )  # fmt: skip
            own.output(name, own.mul(drawn, 1 / math.sqrt(k)))
        run = start(own.graph)
        run.input_view("first_draw")[:] = bytes(4)
        run.execute()
        found = {}
        for name, (k, n) in targets.items():
            drawn_a = memoryview(run.output_view(name).tobytes())
            found[f"{name}/lora_a"] = Tensor(drawn_a, (k, self.rank), "float32")
            found[f"{name}/lora_b"] = Tensor.zeros((self.rank, n))
        return found

    def merged(self, base: Mapping[str, Tensor], learnt: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """weight -> W + scale A B, for every weight whose A and B are in `learnt`."""
        found, runs = {}, dict[Hashable, Runner]()
        for key, a in learnt.items():
            if not key.endswith("/lora_a"):
                continue
            name = key.removesuffix("/lora_a")
            b, w = learnt[f"{name}/lora_b"], base[name]
            shapes = w.shape, a.shape, b.shape
            if shapes not in runs:
                runs[shapes] = start(_merging(*shapes, self.scale))
            run = runs[shapes]
            for port, tensor in (("w", w), ("a", a), ("b", b)):
                run.input_view(port)[:] = tensor.data.cast("B")
            run.execute()
            found[name] = Tensor(memoryview(run.output_view("merged").tobytes()), w.shape, "float32")
        return found


class Adapted:
    """A model seen through its adapters: what is trained are A and B; setting them merges into the model.

    names: the weights to choose from.
    """

    def __init__(self, model: Trainable, adapters: Adapters, names: Collection[str]) -> None:
        self.model, self.adapters = model, adapters
        self.first = adapters.first_values(adapters.targets(model.forward(1), names))

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
        return with_adapters(graph, self.first, self.adapters.scale)

    def set_weights(self, weights: Mapping[str, Tensor]) -> None:
        self.model.set_weights(self.adapters.merged(self.model.weights, weights))


def with_adapters(graph: Graph, first: Mapping[str, Tensor], scale: float) -> Graph:
    """The graph with adapters beside the weights that `first` has values for; their variables are called as there."""
    b = Builder(graph.copy())
    values = {name: value for value, name in b.graph.variables.items()}
    for name in [key.removesuffix("/lora_a") for key in first if key.endswith("/lora_a")]:
        weight = values[name]
        pair = [b.variable(f"{name}/{part}", first[f"{name}/{part}"]) for part in ("lora_a", "lora_b")]
        readers = _product_readers(b.graph, weight)
        if readers:
            for node in readers:
                _beside(b, node, pair, scale)
        else:
            _instead(b, weight, pair, scale)
    return b.graph


def _matrix(graph: Graph, weight: int) -> tuple[int, int]:
    """(K, N) of the weight as its products read it; without such, all axes but the last make K."""
    readers = _product_readers(graph, weight)
    shape = graph.specs[readers[0].inputs[1] if readers else weight].shape
    return count(shape[:-1]), shape[-1]


def _product_readers(graph: Graph, weight: int) -> list[Node]:
    """The products x W that read the weight or the matrix that it is reshaped to; none if anything else reads it."""
    own, readers = {weight}, [node for node in graph.nodes if weight in node.inputs]
    if readers and all(node.op == "reshape" for node in readers):
        own = {node.outputs[0] for node in readers}
        readers = [node for node in graph.nodes if own.intersection(node.inputs)]
    same = len({graph.specs[value].shape for value in own}) == 1
    return readers if same and all(_is_product(graph, node, own) for node in readers) else []


def _is_product(graph: Graph, node: Node, own: Collection[int]) -> bool:
    if node.op != "matmul" or node.attrs.get("transpose_a") or node.attrs.get("transpose_b"):
        return False
    left, right = node.inputs[:2]
    return right in own and left not in own and len(graph.specs[right].shape) == 2


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
