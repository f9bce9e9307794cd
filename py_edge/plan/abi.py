"""The numbers of kernels/pe.h, read by name: kernels, unary functions, chain opcodes, params of each struct.

tests/plan/test_abi.py reads the header and holds both sides together.
"""

from __future__ import annotations

import struct

ARENA, WEIGHTS, BLOB = 0, 1, 2
NONE = -1
OPERAND_ALIGN = 16
WINOGRAD_TILES = 60
TYPE = {"float32": 0, "int32": 1, "bool": 2}

_KERNELS = (
    "copy fill elementwise pack_b matmul conv2d depthwise_conv2d pool2d pool2d_grad conv2d_input_grad "
    "conv2d_filter_grad depthwise_input_grad depthwise_filter_grad reduce cumulate softmax top_k gather "
    "scatter_add resize resize_grad random scan cond while normalize pack_winograd conv2d_winograd adam"
)
KERNEL = {name: index + 1 for index, name in enumerate(_KERNELS.split())}

_UNARY = (
    "copy neg abs sign floor ceil round sqrt rsqrt reciprocal square exp expm1 log log1p sin cos tan asin acos "
    "atan sinh cosh tanh asinh acosh atanh erf sigmoid softplus softsign relu relu6 elu selu leaky_relu "
    "hard_sigmoid hard_swish swish gelu gelu_tanh mish step"
)
UNARY = {name: index for index, name in enumerate(_UNARY.split())}
DEFAULT_ALPHA = {"elu": 1.0, "leaky_relu": 0.2}
"""alpha where a node names none; 0 for all others."""

_FLOAT = (
    "add sub mul div floor_div mod truncated_mod maximum minimum pow atan2 squared_difference div_no_nan prelu "
    "equal not_equal less less_equal greater greater_equal is_nan is_inf is_finite"
)
_INT = (
    "add sub mul div floor_div mod truncated_mod maximum minimum pow squared_difference bit_and bit_or bit_xor "
    "shift_left shift_right neg abs sign square equal not_equal less less_equal greater greater_equal logical_not"
)
FLOAT = {name: 64 + index for index, name in enumerate(_FLOAT.split())}
INT = {name: 96 + index for index, name in enumerate(_INT.split())}
SELECT, CONST, F2I, I2F, F2B, I2B = range(124, 130)
COPY = UNARY["copy"]
# On bool (0 or 1) the logical operations are the bitwise ones.
INT |= {"logical_and": INT["bit_and"], "logical_or": INT["bit_or"], "logical_xor": INT["bit_xor"]}
INT |= dict.fromkeys(("floor", "ceil", "round", "copy"), COPY)

CAST = {
    ("float32", "int32"): F2I, ("float32", "bool"): F2B, ("int32", "float32"): I2F, ("int32", "bool"): I2B,
    ("bool", "float32"): I2F, ("bool", "int32"): COPY,
    ("float32", "float32"): COPY, ("int32", "int32"): COPY, ("bool", "bool"): COPY,
}  # fmt: skip

REDUCE = {
    name: i for i, name in enumerate(["sum", "mean", "prod", "max", "min", "any", "all", "argmax", "argmin"])
}
POOL = {"max": 0, "avg": 1}
RESIZE = {"nearest": 0, "bilinear": 1}
RANDOM = {"uniform": 0, "normal": 1, "bernoulli": 2}


def bits(number: float) -> int:
    """A float32's bits as a signed int32."""
    return int(struct.unpack("<i", struct.pack("<f", number))[0])


def round32(n: int) -> int:
    return (n + 31) // 32 * 32


# Scratch sizes in floats: PE_SCRATCH_* of the header.
def scratch_packed(k: int) -> int:
    return 64 * k


def scratch_winograd(tiles: int, c: int, o: int) -> int:
    return 16 * min(tiles, WINOGRAD_TILES) * (c + o)


def scratch_unpacked(k: int, n: int) -> int:
    return 64 * k + k * round32(n)


def scratch_input_grad(k: int, n: int) -> int:
    return 64 * (n + round32(k)) + n * round32(k)


def scratch_filter_grad(k: int, n: int) -> int:
    return 256 * (k + round32(n))
