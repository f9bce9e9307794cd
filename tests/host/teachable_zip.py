"""A zip in the layout in which Teachable Machine (tmVersion 2.4.7) exports an image model: its three files, member for member.

model.json has two keys alone: a Sequential of a Sequential (a MobileNetV2 cut after its last activation, as a functional
`Model`, and global pooling) and a Sequential of two dense layers, the second without a bias; then one group of weights,
trainable ones of all layers first, moving means and variances after the head. Only the sizes are ours: SMALL by default,
REAL as in the wild (width 0.35, pictures of 224). Weights are drawn at random.
"""

from __future__ import annotations

import io
import json
import math
import random
import zipfile
from array import array
from dataclasses import dataclass, field
from typing import Any

LABELS = ["day", "night"]
Json = dict[str, Any]


@dataclass(frozen=True)
class Sizes:
    """Of the pictures, of the net's first and last convolution, of the head; `blocks`: channels and stride of each."""

    side: int
    first: int
    blocks: tuple[tuple[int, int], ...]
    last: int
    units: int


SMALL = Sizes(side=16, first=4, blocks=((4, 1), (6, 2), (6, 1)), last=8, units=6)
REAL = Sizes(
    side=224, first=16, last=1280, units=100,
    blocks=((8, 1), (8, 2), (8, 1), (16, 2), (16, 1), (16, 1), (24, 2), (24, 1), (24, 1), (24, 1),
            (32, 1), (32, 1), (32, 1), (56, 2), (56, 1), (56, 1), (112, 1)),
)  # fmt: skip
SIDE, FEATURES = SMALL.side, SMALL.last


@dataclass
class Net:
    """The functional part while it is written: its layers in order, and the weights that they own."""

    layers: list[Json] = field(default_factory=list)
    trained: dict[str, tuple[int, ...]] = field(default_factory=dict)
    moving: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def add(self, kind: str, name: str, *inputs: str, **config: Any) -> str:
        """One more layer; gives its name, so that the next can name it as its input."""
        inbound = [[[one, 0, 0, {}] for one in inputs]] if inputs else []
        whole = (
            {**config, "name": name} if kind == "InputLayer" else {**config, "name": name, "trainable": True}
        )
        self.layers.append({"name": name, "class_name": kind, "config": whole, "inbound_nodes": inbound})
        return name

    def pad(self, name: str, before: str) -> str:
        """A row and a column of zeros at the end."""
        return self.add("ZeroPadding2D", name, before, padding=[[0, 1], [0, 1]], data_format="channels_last")

    def conv(self, name: str, before: str, kernel: int, channels: tuple[int, int], **config: Any) -> str:
        """A convolution without a bias."""
        self.trained[f"{name}/kernel"] = (kernel, kernel, *channels)
        return self.add(
            "Conv2D", name, before, filters=channels[1], kernel_size=[kernel, kernel], **_spatial(config)
        )

    def normed(self, name: str, before: str, channels: int, relu: str = "") -> str:
        """Batch normalization, and a ReLU up to 6 where it is named."""
        for part in ("gamma", "beta"):
            self.trained[f"{name}/{part}"] = (channels,)
        for part in ("moving_mean", "moving_variance"):
            self.moving[f"{name}/{part}"] = (channels,)
        done = self.add(
            "BatchNormalization",
            name,
            before,
            axis=-1,
            momentum=0.999,
            epsilon=0.001,
            center=True,
            scale=True,
        )
        return self.add("ReLU", relu, done, max_value=6) if relu else done


def _spatial(config: Json) -> Json:
    rest = {
        "data_format": "channels_last",
        "dilation_rate": [1, 1],
        "activation": "linear",
        "use_bias": False,
    }
    return {"strides": [1, 1], "padding": "same", **rest, **config}


def _block(net: Net, before: str, number: int, channels: tuple[int, int], stride: int) -> str:
    """An inverted residual block (Sandler et al. 2018, MobileNetV2, fig. 4); the first one does not widen."""
    stem, (narrow, wide) = (
        f"block_{number}" if number else "expanded_conv",
        (channels[0], channels[0] * (6 if number else 1)),
    )
    now = before
    if number:
        now = net.normed(
            f"{stem}_expand_BN",
            net.conv(f"{stem}_expand", now, 1, (narrow, wide)),
            wide,
            f"{stem}_expand_relu",
        )
    if stride == 2:
        now = net.pad(f"{stem}_pad", now)
    net.trained[f"{stem}_depthwise/depthwise_kernel"] = (3, 3, wide, 1)
    how = {"strides": [stride, stride], "padding": "valid" if stride == 2 else "same"}
    now = net.add(
        "DepthwiseConv2D", f"{stem}_depthwise", now, kernel_size=[3, 3], depth_multiplier=1, **_spatial(how)
    )
    now = net.normed(f"{stem}_depthwise_BN", now, wide, f"{stem}_depthwise_relu")
    now = net.normed(
        f"{stem}_project_BN", net.conv(f"{stem}_project", now, 1, (wide, channels[1])), channels[1]
    )
    return (
        net.add("Add", f"{stem}_add", before, now)
        if number and stride == 1 and narrow == channels[1]
        else now
    )


