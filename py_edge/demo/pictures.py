"""Pictures on the wire and back: `{shape, dtype, data}` with base64 of little-endian float32."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from py_edge.demo.digits import SHAPE, Images, Labels, Part
from py_edge.errors import ShapeError
from py_edge.records import Example


def to_wire(images: Images) -> dict[str, Any]:
    """Any float32 array as a wire tensor."""
    plain = np.ascontiguousarray(images, "<f4")
    return {"shape": list(plain.shape), "dtype": "float32", "data": b64encode(plain.tobytes()).decode()}


def from_wire(value: Mapping[str, Any]) -> Images:
    """One picture (8, 8, 1). Raises ShapeError for any other tensor."""
    data = b64decode(value["data"])
    wanted = int(np.prod(SHAPE))
    if value["dtype"] != "float32" or len(data) != 4 * wanted:
        got = (value["dtype"], tuple(value["shape"]))
        raise ShapeError("not a picture of this model", where="/input", got=got, want=("float32", SHAPE))
    return np.frombuffer(data, "<f4").reshape(SHAPE)


def from_examples(examples: Sequence[Example]) -> Part:
    """Pictures and labels of examples, in their order."""
    images = [from_wire(example.input) for example in examples]
    labels = [example.label_index for example in examples]
    return Part(np.array(images, np.float32).reshape(-1, *SHAPE), np.array(labels, np.int64))


def to_examples(part: Part, model: str) -> list[Example]:
    """A part as gold examples of a device that nobody is."""
    return [
        Example("0" * 16, number, model, to_wire(image), int(label))
        for number, (image, label) in enumerate(zip(part.images, part.labels, strict=True), 1)
    ]


def memory_file(lessons: Part, calibration: Part) -> dict[str, Any]:
    """What a page needs so as not to forget: what the model was taught, and what to calibrate with."""
    return {**_part(lessons), "calibration": _part(calibration)}


def _part(part: Part) -> dict[str, Any]:
    return {"inputs": to_wire(part.images), "labels": _plain(part.labels)}


def _plain(labels: Labels) -> list[int]:
    numbers: list[int] = labels.tolist()
    return numbers
