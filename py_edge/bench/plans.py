"""Our side's files: the bundle as a page gets it, a plan per model from the peers' own TF.js files, a plan per product."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from pathlib import Path

from py_edge.bench.places import MODELS, PLANS, SITE
from py_edge.bench.suite import Product
from py_edge.bundle.collect import collect
from py_edge.bundle.parts import prepare
from py_edge.errors import ModelFormatError
from py_edge.graph import Builder, Graph
from py_edge.graph.shapes import same_padding
from py_edge.model import Model, load_model
from py_edge.plan import Plan, compile_graph
from py_edge.tensor import Tensor

WASM_PANEL = 8
FORMATS = ("layers", "graph")


def make_site() -> Path:
    """The bundle under .cache, made from what is built."""
    prepare()
    collect(SITE, tiers=("runtime", "numpy"))
    return SITE


def load(model: str) -> Model:
    """Ours from the files that TF.js gets: layers format where there is one that loads, else the graph format."""
    problem: ModelFormatError | None = None
    for folder in (MODELS / model / name for name in FORMATS):
        if (folder / "model.json").is_file():
            try:
                loaded = load_model(folder)
                loaded.forward(1)
            except ModelFormatError as error:
                problem = problem or error
            else:
                return loaded
    assert problem is not None
    raise problem


def write_plans(models: Iterable[str]) -> dict[str, str]:
    """Write `<model>.plan` for WebAssembly; returns what went wrong, by model."""
    PLANS.mkdir(parents=True, exist_ok=True)
    problems: dict[str, str] = {}
    for model in models:
        file = PLANS / f"{model}.plan"
        file.unlink(missing_ok=True)
        try:
            file.write_bytes(load(model).plan(1, panel=WASM_PANEL).to_bytes())
        except ModelFormatError as error:
            problems[model] = str(error)
    return problems


def product_plan(product: Product, panel: int = WASM_PANEL) -> Plan:
    """One kernel with constant weights, as a plan."""
    return compile_graph(_product_graph(product), panel)


def product_macs(product: Product) -> int:
    graph = _product_graph(product)
    out = graph.specs[next(iter(graph.outputs.values()))].size
    if product.kind == "depthwise":
        return out * product.kernel**2
    return out * product.kernel**2 * (product.sizes[2] if product.kind == "conv" else product.sizes[-1])


def _product_graph(product: Product) -> Graph:
    b = Builder()
    if product.kind == "matmul":
        M, N, K = product.sizes
        b.output("y", b.op("matmul", b.input("x", (M, K)), b.constant(_noise((K, N)))))
        return b.graph
    H, W, C, *rest = product.sizes
    k, s = product.kernel, product.stride
    pads = (same_padding(H, k, s, 1), same_padding(W, k, s, 1))
    x, shape = b.input("x", (1, H, W, C)), (k, k, C, *(rest or [1]))
    name = "conv2d" if rest else "depthwise_conv2d"
    b.output("y", b.op(name, x, b.constant(_noise(shape)), strides=(s, s), padding=pads))
    return b.graph


def _noise(shape: tuple[int, ...]) -> Tensor:
    rng = random.Random(0)
    few = [rng.uniform(-1, 1) for _ in range(1009)]
    n = math.prod(shape)
    return Tensor.from_flat((few * (n // len(few) + 1))[:n], shape)
