"""What is measured, as tables: models, runtimes, products, and the ratios to reach."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Model:
    """title: for people; geometric: counted in the geometric means of the issue (A1 to C2 without B4 and B7)."""

    title: str
    geometric: bool = True


MODELS = {
    "A1": Model("MLP 784-128-10"),
    "A2": Model("DS-CNN, keywords"),
    "A3": Model("GRU, 64 steps"),
    "B1": Model("MobileNetV1 0.25, 128"),
    "B2": Model("MobileNetV2"),
    "B3": Model("MobileNetV3-Small"),
    "B4": Model("EfficientNet-Lite0", geometric=False),
    "B5": Model("MobileNetV1"),
    "B6": Model("ResNet50"),
    "B7": Model("pose, 4 heads", geometric=False),
    "C1": Model("BERT-tiny, 128 tokens"),
    "C2": Model("MiniLM, 128 tokens"),
}


@dataclass(frozen=True)
class Runtime:
    """script: the file of pages/ that drives it; query: further parameters of its page; package: on npm, None for ours."""

    title: str
    script: str
    query: str = ""
    package: str | None = None


OURS = "py_edge"
RUNTIMES = {
    OURS: Runtime("py_edge", "py_edge"),
    "tfjs": Runtime("TF.js, graph", "tfjs", package="@tensorflow/tfjs-backend-wasm"),
    "onnxruntime": Runtime("onnxruntime-web", "onnxruntime", package="onnxruntime-web"),
    "litert": Runtime("LiteRT.js", "litert", package="@litertjs/core"),
    "layers": Runtime("TF.js, layers", "tfjs", "&format=layers", package="@tensorflow/tfjs-layers"),
}
PEERS = ("tfjs", "onnxruntime", "litert")
STEPS = Runtime("py_edge, step by step", "steps")

TOLERANCE = 1e-4
"""Largest difference to Keras, relative to the largest output, with which a runtime may be timed."""


@dataclass(frozen=True)
class Target:
    """peer's time / ours must reach `must` on these models (their geometric mean), aims at `aim`."""

    peer: str
    models: tuple[str, ...]
    must: float
    aim: float


GEOMETRIC = tuple(name for name, model in MODELS.items() if model.geometric)
TARGETS = (
    Target("tfjs", GEOMETRIC, 2.5, 3.5),
    Target("onnxruntime", GEOMETRIC, 1.8, 2.3),
    Target("litert", GEOMETRIC, 1.25, 1.5),
    *(Target("litert", (name,), 1.0, 1.0) for name in GEOMETRIC if name not in ("B2", "B3", "A2", "B1")),
    Target("litert", ("B2",), 1.25, 1.5),
    Target("litert", ("B3",), 1.4, 1.9),
    Target("onnxruntime", ("A1",), 1.3, 1.7),
    Target("onnxruntime", ("A3",), 1.3, 1.7),
    Target("litert", ("A2",), 1.3, 1.7),
    Target("litert", ("B1",), 1.3, 1.7),
)
NATIVE_TARGET = Target("native", ("B1", "B2", "B3", "B4", "B5", "B6", "C1", "C2"), 0.9, 1.1)
THREADS_TARGET = Target("best", GEOMETRIC, 1.1, 1.3)
TASK_IDS = ("T1", "T2", "T3", "T4", "T5")
TRAINING_TARGETS = (
    *(Target("wasm", (name,), 8.0, 8.0) for name in ("T1 SGD", "T1 Adam", "T3")),
    *(Target("cpu", (name,), 75.0, 120.0) for name in ("T2", "T4")),
    Target("cpu", ("T5",), 20.0, 20.0),
)
TENSORFLOW_TARGET = Target("tensorflow", ("T1 SGD", "T1 Adam", "T2", "T3", "T4", "T5"), 1 / 3, 1.0)
START_TARGET = Target("tfjs", ("B1",), 1.5, 3.0)
PYTHON_TARGET = Target("plain", (), 4.0, 6.0)
"""Python ready, against plain Pyodide with numpy; both START and PYTHON in a fresh profile and on reload."""
WIRE_KB = (150.0, 80.0)
"""Executor and glue, brotli: at most, aim."""
OVERHEAD_US = (5.0, 5.0)
"""JavaScript of a call on the smallest model: at most, aim."""
PRODUCT_SHARE = (0.8, 0.9)
"""Share of the measured ceiling for products with K >= 256: must, aim."""


@dataclass(frozen=True)
class Product:
    """One kernel: a matmul M x K x N, or a convolution H x W x C -> O with a square kernel (O None: depthwise)."""

    kind: str
    sizes: tuple[int, ...]
    kernel: int = 1
    stride: int = 1


PRODUCTS = {
    **{
        f"gemm {M}x{N}x{K}": Product("matmul", (M, N, K))
        for M, N, K in (
            (12544, 32, 27), (3136, 64, 64), (196, 512, 512), (49, 1024, 1024), (49, 512, 2048), (128, 384, 384),
            (128, 384, 1536), (1, 1280, 1000),
        )
    },
    "dw 112x112x32 3x3": Product("depthwise", (112, 112, 32), 3),
    "dw 56x56x144 3x3 s2": Product("depthwise", (56, 56, 144), 3, 2),
    "dw 14x14x576 3x3": Product("depthwise", (14, 14, 576), 3),
    "dw 14x14x512 3x3": Product("depthwise", (14, 14, 512), 3),
    "dw 7x7x960 5x5": Product("depthwise", (7, 7, 960), 5),
    "conv 56x56x64 3x3": Product("conv", (56, 56, 64, 64), 3),
    "conv 14x14x256 3x3": Product("conv", (14, 14, 256, 256), 3),
}  # fmt: skip
