"""Preprocessing of images and numbers. Random augmentation passes its input through: it only acts while training."""

from __future__ import annotations

from py_edge.errors import ShapeError, UnsupportedError
from py_edge.tensor import Tensor
from py_edge.tfjs.idioms import arithmetic, axes, resampling
from py_edge.tfjs.layers import lookup
from py_edge.tfjs.layers.call import Call, Lower
from py_edge.tfjs.layers.core import identity
from py_edge.tfjs.layers.lookup import encoded

_METHODS = ("bilinear", "nearest", "bicubic", "area", "lanczos3", "lanczos5", "gaussian", "mitchellcubic")


def rescaling(c: Call) -> int:
    b, x = c.b, axes.cast(c.b, c.x, "float32")
    scale, offset = c.get("scale", default=1.0), c.get("offset", default=0.0)
    y = b.op(
        "mul", x, b.constant(scale, "float32") if isinstance(scale, list) else c.number("scale", default=1.0)
    )
    return b.op("add", y, b.constant(offset, "float32") if isinstance(offset, list) else c.number("offset"))


def _image(c: Call) -> int:
    """(N, H, W, C), a batch added where there is none."""
    x = axes.cast(c.b, c.x, "float32")
    if c.rank not in (3, 4):
        raise ShapeError("an image is (batch, height, width, channels)", where=c.where, got=c.shape)
    x = x if c.rank == 4 else axes.expand(c.b, x, 0)
    return axes.channels_last(c.b, x) if c.first else x


def _picture(c: Call, y: int) -> int:
    y = axes.channels_first(c.b, y) if c.first else y
    return y if c.rank == 4 else axes.squeeze(c.b, y, [0])


def _cut(c: Call, x: int, top: int, left: int, height: int, width: int) -> int:
    return axes.cut(c.b, axes.cut(c.b, x, 1, top, height), 2, left, width)


def _cropped_to(c: Call, x: int, height: int, width: int) -> int:
    """The largest centred part with the target's aspect ratio (Keras' smart_resize)."""
    _, h, w, _ = c.b.shape(x)
    crop_h, crop_w = min(int(w * height / width), h), min(int(h * width / height), w)
    return _cut(c, x, int((h - crop_h) / 2), int((w - crop_w) / 2), crop_h, crop_w)


def _padded_to(c: Call, x: int, height: int, width: int) -> int:
    _, h, w, _ = c.b.shape(x)
    pad_h, pad_w = max(int(w * height / width), h), max(int(h * width / height), w)
    top, left = int((pad_h - h) / 2), int((pad_w - w) / 2)  # the same on both sides, so one row may be lost
    return axes.pad(c.b, x, [(0, 0), (top, top), (left, left), (0, 0)], c.number("fill_value"))


def resizing(c: Call) -> int:
    x, height, width = _image(c), c.whole("height"), c.whole("width")
    method = c.word("interpolation", "bilinear", _METHODS)
    if c.flag("crop_to_aspect_ratio"):
        x = _cropped_to(c, x, height, width)
    elif c.flag("pad_to_aspect_ratio"):
        x = _padded_to(c, x, height, width)
    return _picture(c, resampling.resize(c.b, x, (height, width), method))


