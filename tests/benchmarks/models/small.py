"""A1 to A3: models so small that what a call costs weighs as much as the arithmetic."""

from __future__ import annotations

from typing import Any

from tf_keras import Sequential, layers  # type: ignore[import-not-found]


def mlp() -> Any:
    """784 - 128 relu - 10 softmax."""
    return Sequential(
        [layers.Input((784,)), layers.Dense(128, activation="relu"), layers.Dense(10, activation="softmax")]
    )


def keyword_spotting() -> Any:
    """DS-CNN on 49 x 10 spectra. Source: Zhang et al. 2017, Hello Edge, the small model's shape."""
    stack: list[Any] = [layers.Input((49, 10, 1))]
    stack += _normal_relu(layers.Conv2D(64, (10, 4), strides=2, padding="same", use_bias=False))
    for _ in range(4):
        stack += _normal_relu(layers.DepthwiseConv2D(3, padding="same", use_bias=False))
        stack += _normal_relu(layers.Conv2D(64, 1, use_bias=False))
    return Sequential([*stack, layers.GlobalAveragePooling2D(), layers.Dense(12, activation="softmax")])


def _normal_relu(layer: Any) -> list[Any]:
    return [layer, layers.BatchNormalization(), layers.ReLU()]


def gru() -> Any:
    """64 steps of 40 numbers - GRU 64, Keras's default form (reset after) - 12 softmax."""
    return Sequential([layers.Input((64, 40)), layers.GRU(64), layers.Dense(12, activation="softmax")])


def digits() -> Any:
    """T2: the convolutional network of the MNIST tutorials."""
    stack: list[Any] = [layers.Input((28, 28, 1))]
    for filters in (8, 16):
        stack += [layers.Conv2D(filters, 5, activation="relu"), layers.MaxPooling2D()]
    return Sequential([*stack, layers.Flatten(), layers.Dense(10, activation="softmax")])


def head() -> Any:
    """T3: what is trained on cached features of MobileNetV2 to teach it five things."""
    return Sequential(
        [layers.Input((1280,)), layers.Dense(100, activation="relu"), layers.Dense(5, activation="softmax")]
    )
