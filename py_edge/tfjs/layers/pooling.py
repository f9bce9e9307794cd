"""Pooling, cropping, padding and upsampling of images, sequences and volumes."""

from __future__ import annotations

from py_edge.errors import ShapeError
from py_edge.tfjs.idioms import axes, windows
from py_edge.tfjs.layers.call import Call, Lower
from py_edge.tfjs.layers.convolution import _open


def _back(c: Call, y: int) -> int:
    return axes.channels_first(c.b, y) if c.first else y


def pool(kind: str, dims: int) -> Lower:
    def lower(c: Call) -> int:
        c.out_mask = False
        x = _open(c, dims)
        size = c.wholes("pool_size", dims, 2)
        strides = c.wholes("strides", dims, size)
        mode = c.word("padding", "valid", ("valid", "same"))
        pads = windows.paddings(mode, c.b.shape(x)[1:-1], size, strides, (1,) * dims)
        return _back(c, windows.pool(c.b, kind, x, size, strides, pads))

    return lower


def global_pool(kind: str, dims: int) -> Lower:
    def lower(c: Call) -> int:
        """Over all places; an average over a masked sequence counts only what is kept."""
        b, keep = c.b, c.flag("keepdims")
        x, mask = _open(c, dims), c.mask
        c.out_mask = False
        over = range(1, 1 + dims)
        if kind == "mean" and dims == 1 and mask is not None:
            weight = axes.expand(b, axes.cast(b, mask, "float32"), -1)
            total = axes.reduce(b, "sum", b.op("mul", x, weight), over, keepdims=keep)
            y = b.op("div", total, axes.reduce(b, "sum", weight, over, keepdims=keep))
        else:
            y = axes.reduce(b, kind, x, over, keepdims=keep)
        return _back(c, y) if keep else y

    return lower


def adaptive_pool(kind: str, dims: int) -> Lower:
    def lower(c: Call) -> int:
        """output_size cells per axis, cell i covering floor(i n / m) .. ceil((i + 1) n / m)."""
        b, x, out = c.b, _open(c, dims), c.wholes("output_size", dims)
        for axis, m in enumerate(out, start=1):
            n = b.shape(x)[axis]
            bounds = [(i * n // m, -(-(i + 1) * n // m)) for i in range(m)]
            cells = [
                axes.reduce(b, kind, axes.cut(b, x, axis, lo, hi - lo), [axis], keepdims=True)
                for lo, hi in bounds
            ]
            x = axes.concat(b, cells, axis)
        return _back(c, x)

    return lower


def _pairs(c: Call, name: str, dims: int) -> list[tuple[int, int]]:
    """Keras' forms: one number, one per axis, or a (before, after) per axis."""
    raw = c.get(name, default=1)
    items = [raw] * dims if isinstance(raw, int) else list(raw) if isinstance(raw, (list, tuple)) else [None]
    if dims == 1 and len(items) == 2:
        items = [items]
    pairs = [tuple(i) if isinstance(i, (list, tuple)) else (i, i) for i in items]
    if len(pairs) != dims or any(len(p) != 2 or any(type(v) is not int or v < 0 for v in p) for p in pairs):
        raise ShapeError(f"config `{name}`", where=c.where, got=raw, want=f"{dims} pairs of numbers >= 0")
    return [(p[0], p[1]) for p in pairs]


def zero_padding(dims: int) -> Lower:
    def lower(c: Call) -> int:
        c.out_mask = False
        x = _open(c, dims)
        return _back(c, axes.pad(c.b, x, [(0, 0), *_pairs(c, "padding", dims), (0, 0)]))

    return lower


def cropping(dims: int) -> Lower:
    def lower(c: Call) -> int:
        c.out_mask = False
        x = _open(c, dims)
        for axis, (before, after) in enumerate(_pairs(c, "cropping", dims), start=1):
            left = c.b.shape(x)[axis] - before - after
            if left < 1:
                raise ShapeError(
                    "nothing is left after cropping", where=c.where, got=(before, after), want=c.shape
                )
            x = axes.cut(c.b, x, axis, before, left)
        return _back(c, x)

    return lower


def up_sampling(dims: int) -> Lower:
    def lower(c: Call) -> int:
        """Repeat every element, or (two dimensions) resize: Keras with half-pixel centres, TF.js without."""
        c.out_mask = False
        b, x, size = c.b, _open(c, dims), c.wholes("size", dims, 2)
        method = c.word("interpolation", "nearest", ("nearest", "bilinear")) if dims == 2 else "nearest"
        if method == "bilinear":
            target = (b.shape(x)[1] * size[0], b.shape(x)[2] * size[1])
            return _back(
                c,
                b.op(
                    "resize",
                    x,
                    size=target,
                    method="bilinear",
                    align_corners=False,
                    half_pixel=c.dialect != "tfjs",
                ),
            )
        for axis, times in enumerate(size, start=1):
            x = axes.repeat(b, x, axis, times) if times > 1 else x
        return _back(c, x)

    return lower


ROWS: dict[str, Lower] = {}
for _n in (1, 2, 3):
    ROWS |= {
        f"MaxPooling{_n}D": pool("max", _n), f"MaxPool{_n}D": pool("max", _n),
        f"AveragePooling{_n}D": pool("avg", _n), f"AvgPool{_n}D": pool("avg", _n),
        f"GlobalMaxPooling{_n}D": global_pool("max", _n), f"GlobalMaxPool{_n}D": global_pool("max", _n),
        f"GlobalAveragePooling{_n}D": global_pool("mean", _n), f"GlobalAvgPool{_n}D": global_pool("mean", _n),
        f"AdaptiveMaxPooling{_n}D": adaptive_pool("max", _n), f"AdaptiveAveragePooling{_n}D": adaptive_pool("mean", _n),
        f"ZeroPadding{_n}D": zero_padding(_n), f"Cropping{_n}D": cropping(_n), f"UpSampling{_n}D": up_sampling(_n),
    }  # fmt: skip
