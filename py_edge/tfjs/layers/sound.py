"""Keras 3's spectrograms: frames of a signal times waves, as one convolution each for the real and the imaginary part."""

from __future__ import annotations

import math

from py_edge.errors import LimitError, ShapeError, ValueRangeError
from py_edge.graph import Builder
from py_edge.tensor import Tensor, count
from py_edge.tfjs.idioms import axes, windows
from py_edge.tfjs.layers.call import Call, Lower

_MODES = ("log", "magnitude", "psd", "real", "imag", "angle", "stft")
_EPSILON = 1e-7
_LONGEST = 2048
"""Of a frame, and of bands: waves are made in Python when the model is lowered."""
_MOST = 1 << 24
"""Numbers in the waves of all layers of a model together, 64 MB."""


def stft_spectrogram(c: Call) -> int:
    """Each channel's frames times stored waves, real_kernel and imag_kernel (frame_length, 1, bins)."""
    b, x = c.b, axes.channels_last(c.b, c.x) if c.first else c.x
    if c.rank != 3:
        raise ShapeError("a signal is (batch, time, channels)", where=c.where, got=c.shape)
    n, time, channels = b.shape(x)
    length, mode = c.whole("frame_length", 256), c.word("mode", "log", _MODES)
    step = c.whole("frame_step", length // 2)
    bins = c.whole("fft_length", 1 << (length - 1).bit_length()) // 2 + 1
    pads = windows.paddings(c.word("padding", "valid", ("valid", "same")), (time,), (length,), (step,), (1,))
    signal = axes.reshape(b, axes.transpose(b, x, [0, 2, 1]), [n * channels, time, 1])

    def part(side: str) -> int:
        kernel = c.weight(f"{side}_kernel", (length, 1, bins), default="zeros")
        return windows.conv(b, signal, kernel, (step,), (1,), pads)

    if mode in ("real", "imag"):
        y = part(mode)
    else:
        y = _joined(b, mode, part("real"), part("imag"))
    y = axes.reshape(b, y, [n, channels, *b.shape(y)[1:]])
    return _arranged(c, y)


def _joined(b: Builder, mode: str, real: int, imag: int) -> int:
    """One value of both parts, (N, frames, bins); stft: one after the other."""
    if mode == "stft":
        return axes.concat(b, [real, imag], -1)
    if mode == "angle":
        return b.op("atan2", imag, real)
    power = b.op("add", b.op("square", real), b.op("square", imag))
    if mode == "psd":
        inner = axes.cut(b, power, -1, 1, b.shape(power)[-1] - 2)
        return b.op("add", power, axes.pad_axis(b, inner, -1, 1, 1))
    magnitude = b.op("sqrt", b.op("maximum", power, _EPSILON))
    return magnitude if mode == "magnitude" else b.op("log", b.op("maximum", magnitude, _EPSILON))


def _arranged(c: Call, y: int) -> int:
    """(N, channels, frames, bins) as the config wants it."""
    b = c.b
    n, channels, frames, bins = b.shape(y)
    if c.flag("expand_dims"):
        return y if c.first else axes.transpose(b, y, [0, 2, 3, 1])
    if c.first:
        return axes.reshape(b, axes.transpose(b, y, [0, 1, 3, 2]), [n, channels * bins, frames])
    return axes.reshape(b, axes.transpose(b, y, [0, 2, 1, 3]), [n, frames, channels * bins])


def mel_spectrogram(c: Call) -> int:
    """Magnitudes of the centred frames to the power mag_exp, gathered in bands of the mel scale, in decibels."""
    b, n = c.b, c.whole("fft_length", 2048, high=_LONGEST)
    *lead, time = c.shape
    signal = axes.mirror_pad(b, axes.reshape(b, c.x, [count(lead), time]), [(0, 0), (n // 2, n // 2)], False)
    step = (c.whole("sequence_stride", 512),)
    signal = axes.expand(b, signal, -1)
    real, imag = (windows.conv(b, signal, k, step, (1,), ((0, 0),)) for k in _waves(b, n, _window(c, n)))
    y = b.op("sqrt", b.op("add", b.op("square", real), b.op("square", imag)))
    y = b.op("matmul", b.op("pow", y, c.number("mag_exp", default=2.0)), _mel_bands(c, n // 2 + 1))
    y = _decibels(c, y) if c.flag("power_to_db", True) else y
    y = axes.transpose(b, y, [0, 2, 1])
    return axes.reshape(b, y, [*lead, *b.shape(y)[1:]])


def _window(c: Call, n: int) -> list[float]:
    """sequence_length values in the middle of n."""
    length, told = c.whole("sequence_length", n, high=n), c.get("window", default=None)
    if isinstance(told, list):
        values = [float(v) for v in told]
    else:
        raised = {"hann": 0.5, "hamming": 0.54, "none": 1.0}
        a = raised[c.word("window", "none", tuple(raised))]
        values = [a - (1 - a) * math.cos(2 * math.pi * i / length) for i in range(length)]
    if len(values) != length:
        raise ValueRangeError("config `window`", where=c.where, got=len(values), want=length)
    before = (n - length) // 2
    return [0.0] * before + values + [0.0] * (n - length - before)


def _waves(b: Builder, n: int, window: list[float]) -> tuple[int, int]:
    """window[j] times cosine and minus sine of 2 pi j k / n, (n, 1, n / 2 + 1)."""
    bins = n // 2 + 1
    constants = b.graph.constants.values()
    held = sum(t.size for t in constants if len(t.shape) == 3 and t.shape[2] == t.shape[0] // 2 + 1)
    if held + 2 * n * bins > _MOST:
        raise LimitError("too many spectrograms of this length", got=held + 2 * n * bins, want=f"<= {_MOST}")
    made = []
    for wave in (math.cos, lambda angle: -math.sin(angle)):
        around = [wave(2 * math.pi * i / n) for i in range(n)]
        flat = [w * around[j * k % n] for j, w in enumerate(window) for k in range(bins)]
        made.append(b.constant(Tensor.from_flat(flat, (n, 1, bins))))
    return made[0], made[1]


def _mel_bands(c: Call, bins: int) -> int:
    """Triangles on the mel scale of HTK, (bins, num_mel_bins); the first bin counts nowhere."""
    bands, rate = c.whole("num_mel_bins", 128, high=_LONGEST), c.number("sampling_rate", default=16000, low=1)

    def mel(hertz: float) -> float:
        return 1127.0 * math.log(1.0 + hertz / 700.0)

    low, high = mel(c.number("min_freq", default=20.0)), mel(c.number("max_freq", default=rate // 2))
    edges = [low + (high - low) * i / (bands + 1) for i in range(bands + 2)]
    at = [mel(rate / 2 * i / (bins - 1)) for i in range(bins)]
    flat = [
        max(0.0, min((m - a) / (z - a), (e - m) / (e - z))) if place else 0.0
        for place, m in enumerate(at)
        for a, z, e in zip(edges, edges[1:], edges[2:], strict=False)
    ]
    return c.b.constant(Tensor.from_flat(flat, (bins, bands)))


def _decibels(c: Call, power: int) -> int:
    """10 log10 against ref_power, nothing more than top_db under the loudest of the whole batch."""
    b, least = c.b, c.number("min_power", default=1e-10, low=0)
    reference = 10 * math.log10(max(abs(c.number("ref_power", default=1.0)), least))
    y = b.op("mul", b.op("log", b.op("maximum", power, least)), 10 / math.log(10))
    y = b.op("sub", y, reference)
    floor = b.op("sub", axes.reduce(b, "max", y), c.number("top_db", default=80.0))
    return b.op("maximum", y, floor)


ROWS: dict[str, Lower] = {"STFTSpectrogram": stft_spectrogram, "MelSpectrogram": mel_spectrogram}
