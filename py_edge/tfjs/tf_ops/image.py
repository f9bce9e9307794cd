"""Images: resizing in every manner, crops, projective transforms."""

from __future__ import annotations

from py_edge.errors import ShapeError, UnsupportedError
from py_edge.tensor import Tensor
from py_edge.tfjs.call import Call, Lower
from py_edge.tfjs.idioms import arithmetic, axes, resampling
from py_edge.tfjs.trace import Value


def crop_and_resize(c: Call) -> Value:
    """Boxes (y1, x1, y2, x2) in relative corners, cut out of images and resized to crop_size."""
    b, image, boxes, which = c.b, *c.ids(0, 3)
    height, width = c.ints(3)
    c.bounded(height, width)
    n, h, w, channels = b.shape(image)
    y, inside_y = _sampled(c, boxes, 0, height, h)
    x, inside_x = _sampled(c, boxes, 1, width, w)
    flat = axes.reshape(b, image, [n * h * w, channels])
    start = b.op("mul", axes.reshape(b, which, [b.shape(which)[0], 1, 1]), b.scalar(h * w, "int32"))

    def pixel(row: int, column: int) -> int:
        at = b.op("add", b.op("mul", axes.expand(b, row, 2), b.scalar(w, "int32")), axes.expand(b, column, 1))
        return b.op("gather", flat, b.op("add", at, start), axis=0, batch_dims=0, clip=True)

    if c.word("method", "bilinear") == "nearest":
        away = [axes.cast(b, b.op("floor", b.op("add", v, 0.5)), "int32") for v in (y, x)]
        result = pixel(*away)
    else:
        low = [b.op("floor", v) for v in (y, x)]
        top, left = (axes.cast(b, v, "int32") for v in low)
        bottom, right = (axes.cast(b, b.op("ceil", v), "int32") for v in (y, x))
        part_y = axes.expand(b, b.op("sub", y, low[0]), 2, 3)
        part_x = axes.expand(b, b.op("sub", x, low[1]), 1, 3)
        upper = _between(c, pixel(top, left), pixel(top, right), part_x)
        lower = _between(c, pixel(bottom, left), pixel(bottom, right), part_x)
        result = _between(c, upper, lower, part_y)
    keep = b.op("logical_and", axes.expand(b, inside_y, 2, 3), axes.expand(b, inside_x, 1, 3))
    return b.op("select", keep, result, c.number("extrapolation_value", 0.0))


def _between(c: Call, a: int, z: int, part: int) -> int:
    return c.b.op("add", a, c.b.op("mul", c.b.op("sub", z, a), part))


def _sampled(c: Call, boxes: int, first: int, out: int, size: int) -> tuple[int, int]:
    """Positions (boxes, out) along one axis, and which lie inside."""
    b = c.b
    low, high = axes.cut(b, boxes, 1, first, 1), axes.cut(b, boxes, 1, first + 2, 1)
    if out > 1:
        steps = b.constant(Tensor.from_flat([i * (size - 1) / (out - 1) for i in range(out)], (1, out)))
        place = b.op("add", b.op("mul", low, float(size - 1)), b.op("mul", b.op("sub", high, low), steps))
    else:
        place = b.op("mul", b.op("add", low, high), 0.5 * (size - 1))
    inside = b.op(
        "logical_and", b.op("greater_equal", place, 0.0), b.op("less_equal", place, float(size - 1))
    )
    return place, inside


def resize(method: str) -> Lower:
    def lower(c: Call) -> Value:
        size, flags = c.ints(1), (c.flag("align_corners"), c.flag("half_pixel_centers"))
        if len(size) != 2 or min(size) < 1:
            raise ShapeError("a size of (height, width)", where=c.node.where, got=size)
        x = axes.cast(c.b, c.x, "float32")
        y = c.b.op("resize", x, size=tuple(size), method=method, align_corners=flags[0], half_pixel=flags[1])
        return axes.cast(c.b, y, "int32") if c.dtype() == "int32" and method == "nearest" else y

    return lower