def center_crop(c: Call) -> int:
    """The middle; an image smaller than asked for is resized instead."""
    x, height, width = _image(c), c.whole("height"), c.whole("width")
    _, h, w, _ = c.b.shape(x)
    if h >= height and w >= width:
        return _picture(c, _cut(c, x, (h - height) // 2, (w - width) // 2, height, width))
    return _picture(c, resampling.resize(c.b, _cropped_to(c, x, height, width), (height, width), "bilinear"))


def category_encoding(c: Call) -> int:
    mode = c.word("output_mode", "multi_hot", ("one_hot", "multi_hot", "count"))
    return encoded(c, axes.cast(c.b, c.x, "int32"), c.whole("num_tokens", c.get("max_tokens")), mode)


def discretization(c: Call) -> int:
    """How many boundaries are at or below the value."""
    b, bounds = c.b, c.get("bin_boundaries", default=[])
    if not bounds:
        raise UnsupportedError("no bin_boundaries in the config", where=c.where)
    edges = b.constant(Tensor.from_flat(bounds, (len(bounds),)))
    above = b.op("greater_equal", axes.expand(b, axes.cast(b, c.x, "float32"), -1), edges)
    index = axes.reduce(b, "sum", axes.cast(b, above, "int32"), [-1])
    mode = c.word("output_mode", "int", ("int", "one_hot", "multi_hot", "count"))
    return index if mode == "int" else encoded(c, index, len(bounds) + 1, mode)


def integer_lookup(c: Call) -> int | list[int]:
    """The place of a whole number in the vocabulary, after the mask and the unknown."""
    b, words = c.b, c.get("vocabulary", default=[])
    if (
        c.flag("invert")
        or c.get("num_oov_indices", default=1) not in (0, 1)
        or c.get("output_mode") in ("tf_idf", "tf-idf")
    ):
        return lookup.lookup(int)(c)
    unknown = c.whole("num_oov_indices", 1, low=0, high=1)
    masked = c.get("mask_token")
    if not isinstance(words, list) or not words or any(type(word) is not int for word in words):
        raise UnsupportedError("no vocabulary of whole numbers in the config", where=c.where)
    specials = {masked, c.get("oov_token", default=-1)}
    words = [word for i, word in enumerate(words) if i > 1 or word not in specials]
    tokens, mode = (
        axes.cast(b, c.x, "int32"),
        c.word("output_mode", "int", ("int", "one_hot", "multi_hot", "count")),
    )
    begin = unknown + (masked is not None and mode == "int")
    vocabulary = b.constant(Tensor.from_flat(words, (len(words),), "int32"))
    equal = axes.cast(b, b.op("equal", axes.expand(b, tokens, -1), vocabulary), "int32")
    places = b.constant(Tensor.from_flat(range(begin, begin + len(words)), (len(words),), "int32"))
    index = axes.reduce(b, "sum", b.op("mul", equal, places), [-1])
    known = axes.reduce(b, "max", equal, [-1])
    oov = b.op(
        "mul", b.op("sub", b.scalar(1, "int32"), known), b.scalar(begin - unknown if unknown else -1, "int32")
    )
    index = b.op("add", index, oov)
    if masked is not None and mode == "int":
        index = b.op(
            "select", b.op("equal", tokens, b.scalar(int(masked), "int32")), b.scalar(0, "int32"), index
        )
    return index if mode == "int" else encoded(c, index, unknown + len(words), mode)


_RANDOM = (
    "RandomFlip RandomRotation RandomZoom RandomTranslation RandomContrast RandomBrightness RandomCrop RandomHeight "
    "RandomWidth RandomShear RandomSharpness RandomSaturation RandomHue RandomGrayscale RandomPosterization "
    "RandomInvert RandomErasing RandomColorJitter RandomColorDegeneration RandomGaussianBlur RandomElasticTransform "
    "RandomPerspective RandAugment AugMix CutMix MixUp Solarization"
)


def auto_contrast(c: Call) -> int:
    """Each picture's channels stretched over the whole range of values; flat channels stay."""
    b, x = c.b, _image(c)
    low, high = (float(v) for v in c.get("value_range", default=[0, 255]))
    least, most = (axes.reduce(b, kind, x, [1, 2], keepdims=True) for kind in ("min", "max"))
    y = b.op("div", b.op("sub", x, least), b.op("sub", most, least))
    y = b.op("add", b.op("mul", arithmetic.clip(b, y, 0.0, 1.0), high - low), low)
    return _picture(c, b.op("select", b.op("equal", least, most), x, y))


def pipeline(c: Call) -> int:
    """Its layers one after the other."""
    x = c.syms[0]
    for index, raw in enumerate(c.get("layers", default=[])):
        scope = c.scope.child(str(raw["config"].get("name", index)), f"layers/{index}")
        x = c.lower_layer(c, raw, scope, [x], {})[0]
    return x.id


def random_crop(c: Call) -> int:
    """At inference Keras 3 hands the image through; Keras 2 takes the largest middle of that shape and resizes it."""
    if c.keras3:
        return identity(c)
    height, width = c.whole("height"), c.whole("width")
    return _picture(
        c, resampling.resize(c.b, _cropped_to(c, _image(c), height, width), (height, width), "bilinear")
    )


ROWS: dict[str, Lower] = {
    **{name: identity for name in _RANDOM.split() if name != "RandomCrop"},
    "RandomCrop": random_crop, "Rescaling": rescaling, "Resizing": resizing, "CenterCrop": center_crop, "AutoContrast": auto_contrast, "Pipeline": pipeline,
    "CategoryEncoding": category_encoding, "Discretization": discretization, "IntegerLookup": integer_lookup,
    **lookup.ROWS,
}  # fmt: skip
