"""TF.js's kernels of images: resizing forward and back, crops, transforms, non-max suppression."""

from __future__ import annotations

from typing import Any

from py_edge.tfjs.idioms import axes
from py_edge.tfjs.kernel_call import Kernel, Result, Row


def _resize(k: Kernel) -> dict[str, Any]:
    return {
        "align_corners": k.attrs["alignCorners"],
        "half_pixel_centers": k.attrs.get("halfPixelCenters", False),
    }


def _resize_back(op: str) -> Row:
    def row(k: Kernel) -> Result:
        x, dy = k.inputs["images"], k.inputs["dy"]
        return k.back(k.one(op, x, k.whole(list(k.b.shape(dy)[1:3])), **_resize(k)), x, dy)

    return row


def _transform(k: Kernel) -> Result:
    size = k.attrs.get("outputShape") or list(k.b.shape(k.x)[1:3])
    modes = {"interpolation": k.attrs["interpolation"].upper(), "fill_mode": k.attrs["fillMode"].upper()}
    return k.op(
        "ImageProjectiveTransformV3", *k.all[:2], k.whole(size), k.number(k.attrs["fillValue"]), **modes
    )


def _suppress(version: int) -> Row:
    def row(k: Kernel) -> Result:
        a = k.attrs
        rest = [k.number(a[n]) for n in ("iouThreshold", "scoreThreshold")]
        rest += [k.number(a["softNmsSigma"])] if version == 5 else []
        flag = a.get("padToMaxOutputSize")
        y = k.op(f"NonMaxSuppressionV{version}", *k.all[:2], k.whole(a["maxOutputSize"]), *rest,
                 pad_to_max_output_size=flag)  # fmt: skip
        return y[:2] if isinstance(y, list) and version == 5 else y

    return row


IMAGES: dict[str, Row] = {
    "ResizeBilinear": lambda k: k.op("ResizeBilinear", k.x, k.whole(k.attrs["size"]), **_resize(k)),
    "ResizeNearestNeighbor": lambda k: k.op("ResizeNearestNeighbor", k.x, k.whole(k.attrs["size"]), **_resize(k)),
    "ResizeBilinearGrad": _resize_back("ResizeBilinear"),
    "ResizeNearestNeighborGrad": _resize_back("ResizeNearestNeighbor"),
    "CropAndResize": lambda k: k.op("CropAndResize", *k.all, k.whole(k.attrs["cropSize"]), method=k.attrs["method"],
                                    extrapolation_value=k.attrs["extrapolationValue"]),
    "FlipLeftRight": lambda k: axes.flip(k.b, k.x, [2]), "Transform": _transform,
    "NonMaxSuppressionV3": _suppress(3), "NonMaxSuppressionV4": _suppress(4), "NonMaxSuppressionV5": _suppress(5),
}  # fmt: skip
