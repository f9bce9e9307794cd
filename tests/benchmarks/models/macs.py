"""Multiply-accumulates of one inference, by the layers' shapes; additions of bias and pooling are not counted."""

from __future__ import annotations

import math
from typing import Any


def count_macs(model: Any) -> int:
    return sum(_layer(layer) for layer in model.layers)


def _layer(layer: Any) -> int:
    kind = type(layer).__name__
    if kind == "Dense":
        return int(math.prod(layer.kernel.shape))
    if kind == "GRU":
        return int(
            layer.input_shape[1] * sum(math.prod(w.shape) for w in layer.get_weights() if w.shape[0] > 2)
        )
    if kind not in ("Conv2D", "DepthwiseConv2D", "SeparableConv2D"):
        return 0
    pixels = math.prod(layer.output_shape[1:3])
    if kind == "Conv2D":
        return int(pixels * math.prod(layer.kernel.shape))
    macs = pixels * math.prod(layer.depthwise_kernel.shape)
    return int(macs + (pixels * math.prod(layer.pointwise_kernel.shape) if kind == "SeparableConv2D" else 0))
