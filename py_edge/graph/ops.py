"""The op table: every core op in one row. Everything that a TF.js file can say lowers to these.

To add an op, touch these places: a row here; its shape rule in graph/shapes.py; its kernel in kernels/*.c with its
truth in kernels/reference.py; how a node becomes a step in plan/steps.py; its row in train/gradients.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from py_edge.graph import shapes
from py_edge.graph.shapes import Rule


@dataclass(frozen=True, slots=True)
class Op:
    """shape: shape rule; kernel: name of the step in plan/steps.py; gradient: whether train/gradients.py has a row."""

    shape: Rule
    kernel: str
    gradient: bool = True


def _rows(names: str, op: Op) -> dict[str, Op]:
    return dict.fromkeys(names.split(), op)


_UNARY = (
    "neg abs sign floor ceil round sqrt rsqrt reciprocal square exp expm1 log log1p sin cos tan asin acos atan "
    "sinh cosh tanh asinh acosh atanh erf sigmoid softplus softsign relu relu6 elu selu leaky_relu hard_sigmoid "
    "hard_swish swish gelu gelu_tanh mish step"
)
_BINARY = "add sub mul div floor_div mod truncated_mod maximum minimum pow atan2 squared_difference div_no_nan prelu"
_INTEGER = "bit_and bit_or bit_xor shift_left shift_right"
_COMPARE = "equal not_equal less less_equal greater greater_equal"

OPS: dict[str, Op] = {
    # elementwise, broadcasting; parameters as attrs: elu, leaky_relu, step: alpha; hard_sigmoid is Keras 2's clip(x/5+1/2)
    **_rows(_UNARY, Op(shapes.elementwise(), "elementwise")),
    **_rows(_BINARY, Op(shapes.elementwise(), "elementwise")),
    **_rows(_INTEGER, Op(shapes.elementwise(), "elementwise", gradient=False)),
    **_rows(_COMPARE, Op(shapes.elementwise("bool"), "elementwise", gradient=False)),
    **_rows(
        "logical_and logical_or logical_xor logical_not",
        Op(shapes.elementwise("bool"), "elementwise", gradient=False),
    ),
    **_rows("is_nan is_inf is_finite", Op(shapes.elementwise("bool"), "elementwise", gradient=False)),
    "select": Op(shapes.elementwise(), "elementwise"),
    "cast": Op(shapes.cast, "elementwise"),
    "elementwise": Op(shapes.fused_elementwise, "elementwise", gradient=False),
    # products; after fusion they carry bias, residual and activation
    "matmul": Op(shapes.matmul, "matmul"),
    "conv2d": Op(shapes.conv2d, "conv2d"),
    "conv2d_input_grad": Op(shapes.shape_attr, "conv2d_input_grad"),
    "conv2d_filter_grad": Op(shapes.shape_attr, "conv2d_filter_grad"),
    "depthwise_conv2d": Op(shapes.depthwise_conv2d, "depthwise_conv2d"),
    "depthwise_conv2d_input_grad": Op(shapes.shape_attr, "depthwise_conv2d_input_grad"),
    "depthwise_conv2d_filter_grad": Op(shapes.shape_attr, "depthwise_conv2d_filter_grad"),
    # windows and reductions
    "pool2d": Op(shapes.pool2d, "pool2d"),
    "pool2d_grad": Op(shapes.like_first, "pool2d_grad", gradient=False),
    "reduce": Op(shapes.reduce, "reduce"),
    "arg_reduce": Op(shapes.arg_reduce, "arg_reduce", gradient=False),
    "cumulate": Op(shapes.like_first, "cumulate"),
    "softmax": Op(shapes.like_first, "softmax"),
    "log_softmax": Op(shapes.like_first, "softmax"),
    "normalize": Op(shapes.like_first, "normalize", gradient=False),
    "top_k": Op(shapes.top_k, "top_k"),
    # moving data
    "reshape": Op(shapes.reshape, "alias"),
    "transpose": Op(shapes.transpose, "copy"),
    "slice": Op(shapes.slice_, "copy"),
    "pad": Op(shapes.pad, "copy"),
    "concat": Op(shapes.concat, "copy"),
    "broadcast_to": Op(shapes.broadcast_to, "copy"),
    "gather": Op(shapes.gather, "gather"),
    "scatter_add": Op(shapes.shape_attr, "scatter_add"),
    "resize": Op(shapes.resize, "resize"),
    "resize_grad": Op(shapes.shape_attr, "resize_grad"),
    # optimizers: inputs weight, gradient, m, v, step_size (), epsilon (); attrs beta_1, beta_2 -> weight, m, v
    "adam": Op(shapes.adam, "adam", gradient=False),
    # randomness: attrs shape, kind uniform|normal|bernoulli, seed; input: an int32 () counter variable
    "random": Op(shapes.shape_attr, "random", gradient=False),
    # control
    "scan": Op(shapes.scan, "scan"),
    "cond": Op(shapes.branch, "cond"),
    "while": Op(shapes.loop, "while", gradient=False),
    "host": Op(shapes.host, "host", gradient=False),
}
