"""The gradient table: every differentiable row against central differences in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from py_edge.errors import UnsupportedError
from py_edge.graph import Builder
from py_edge.graph.ops import OPS
from py_edge.kernels.reference import evaluate
from py_edge.train.gradient_elementwise import BINARY, UNARY
from py_edge.train.gradients import GRADIENTS, gradients
from tests.train.finite import Array, gradient_errors

TOLERANCE = 1e-6  # central differences of step 1e-6 in float64 on values of order 1

rng = np.random.default_rng(7)


def normal(*shape: int) -> Array:
    return rng.normal(size=shape)


def positive(*shape: int) -> Array:
    return rng.uniform(0.3, 2.0, size=shape)


DOMAIN: dict[str, Callable[..., Array]] = {
    **dict.fromkeys(("sqrt", "rsqrt", "log", "log1p", "reciprocal"), positive),
    **dict.fromkeys(("asin", "acos", "atanh"), lambda *s: rng.uniform(-0.8, 0.8, size=s)),
    "acosh": lambda *s: rng.uniform(1.2, 3.0, size=s),
    "relu6": lambda *s: rng.uniform(-3, 9, size=s),
    "hard_sigmoid": lambda *s: rng.uniform(-4, 4, size=s),
    "hard_swish": lambda *s: rng.uniform(-5, 5, size=s),
}


def check(build: Callable[..., int | Sequence[int]], **inputs: Array) -> None:
    for name, error in gradient_errors(build, inputs).items():
        assert error < TOLERANCE, (name, error)


def op(name: str, **attrs: Any) -> Callable[..., int | Sequence[int]]:
    return lambda b, **ids: b.op(name, *ids.values(), **attrs)


def test_table_has_a_row_exactly_where_the_op_table_promises_one() -> None:
    """The flag `gradient` in graph/ops.py and the rows of GRADIENTS must name the same ops."""
    assert {name for name, row in OPS.items() if row.gradient} == set(GRADIENTS)


@pytest.mark.parametrize("name", UNARY)
def test_unary(name: str) -> None:
    """The gradient of a unary op must equal the slope of its truth."""
    check(op(name), x=DOMAIN.get(name, normal)(3, 4))


@pytest.mark.parametrize(
    ("name", "alpha"), [("elu", 0.5), ("leaky_relu", 0.3), ("leaky_relu", -0.3), ("step", 0.1)]
)
def test_unary_with_alpha(name: str, alpha: float) -> None:
    """Parameters of activations must reach the gradient."""
    check(op(name, alpha=alpha), x=normal(3, 4))


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize(
    ("a", "b"), [((3, 4), (3, 4)), ((3, 4), (4,)), ((3, 1), (1, 4)), ((), (2, 3)), ((2, 1, 3), (4, 1))]
)
def test_binary(name: str, a: tuple[int, ...], b: tuple[int, ...]) -> None:
    """Both gradients of a binary op must be right and summed over broadcast axes."""
    make = positive if name in ("pow", "div", "div_no_nan", "floor_div", "mod", "truncated_mod") else normal
    check(op(name), x=make(*a), y=make(*b))


def test_select_and_cast() -> None:
    """select must send the gradient to the chosen side only; a cast of floats passes it through."""
    c = rng.uniform(size=(3, 4)) > 0.5
    check(lambda b, c, x, y: b.select(c, x, b.cast(y, dtype="float32")), c=c, x=normal(3, 4), y=normal(4))


@pytest.mark.parametrize("ta", [False, True])
@pytest.mark.parametrize("tb", [False, True])
@pytest.mark.parametrize(
    ("a", "b"), [((), ()), ((2,), ()), ((2, 3), (1, 1)), ((2, 1), (1, 3)), ((3,), (2, 3)), ((2,), (2,))]
)
def test_matmul(ta: bool, tb: bool, a: tuple[int, ...], b: tuple[int, ...]) -> None:
    """matmul with every transpose and batch broadcast must give both gradients."""
    x = normal(*a, *((4, 3) if ta else (3, 4)))
    w = normal(*b, *((2, 4) if tb else (4, 2)))
    check(op("matmul", transpose_a=ta, transpose_b=tb), x=x, w=w)


CONVOLUTIONS = [
    {"strides": (1, 1), "padding": ((1, 1), (1, 1)), "dilations": (1, 1), "groups": 1},
    {"strides": (2, 1), "padding": ((0, 1), (2, 0)), "dilations": (1, 1), "groups": 2},
    {"strides": (1, 2), "padding": ((2, 1), (1, 1)), "dilations": (2, 1), "groups": 1},
    {"strides": (2, 2), "padding": ((0, 0), (0, 0)), "dilations": (1, 2), "groups": 4},
]


@pytest.mark.parametrize("padding", [((0, 0), (0, 0)), ((1, 0), (0, 0))])
def test_pointwise_conv2d(padding: Any) -> None:
    """A 1 x 1 convolution, padded or not, must go back as the product that it is."""
    attrs = {"strides": (1, 1), "padding": padding, "dilations": (1, 1), "groups": 1}
    check(op("conv2d", **attrs), x=normal(2, 3, 4, 3), w=normal(1, 1, 3, 5))


@pytest.mark.parametrize("attrs", CONVOLUTIONS)
def test_conv2d_and_its_gradients(attrs: dict[str, Any]) -> None:
    """Strided, dilated, grouped convolutions must go back, and so must their gradients."""
    x, w = normal(2, 6, 7, 4), normal(2, 3, 4 // attrs["groups"], 4)
    check(op("conv2d", **attrs), x=x, w=w)
    b = Builder()
    dy = normal(*b.shape(b.conv2d(b.input("x", x.shape), b.input("w", w.shape), **attrs)))
    check(op("conv2d_input_grad", shape=x.shape, **attrs), dy=dy, w=w)
    check(op("conv2d_filter_grad", shape=w.shape, **attrs), x=x, dy=dy)


@pytest.mark.parametrize("attrs", CONVOLUTIONS)
def test_depthwise_conv2d_and_its_gradients(attrs: dict[str, Any]) -> None:
    """Depthwise convolutions with a multiplier must go back, and so must their gradients."""
    attrs = {k: v for k, v in attrs.items() if k != "groups"}
    x, w = normal(2, 6, 7, 3), normal(2, 3, 3, 2)
    check(op("depthwise_conv2d", **attrs), x=x, w=w)
    b = Builder()
    dy = normal(*b.shape(b.depthwise_conv2d(b.input("x", x.shape), b.input("w", w.shape), **attrs)))
    check(op("depthwise_conv2d_input_grad", shape=x.shape, **attrs), dy=dy, w=w)
    check(op("depthwise_conv2d_filter_grad", shape=w.shape, **attrs), x=x, dy=dy)


@pytest.mark.parametrize("kind", ["max", "avg"])
@pytest.mark.parametrize(("strides", "padding"), [((2, 2), ((0, 0), (0, 0))), ((1, 2), ((1, 0), (1, 1)))])
def test_pool2d(
    kind: str, strides: tuple[int, int], padding: tuple[tuple[int, int], tuple[int, int]]
) -> None:
    """Pooling must send the gradient to the maximum, or spread it over what lies inside."""
    check(
        op("pool2d", kind=kind, window=(2, 3), strides=strides, padding=padding, dilations=(1, 1)),
        x=normal(2, 5, 6, 2),
    )


@pytest.mark.parametrize("kind", ["sum", "mean", "prod", "max", "min"])
@pytest.mark.parametrize("axes", [(0,), (1, -1), (0, 1, 2), ()])
@pytest.mark.parametrize("keepdims", [False, True])
def test_reduce(kind: str, axes: tuple[int, ...], keepdims: bool) -> None:
    """Reductions over any axes must go back."""
    check(op("reduce", kind=kind, axes=axes, keepdims=keepdims), x=normal(2, 3, 4))


def test_product_with_zeros() -> None:
    """The gradient of a product must be right where factors are zero."""
    x = normal(3, 4)
    x[0, 1] = x[1, 2] = x[1, 3] = 0
    check(op("reduce", kind="prod", axes=(1,), keepdims=False), x=x)


@pytest.mark.parametrize("kind", ["sum", "prod"])
@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
def test_cumulate(kind: str, exclusive: bool, reverse: bool) -> None:
    """Running sums and products must go back from the other end."""
    check(op("cumulate", kind=kind, axis=1, exclusive=exclusive, reverse=reverse), x=positive(2, 4, 3))


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax(name: str) -> None:
    """Softmax and its logarithm must go back."""
    check(op(name), x=normal(2, 3, 5))


def test_movement() -> None:
    """Moved elements must come back to where they were."""
    check(op("reshape", shape=(4, -1)), x=normal(2, 3, 4))
    check(op("transpose", perm=(2, 0, 1)), x=normal(2, 3, 4))
    check(op("pad", paddings=((0, 1), (2, 0)), value=3.0), x=normal(2, 3))
    check(op("concat", axis=-1), x=normal(2, 3), y=normal(2, 1), z=normal(2, 2))
    check(op("broadcast_to", shape=(2, 3, 4)), x=normal(3, 1))


@pytest.mark.parametrize(
    ("begin", "size", "strides"),
    [((1, 0), (2, 3), None), ((4, 3), (3, 2), (-2, -3)), ((0, 1), (3, 2), (2, 2)), ((4, 0), (5, 4), (-1, 1)), ((1, 1), (0, 2), (1, 1))],
)  # fmt: skip
def test_slice(begin: tuple[int, ...], size: tuple[int, ...], strides: tuple[int, ...] | None) -> None:
    """Slices with strides of either sign must lay their gradient back into zeros."""
    check(op("slice", begin=begin, size=size, strides=strides), x=normal(5, 4))


@pytest.mark.parametrize(
    ("axis", "batch_dims", "indices"), [(0, 0, (3,)), (1, 0, (2, 2)), (1, 1, (4, 2)), (2, 1, (4, 3))]
)
def test_gather_and_scatter_add(axis: int, batch_dims: int, indices: tuple[int, ...]) -> None:
    """Rows taken twice must get both gradients; scatter_add must go back as gather."""
    x = normal(4, 3, 3)
    at = rng.integers(0, 3, size=indices).astype(np.int32)
    check(op("gather", axis=axis, batch_dims=batch_dims), x=x, at=at)
    b = Builder()
    u = b.shape(
        b.gather(b.input("x", x.shape), b.input("at", at.shape, "int32"), axis=axis, batch_dims=batch_dims)
    )
    check(op("scatter_add", shape=x.shape, axis=axis, batch_dims=batch_dims), u=normal(*u), at=at)


@pytest.mark.parametrize("method", ["bilinear", "nearest"])
@pytest.mark.parametrize(("align_corners", "half_pixel"), [(False, False), (True, False), (False, True)])
def test_resize(method: str, align_corners: bool, half_pixel: bool) -> None:
    """Resizing up and down, H and W apart, must go back."""
    for size in ((5, 3), (2, 9)):
        attrs = {"size": size, "method": method, "align_corners": align_corners, "half_pixel": half_pixel}
        check(op("resize", **attrs), x=normal(2, 3, 4, 2))


def test_resize_grad_and_top_k() -> None:
    """The gradient of resizing goes back as resizing; the largest values go back to where they stood."""
    how = {"method": "bilinear", "align_corners": False, "half_pixel": True}
    check(op("resize_grad", shape=(2, 3, 4, 2), size=(5, 3), **how), dy=normal(2, 5, 3, 2))
    check(lambda b, x: b.ops("top_k", x, k=2)[0], x=normal(2, 3, 5))


def recurrent(reverse: bool, length: int) -> Callable[..., Sequence[int]]:
    """h, c = tanh(x W + h U + c v), c + h; rows h; an integer counter rides along."""

    def build(b: Builder, x: int, h: int, c: int, w: int, u: int, v: int) -> Sequence[int]:
        body = Builder()
        t, hh, cc = body.input("t", b.shape(x)[1:]), body.input("h", b.shape(h)), body.input("c", b.shape(c))
        n = body.input("n", (), "int32")
        ww, uu, vv = body.input("w", b.shape(w)), body.input("u", b.shape(u)), body.input("v", b.shape(v))
        new = body.tanh(body.add(body.add(body.matmul(t, ww), body.matmul(hh, uu)), body.mul(cc, vv)))
        for name, value in {
            "h": new,
            "c": body.add(cc, new),
            "n": body.add(n, body.scalar(1, "int32")),
            "row": new,
        }.items():
            body.output(name, value)
        start = b.scalar(0, "int32")
        made = b.ops(
            "scan",
            x,
            h,
            c,
            start,
            w,
            u,
            v,
            body=body.graph,
            n_scan=1,
            n_carry=3,
            length=length,
            reverse=reverse,
        )
        return [made[0], made[1], made[3]]

    return build


@pytest.mark.parametrize("reverse", [False, True])
def test_scan(reverse: bool) -> None:
    """A scan must go back through time to rows, carries and weights, used by products or not."""
    check(
        recurrent(reverse, 4), x=normal(4, 2, 3), h=normal(2, 3), c=normal(2, 3),
        w=normal(3, 3), u=normal(3, 3) * 0.5, v=normal(3),
    )  # fmt: skip


def test_scan_twice_in_one_graph() -> None:
    """Two gradients of one scan, each pruned to its own weights, must agree with one that asks for both."""
    b = Builder()
    shapes = {"x": (3, 2, 3), "h": (2, 3), "c": (2, 3), "w": (3, 3), "u": (3, 3), "v": (3,)}
    ids = {name: b.input(name, shape) for name, shape in shapes.items()}
    row = recurrent(False, 3)(b, **ids)[2]
    loss = b.reduce(b.square(row), kind="sum", axes=(0, 1, 2), keepdims=False)
    both = gradients(b, loss, [ids["w"], ids["v"]])
    for name in ("w", "v"):
        b.output(f"both {name}", both[ids[name]])
        b.output(f"one {name}", gradients(b, loss, [ids[name]])[ids[name]])
    found = evaluate(b.graph, {name: normal(*shape) for name, shape in shapes.items()})
    assert all(np.allclose(found[f"both {n}"], found[f"one {n}"]) for n in ("w", "v"))


@pytest.mark.parametrize("taken", [True, False])
def test_cond(taken: bool) -> None:
    """Only the branch that ran may send a gradient."""

    def build(b: Builder, p: int, x: int, y: int) -> Sequence[int]:
        branches = []
        for square in (True, False):
            body = Builder()
            u, v = body.input("u", b.shape(x)), body.input("v", b.shape(y))
            body.output("out", body.square(u) if square else body.mul(u, v))
            branches.append(body.graph)
        return b.ops("cond", p, x, y, then_branch=branches[0], else_branch=branches[1])

    check(build, p=np.array(taken), x=normal(3), y=normal(3))


def test_second_derivative() -> None:
    """The gradient of a gradient must be right where the rows close."""

    def build(b: Builder, x: int, w: int) -> int:
        y = b.tanh(b.conv2d(x, w, strides=(1, 1), padding=((1, 1), (1, 1)), dilations=(1, 1), groups=1))
        loss = b.reduce(b.square(y), kind="sum", axes=(0, 1, 2, 3), keepdims=False)
        return gradients(b, loss, [w])[w]

    check(build, x=normal(1, 4, 4, 2), w=normal(3, 3, 2, 2))


def test_pruned_to_what_is_asked_for() -> None:
    """Asking for the last bias only must not build a product."""
    b = Builder()
    x, w, bias = b.input("x", (2, 3)), b.input("w", (3, 4)), b.input("bias", (4,))
    loss = b.reduce(b.square(b.add(b.matmul(x, w), bias)), kind="sum", axes=(0, 1), keepdims=False)
    before = len(b.graph.nodes)
    assert set(gradients(b, loss, [bias])) == {bias}
    assert "matmul" not in {node.op for node in b.graph.nodes[before:]}


def test_unreached_is_absent_and_flat_ops_stop() -> None:
    """A value that the loss does not depend on has no gradient; an op without a row on the way is an error."""
    b = Builder()
    x, w = b.input("x", (2, 3)), b.input("w", (3,))
    assert gradients(b, b.reduce(x, kind="sum", axes=(0, 1), keepdims=False), [w]) == {}
    image = b.reshape(b.mul(x, w), shape=(1, 2, 3, 1))
    flat = b.op("pool2d_grad", image, image, kind="max", window=(1, 1), strides=(1, 1))
    with pytest.raises(UnsupportedError, match="pool2d_grad"):
        gradients(b, b.reduce(flat, kind="sum", axes=(0, 1, 2, 3), keepdims=False), [w])
