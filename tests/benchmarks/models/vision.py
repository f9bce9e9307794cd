"""B1 to B7: image models, as keras.applications has them, and two that it has not."""

from __future__ import annotations

from typing import Any

from tf_keras import Model, applications, layers  # type: ignore[import-not-found]

_LITE0 = (
    (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)  # fmt: skip
"""EfficientNet-Lite0: repeats, kernel, stride, expansion, channels."""

_SKIPS = ("block_2_add", "block_5_add", "block_12_add", "out_relu")
_HEADS = {"center": 1, "regression": 34, "heatmap": 17, "offset": 34}


def mobilenet_v1_small() -> Any:
    return applications.MobileNet((128, 128, 3), alpha=0.25, weights=None)


def mobilenet_v1() -> Any:
    return applications.MobileNet((224, 224, 3), weights=None)


def mobilenet_v2() -> Any:
    return applications.MobileNetV2((224, 224, 3), weights=None)


def mobilenet_v3_small() -> Any:
    return applications.MobileNetV3Small((224, 224, 3), weights=None, include_preprocessing=False)


def resnet50() -> Any:
    return applications.ResNet50(weights=None)


def efficientnet_lite0() -> Any:
    """Source: the EfficientNet-Lite release (relu6, no squeeze and excite, stem and head not scaled)."""
    x = image = layers.Input((224, 224, 3))
    x = _conv(x, 32, 3, 2)
    for repeats, kernel, stride, expansion, channels in _LITE0:
        for index in range(repeats):
            x = _inverted(x, kernel, stride if index == 0 else 1, expansion, channels)
    x = layers.GlobalAveragePooling2D()(_conv(x, 1280, 1, 1))
    return Model(image, layers.Dense(1000, activation="softmax")(x))


def _conv(x: Any, channels: int, kernel: int, stride: int) -> Any:
    x = layers.Conv2D(channels, kernel, strides=stride, padding="same", use_bias=False)(x)
    return layers.ReLU(6.0)(layers.BatchNormalization()(x))


def _inverted(x: Any, kernel: int, stride: int, expansion: int, channels: int) -> Any:
    start = x
    if expansion > 1:
        x = _conv(x, x.shape[-1] * expansion, 1, 1)
    x = layers.DepthwiseConv2D(kernel, strides=stride, padding="same", use_bias=False)(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    x = layers.Conv2D(channels, 1, use_bias=False)(x)
    x = layers.BatchNormalization(name=f"{x.name.split('/')[0]}_project_BN")(x)
    return layers.Add()([start, x]) if stride == 1 and start.shape[-1] == channels else x


def pose() -> Any:
    """A model of MoveNet's kind: MobileNetV2 at 192, three upsampling steps with lateral 1 x 1, four heads at stride 4."""
    body = applications.MobileNetV2((192, 192, 3), include_top=False, weights=None)
    *skips, x = (body.get_layer(name).output for name in _SKIPS)
    x = layers.Conv2D(64, 1)(x)
    for skip, channels in zip(reversed(skips), (64, 32, 24), strict=True):
        x = layers.UpSampling2D(interpolation="bilinear")(x)
        x = layers.Add()([x, layers.Conv2D(x.shape[-1], 1)(skip)])
        x = layers.SeparableConv2D(channels, 3, padding="same", activation="relu")(x)
    heads = [_head(x, channels, name) for name, channels in _HEADS.items()]
    return Model(body.input, heads)


def _head(x: Any, channels: int, name: str) -> Any:
    x = layers.SeparableConv2D(96, 3, padding="same", activation="relu")(x)
    return layers.Conv2D(channels, 1, activation="sigmoid" if name == "heatmap" else None, name=name)(x)