def projective_transform(c: Call) -> Value:
    """Output pixel (x, y) comes from ((a0 x + a1 y + a2) / k, (b0 x + b1 y + b2) / k), k = c0 x + c1 y + 1."""
    b, image, matrix = c.b, c.id(0), c.id(1)
    oh, ow = c.ints(2) if c.n > 2 else c.shape()[1:3]
    c.bounded(oh, ow)
    fill = c.real(3) if c.n > 3 else 0.0
    n, h, w, channels = b.shape(image)
    matrix = axes.broadcast(b, matrix, [n, 8])
    xs = b.constant(Tensor.from_flat([float(j) for _ in range(oh) for j in range(ow)], (1, oh * ow)))
    ys = b.constant(Tensor.from_flat([float(i) for i in range(oh) for _ in range(ow)], (1, oh * ow)))

    def line(first: int, last: float | None = None) -> int:
        one, two = axes.cut(b, matrix, 1, first, 1), axes.cut(b, matrix, 1, first + 1, 1)
        total = b.op("add", b.op("mul", one, xs), b.op("mul", two, ys))
        return b.op("add", total, axes.cut(b, matrix, 1, first + 2, 1) if last is None else float(last))

    k = line(6, 1.0)
    mode = c.word("fill_mode", "CONSTANT").upper()
    x, y = (_folded(c, b.op("div", line(f), k), size, mode) for f, size in ((0, w), (3, h)))
    flat = axes.reshape(b, image, [n * h * w, channels])
    start = c.trace.constant([i * h * w for i in range(n)], (n, 1))

    def pixel(row: int, column: int) -> int:
        at = b.op(
            "add",
            b.op("mul", axes.cast(b, row, "int32"), b.scalar(w, "int32")),
            axes.cast(b, column, "int32"),
        )
        value = b.op("gather", flat, b.op("add", at, start), axis=0, batch_dims=0, clip=True)
        good = [
            b.op("logical_and", b.op("greater_equal", v, 0.0), b.op("less", v, float(s)))
            for v, s in ((row, h), (column, w))
        ]
        return b.op("select", axes.expand(b, b.op("logical_and", *good), 2), value, float(fill))

    if c.word("interpolation", "NEAREST").upper() == "NEAREST":
        result = pixel(_away(c, y), _away(c, x))
    else:
        top, left = b.op("floor", y), b.op("floor", x)
        bottom, right = b.op("add", top, 1.0), b.op("add", left, 1.0)
        part_x, part_y = (axes.expand(b, b.op("sub", v, f), 2) for v, f in ((x, left), (y, top)))
        upper = _between(c, pixel(top, left), pixel(top, right), part_x)
        result = _between(c, upper, _between(c, pixel(bottom, left), pixel(bottom, right), part_x), part_y)
    return axes.reshape(b, result, [n, oh, ow, channels])


def _away(c: Call, x: int) -> int:
    """Rounded, halves away from zero."""
    return c.b.op("mul", c.b.op("sign", x), c.b.op("floor", c.b.op("add", c.b.op("abs", x), 0.5)))


def _folded(c: Call, x: int, size: int, mode: str) -> int:
    """A coordinate brought back into the image as the fill mode says."""
    b = c.b
    if mode == "CONSTANT" or size < 1:
        return x
    if mode == "NEAREST":
        return arithmetic.clip(b, x, 0.0, size - 1)
    if mode == "WRAP":
        if size == 1:
            return b.op("mul", x, 0.0)
        turns = b.op("floor", b.op("mul", b.op("abs", x), 1.0 / (size - 1)))
        below = b.op("add", x, b.op("mul", b.op("add", turns, 1.0), float(size)))
        above = b.op("sub", x, b.op("mul", turns, float(size)))
        y = b.op(
            "select", b.op("less", x, 0.0), below, b.op("select", b.op("greater", x, size - 1.0), above, x)
        )
        return arithmetic.clip(b, y, 0.0, size - 1)
    period = b.op("mod", x, 2.0 * size)
    folded = b.op("minimum", period, b.op("sub", 2.0 * size - 1, period))
    return arithmetic.clip(b, folded, 0.0, size - 1)


def resize_bicubic(c: Call) -> Value:
    """Half-pixel centres, as Keras emits it."""
    if not c.flag("half_pixel_centers"):
        raise UnsupportedError("bicubic without half-pixel centres", where=c.node.where)
    return resampling.resize(c.b, axes.cast(c.b, c.x, "float32"), c.ints(1), "bicubic")


def resize_area(c: Call) -> Value:
    return resampling.resize(c.b, axes.cast(c.b, c.x, "float32"), c.ints(1), "area")


def scale_and_translate(c: Call) -> Value:
    """A resize by a kernel, when scale is the ratio of the sizes and nothing is moved."""
    size, scale, shift = c.ints(1), c.trace.known(c.id(2)), c.trace.known(c.id(3))
    plain = all(abs(s * d - n) < 1e-3 for s, d, n in zip(scale, c.shape()[1:3], size, strict=True))
    if not plain or any(shift) or c.flag("antialias", True):
        raise UnsupportedError("scaling that is more than a resize", where=c.node.where, got=(scale, shift))
    kernels = {"keyscubic": "bicubic", "lanczos3": "lanczos3", "lanczos5": "lanczos5", "gaussian": "gaussian",
               "mitchellcubic": "mitchellcubic"}  # fmt: skip
    method = kernels.get(c.word("kernel_type", "lanczos3"), c.word("kernel_type"))
    return resampling.resize(c.b, axes.cast(c.b, c.x, "float32"), size, method)


ROWS: dict[str, Lower] = {
    "ResizeBicubic": resize_bicubic, "ResizeArea": resize_area, "ScaleAndTranslate": scale_and_translate,
    "CropAndResize": crop_and_resize, "ResizeBilinear": resize("bilinear"), "ResizeNearestNeighbor": resize("nearest"),
    "ImageProjectiveTransformV3": projective_transform, "ImageProjectiveTransformV2": projective_transform,
}  # fmt: skip
