"""Plans are used again for the same graph with other weights, and only then."""

from __future__ import annotations

from py_edge.graph import Builder, Graph
from py_edge.tensor import Tensor
from py_edge.train.start import Starter


def graph(weight: float, frozen: Tensor, axis: int = 0) -> Graph:
    """y = (x + w) frozen, w + 1 -> w."""
    b = Builder()
    x, w = b.input("x", (100,)), b.variable("w", Tensor.from_flat([weight] * 100, (100,)))
    b.output("y", b.reduce(b.mul(b.add(x, w), b.constant(frozen)), kind="sum", axes=(axis,), keepdims=False))
    b.graph.updates[w] = b.add(w, 1.0)
    return b.graph


def run(starter: Starter, own: Graph) -> float:
    found = starter(own)
    found.input_view("x")[:] = bytes(400)
    found.execute()
    value: float = found.output("y").flat[0]
    return value


def test_other_weights_same_plan() -> None:
    """The second run must start from its own weights without compiling anew; another constant is another plan."""
    starter, frozen = Starter(), Tensor.from_flat([1.0] * 100, (100,))
    assert run(starter, graph(1.0, frozen)) == 100
    assert run(starter, graph(2.0, frozen)) == 200
    assert len(starter._plans) == 1
    assert run(starter, graph(2.0, Tensor.from_flat([2.0] * 100, (100,)))) == 400
    assert run(starter, graph(1.0, frozen, axis=-1)) == 100
    assert len(starter._plans) == 3


def test_few_are_kept() -> None:
    """Old plans must go, by number and by bytes."""
    for starter in (Starter(keep=2), Starter(keep_bytes=2000)):
        for i in range(5):
            run(starter, graph(1.0, Tensor.from_flat([float(i)] * 100, (100,))))
        assert len(starter._plans) <= 2
