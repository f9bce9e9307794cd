"""How a node becomes steps: one row per op, its writer packing the struct of the kernel's name in kernels/pe.h.

A step is (kernel name, params). A writer gets a Site: the node, its specs, and where its operands live. Constants that a
kernel wants packed are asked for with `site.memory.packed`; room with `site.scratch`, in floats.
"""

from __future__ import annotations

from collections.abc import Callable

from py_edge.errors import UnsupportedError
from py_edge.graph.ops import OPS
from py_edge.plan import abi, chain
from py_edge.plan.site import Site, Step
from py_edge.plan.step_movement import MOVEMENT
from py_edge.plan.step_products import PRODUCTS
from py_edge.plan.step_reductions import REDUCTIONS


def elementwise(site: Site) -> list[Step]:
    constants = [site.memory.constant(value) for value in site.node.inputs]
    words = chain.encode(site.node, site.ins, site.outs, constants, site.memory.operand)
    return [("elementwise", words)]


def random(site: Site) -> list[Step]:
    words = [site.out, site.at(0), site.attr("seed"), site.outs[0].size, abi.RANDOM[site.attr("kind")]]
    return [("random", [*words, abi.bits(site.attr("alpha", 0.0))])]


def adam(site: Site) -> list[Step]:
    outputs = [site.memory.operand(value) for value in site.node.outputs]
    inputs = [site.at(index) for index in range(len(site.node.inputs))]
    rates = [abi.bits(1.0 - site.attr("beta_1")), abi.bits(1.0 - site.attr("beta_2"))]
    return [("adam", [*outputs, *inputs, site.outs[0].size, *rates])]


STEPS: dict[str, Callable[[Site], list[Step]]] = {
    **MOVEMENT,
    **PRODUCTS,
    **REDUCTIONS,
    "random": random,
    "adam": adam,
}


def steps_of(site: Site) -> list[Step]:
    """The steps of one node. Raises UnsupportedError for a host step or an op without a kernel."""
    node = site.node
    if OPS[node.op].kernel == "elementwise":
        return elementwise(site)
    if node.op not in STEPS:
        raise UnsupportedError("this op does not run inside a plan", where=node.where, got=node.op)
    return STEPS[node.op](site)
