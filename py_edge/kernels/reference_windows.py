"""The slow truth of everything that slides a window over an image, and of resizing; numpy, float64.

Letters: N batch, H W input, OH OW output, C channels, O output channels, M depth multiplier, KH KW window, G groups.
A convolution is a sum over the taps of its window; its gradients are the transposes of the same sums.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from py_edge.kernels.reference_elementwise import Array, Attrs

Tap = tuple[int, int, tuple[slice, ...]]


def _sizes(shape: tuple[int, ...], kernel: tuple[int, int], attrs: Attrs) -> tuple[Any, Any, Any, int, int]:
    strides, dilations = attrs.get("strides", (1, 1)), attrs.get("dilations", (1, 1))
    pads = attrs.get("padding", ((0, 0), (0, 0)))
    out = [
        (shape[1 + i] + sum(pads[i]) - (kernel[i] - 1) * dilations[i] - 1) // strides[i] + 1 for i in (0, 1)
    ]
    return strides, dilations, pads, out[0], out[1]


def _taps(shape: tuple[int, ...], kernel: tuple[int, int], attrs: Attrs) -> Iterator[Tap]:
    """(kh, kw, slices): `padded[slices]` is what tap (kh, kw) sees, shape (N, OH, OW, C)."""
    (sh, sw), (dh, dw), _, oh, ow = _sizes(shape, kernel, attrs)
    for kh in range(kernel[0]):
        for kw in range(kernel[1]):
            rows = slice(kh * dh, kh * dh + (oh - 1) * sh + 1, sh)
            columns = slice(kw * dw, kw * dw + (ow - 1) * sw + 1, sw)
            yield kh, kw, (slice(None), rows, columns)


def _pad(x: Array, attrs: Attrs, value: float = 0.0) -> Array:
    pads = attrs.get("padding", ((0, 0), (0, 0)))
    return np.pad(x, ((0, 0), *pads, (0, 0)), constant_values=value)


def _crop(padded: Array, shape: tuple[int, ...], attrs: Attrs) -> Array:
    (top, _), (left, _) = attrs.get("padding", ((0, 0), (0, 0)))
    return padded[:, top : top + shape[1], left : left + shape[2]]


def conv2d(x: Array, w: Array, attrs: Attrs) -> Array:
    """x (N, H, W, C), w (KH, KW, C / G, O) -> (N, OH, OW, O)."""
    groups, kernel = attrs.get("groups", 1), (w.shape[0], w.shape[1])
    *_, oh, ow = _sizes(x.shape, kernel, attrs)
    padded = _pad(x, attrs)
    grouped = w.reshape(*w.shape[:3], groups, -1)
    y = np.zeros((x.shape[0], oh, ow, groups, w.shape[3] // groups))
    for kh, kw, seen in _taps(x.shape, kernel, attrs):
        part = padded[seen].reshape(x.shape[0], oh, ow, groups, -1)
        y += np.einsum("nhwgc,cgo->nhwgo", part, grouped[kh, kw])
    return y.reshape(x.shape[0], oh, ow, -1)


def conv2d_input_grad(dy: Array, w: Array, attrs: Attrs) -> Array:
    """dx of attrs shape (N, H, W, C); also the transposed convolution."""
    shape, groups = tuple(attrs["shape"]), attrs.get("groups", 1)
    dx = np.zeros_like(_pad(np.zeros(shape), attrs))
    grouped = w.reshape(*w.shape[:3], groups, -1)
    grad = dy.reshape(*dy.shape[:3], groups, -1)
    for kh, kw, seen in _taps(shape, (w.shape[0], w.shape[1]), attrs):
        dx[seen] += np.einsum("nhwgo,cgo->nhwgc", grad, grouped[kh, kw]).reshape(*dy.shape[:3], -1)
    return _crop(dx, shape, attrs)


def conv2d_filter_grad(x: Array, dy: Array, attrs: Attrs) -> Array:
    """dw of attrs shape (KH, KW, C / G, O)."""
    shape, groups = tuple(attrs["shape"]), attrs.get("groups", 1)
    dw, padded = np.zeros(shape), _pad(x, attrs)
    grad = dy.reshape(*dy.shape[:3], groups, -1)
    for kh, kw, seen in _taps(x.shape, (shape[0], shape[1]), attrs):
        part = padded[seen].reshape(*dy.shape[:3], groups, -1)
        dw[kh, kw] = np.einsum("nhwgc,nhwgo->cgo", part, grad).reshape(shape[2:])
    return dw


def depthwise_conv2d(x: Array, w: Array, attrs: Attrs) -> Array:
    """x (N, H, W, C), w (KH, KW, C, M) -> (N, OH, OW, C M)."""
    kernel = (w.shape[0], w.shape[1])
    *_, oh, ow = _sizes(x.shape, kernel, attrs)
    padded = _pad(x, attrs)
    y = np.zeros((x.shape[0], oh, ow, *w.shape[2:]))
    for kh, kw, seen in _taps(x.shape, kernel, attrs):
        y += padded[seen][..., None] * w[kh, kw]
    return y.reshape(x.shape[0], oh, ow, -1)


def depthwise_conv2d_input_grad(dy: Array, w: Array, attrs: Attrs) -> Array:
    shape = tuple(attrs["shape"])
    dx = np.zeros_like(_pad(np.zeros(shape), attrs))
    grad = dy.reshape(*dy.shape[:3], *w.shape[2:])
    for kh, kw, seen in _taps(shape, (w.shape[0], w.shape[1]), attrs):
        dx[seen] += (grad * w[kh, kw]).sum(-1)
    return _crop(dx, shape, attrs)


def depthwise_conv2d_filter_grad(x: Array, dy: Array, attrs: Attrs) -> Array:
    shape = tuple(attrs["shape"])
    dw, padded = np.zeros(shape), _pad(x, attrs)
    grad = dy.reshape(*dy.shape[:3], *shape[2:])
    for kh, kw, seen in _taps(x.shape, (shape[0], shape[1]), attrs):
        dw[kh, kw] = np.einsum("nhwc,nhwcm->cm", padded[seen], grad)
    return dw


def pool2d(x: Array, attrs: Attrs) -> Array:
    """kind max or avg; the average is over what lies inside the input."""
    taps = [seen for _, _, seen in _taps(x.shape, attrs["window"], attrs)]
    if attrs["kind"] == "max":
        padded = _pad(x, attrs, -np.inf)
        return np.asarray(np.maximum.reduce([padded[seen] for seen in taps]))
    padded, inside = _pad(x, attrs), _pad(np.ones_like(x), attrs)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.add.reduce([padded[seen] for seen in taps]) / np.add.reduce([inside[seen] for seen in taps])
    return np.asarray(mean)


def pool2d_grad(x: Array, dy: Array, attrs: Attrs) -> Array:
    """dx; for max the first of the equal largest of a window gets all of it."""
    dx = np.zeros_like(_pad(x, attrs))
    if attrs["kind"] == "max":
        padded, left, y = _pad(x, attrs, -np.inf), dy.copy(), pool2d(x, attrs)
        for _, _, seen in _taps(x.shape, attrs["window"], attrs):
            part = np.where(padded[seen] == y, left, 0.0)
            left = np.where(padded[seen] == y, 0.0, left)
            dx[seen] += part
    else:
        inside = _pad(np.ones_like(x), attrs)
        taps = [seen for _, _, seen in _taps(x.shape, attrs["window"], attrs)]
        counts = sum(inside[seen] for seen in taps)
        for seen in taps:
            dx[seen] += dy / np.maximum(counts, 1.0)
    return _crop(dx, x.shape, attrs)


def _positions(size: int, out: int, attrs: Attrs, nearest: bool) -> tuple[Array, Array, Array]:
    """Per output index: lower and upper input index and the weight of the upper, in float32 as TensorFlow does it."""
    corners, half = attrs.get("align_corners", False), attrs.get("half_pixel", False)
    scale = np.float32((size - 1) / (out - 1)) if corners and out > 1 else np.float32(size / out)
    at = np.arange(out, dtype=np.float32)
    if nearest:
        place = (at + np.float32(0.5)) * scale if half else at * scale
        index = np.floor(place + np.float32(0.5)) if corners else np.floor(place)
        index = np.clip(index, 0, size - 1).astype(int)
        return index, index, np.zeros(out)
    place = (at + np.float32(0.5)) * scale - np.float32(0.5) if half else at * scale
    floor = np.floor(place)
    lower = np.clip(floor, 0, size - 1).astype(int)
    upper = np.clip(np.ceil(place), 0, size - 1).astype(int)
    return lower, upper, (place - floor).astype(float)


def _resize_matrix(size: int, out: int, attrs: Attrs) -> Array:
    """(out, size): every output row or column as weights of input rows or columns."""
    lower, upper, weight = _positions(size, out, attrs, attrs.get("method", "bilinear") == "nearest")
    matrix = np.zeros((out, size))
    np.add.at(matrix, (np.arange(out), lower), 1.0 - weight)
    np.add.at(matrix, (np.arange(out), upper), weight)
    return matrix


def resize(x: Array, attrs: Attrs) -> Array:
    """x (N, H, W, C) -> (N, *attrs size, C); attrs method, align_corners, half_pixel."""
    rows, columns = (_resize_matrix(x.shape[1 + i], attrs["size"][i], attrs) for i in (0, 1))
    y: Array = np.einsum("oh,pw,nhwc->nopc", rows, columns, x, optimize=True)
    return y


def resize_grad(dy: Array, attrs: Attrs) -> Array:
    """dx of attrs shape (N, H, W, C)."""
    _, height, width, _ = attrs["shape"]
    rows, columns = _resize_matrix(height, dy.shape[1], attrs), _resize_matrix(width, dy.shape[2], attrs)
    dx: Array = np.einsum("oh,pw,nopc->nhwc", rows, columns, dy, optimize=True)
    return dx