def _features(net: Net, sizes: Sizes) -> Json:
    now = net.add(
        "InputLayer",
        "input_1",
        batch_input_shape=[None, sizes.side, sizes.side, 3],
        dtype="float32",
        sparse=False,
    )
    first = net.conv("Conv1", net.pad("Conv1_pad", now), 3, (3, sizes.first), strides=[2, 2], padding="valid")
    now, have = net.normed("bn_Conv1", first, sizes.first, "Conv1_relu"), sizes.first
    for number, (channels, stride) in enumerate(sizes.blocks):
        now, have = _block(net, now, number, (have, channels), stride), channels
    last = net.conv("Conv_1", now, 1, (have, sizes.last), padding="valid")
    net.normed("Conv_1_bn", last, sizes.last, "out_relu")
    ends = {"input_layers": [["input_1", 0, 0]], "output_layers": [["out_relu", 0, 0]]}
    cut = {"class_name": "Model", "config": {"name": "model1", "layers": net.layers, **ends}}
    pool = {
        "data_format": "channels_last",
        "name": "global_average_pooling2d_GlobalAveragePooling2D1",
        "trainable": True,
    }
    return _sequential("sequential_1", cut, {"class_name": "GlobalAveragePooling2D", "config": pool})


def _head(sizes: Sizes) -> tuple[Json, dict[str, tuple[int, ...]]]:
    shared = {"kernel_regularizer": None, "bias_constraint": None, "trainable": True}
    first = {"units": sizes.units, "activation": "relu", "use_bias": True, "name": "dense_Dense1", **shared,
             "batch_input_shape": [None, sizes.last], "dtype": "float32"}  # fmt: skip
    second = {
        "units": len(LABELS),
        "activation": "softmax",
        "use_bias": False,
        "name": "dense_Dense2",
        **shared,
    }
    layers = [{"class_name": "Dense", "config": config} for config in (first, second)]
    weights = {
        "dense_Dense1/kernel": (sizes.last, sizes.units), "dense_Dense1/bias": (sizes.units,), "dense_Dense2/kernel": (sizes.units, len(LABELS)),
    }  # fmt: skip
    return _sequential("sequential_3", *layers), weights


def _sequential(name: str, *layers: Json) -> Json:
    return {"class_name": "Sequential", "config": {"name": name, "layers": list(layers)}}


def teachable_files(seed: int = 0, sizes: Sizes = SMALL) -> dict[str, bytes]:
    """The three files of an export."""
    net = Net()
    features = _features(net, sizes)
    head, dense = _head(sizes)
    shapes = {**net.trained, **dense, **net.moving}
    rng, data = random.Random(seed), array("f")
    for name, shape in shapes.items():
        data.extend(_drawn(rng, name.rpartition("/")[2], shape))
    topology = {
        **_sequential("sequential_4", features, head),
        "keras_version": "tfjs-layers 1.3.1",
        "backend": "tensor_flow.js",
    }
    weights = [{"name": name, "shape": list(shape), "dtype": "float32"} for name, shape in shapes.items()]
    document = {
        "modelTopology": topology,
        "weightsManifest": [{"paths": ["weights.bin"], "weights": weights}],
    }
    metadata = {
        "tfjsVersion": "1.3.1", "tmVersion": "2.4.7", "packageVersion": "0.8.4-alpha2", "packageName": "@teachablemachine/image",
        "timeStamp": "2024-01-01T00:00:00.000Z", "userMetadata": {}, "modelName": "tm-my-image-model", "labels": LABELS,
        "imageSize": sizes.side,
    }  # fmt: skip
    return {
        "model.json": json.dumps(document, separators=(",", ":")).encode(),
        "weights.bin": data.tobytes(),
        "metadata.json": json.dumps(metadata, separators=(",", ":")).encode(),
    }


def _drawn(rng: random.Random, part: str, shape: tuple[int, ...]) -> list[float]:
    """Scales and variances near 1, so that a deep net neither dies nor blows up."""
    count = math.prod(shape)
    if part in ("gamma", "moving_variance"):
        return [rng.uniform(0.8, 1.2) for _ in range(count)]
    seen = (
        9 if part == "depthwise_kernel" else math.prod(shape[:-1])
    )  # He et al. 2015, by what one output sees
    spread = math.sqrt(2 / seen) if "kernel" in part else 0.1
    return [rng.gauss(0, spread) for _ in range(count)]


def zipped(files: dict[str, bytes]) -> bytes:
    """The files as one deflated zip."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()
