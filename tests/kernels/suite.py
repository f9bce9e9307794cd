"""Every maker of kernel cases by name: what each home of the kernels is judged by."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tests.kernels import cases_elementwise as elementwise
from tests.kernels import cases_moves as moves
from tests.kernels import cases_products as products
from tests.kernels.cases import Case, Maker


def _named(make: Callable[..., Case], name: str) -> Maker:
    return partial(make, name=name)


UNARY: dict[str, Maker] = {name: _named(elementwise.unary, name) for name in elementwise.UNARY}
FLOAT: dict[str, Maker] = {name: _named(elementwise.float_binary, name) for name in elementwise.FLOAT}
INTEGER: dict[str, Maker] = {name: _named(elementwise.int_binary, name) for name in elementwise.INTEGER}
CHAINS: dict[str, Maker] = {
    make.__name__: make for make in (elementwise.cast, elementwise.select, elementwise.chain)
}
PRODUCTS: dict[str, Maker] = {
    make.__name__: make
    for make in (
        products.matmul, products.conv2d, products.conv2d_winograd, products.conv2d_input_grad, products.conv2d_filter_grad,
        products.depthwise_conv2d, products.depthwise_rows, products.depthwise_input_grad, products.depthwise_filter_grad,
        products.pool2d, products.pool2d_grad,
    )
}  # fmt: skip
MOVES: dict[str, Maker] = {
    make.__name__: make
    for make in (
        moves.copy, moves.fill, moves.reduce, moves.arg_reduce, moves.cumulate, moves.softmax, moves.normalize,
        moves.top_k, moves.adam, moves.gather, moves.scatter_add, moves.index_outside, moves.resize, moves.resize_grad,
        moves.random, moves.scan, moves.cond, moves.while_loop,
    )
}  # fmt: skip
ALL: dict[str, Maker] = {
    **{f"unary {k}": v for k, v in UNARY.items()}, **{f"float {k}": v for k, v in FLOAT.items()},
    **{f"integer {k}": v for k, v in INTEGER.items()}, **CHAINS, **PRODUCTS, **MOVES,
}  # fmt: skip
