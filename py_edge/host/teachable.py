"""A zip as Teachable Machine exports it, taken up where it stands: its features stay, its dense head learns on.

F: values that the features give for one picture, C: classes, n: pictures. Pictures are flat float32 rows, channels last,
-1..1, as Teachable Machine feeds them. Source: @teachablemachine/image, whose models are a cut MobileNet and two dense layers.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping
from itertools import takewhile
from typing import Any

from py_edge.errors import (
    IntegrityError,
    LimitError,
    ModelFormatError,
    NotFoundError,
    ShapeError,
    UnsupportedError,
)
from py_edge.graph import Graph
from py_edge.host.classroom import MOST_CLASSES, Classroom
from py_edge.model import Model, load_model
from py_edge.tensor import Tensor, count
from py_edge.tfjs.strict_json import parse_json
from py_edge.train.data import Rows
from py_edge.train.features import split_at_trained
from py_edge.train.prepare import computed
from py_edge.train.start import start

MOST_BYTES = {"model.json": 4 << 20, "weights.bin": 64 << 20, "metadata.json": 1 << 20}
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)


class Imported(Classroom):
    """archive: the zip's bytes. picture: height, width and channels; inputs: F, for it is taught features.

    Raises ModelFormatError and its kin, with the file in the zip, for what is no such zip.
    """

    def __init__(self, archive: bytes, learning_rate: float = 0.001, seed: int = 0) -> None:
        files = unzipped(archive)
        self.model = load_model({name: files[name] for name in ("model.json", "weights.bin")})
        labels = _labels(files["metadata.json"], self.model)
        self.picture = _picture(self.model)
        head = list(takewhile(lambda part: part.kind in ("Dense", "Dropout"), reversed(self.model.layers)))
        self._head = [name for part in head for name in part.weights]
        halves = split_at_trained(self.model.forward(1), self._head) if self._head else None
        if halves is None or len(halves[0].outputs) != 1:
            raise UnsupportedError("features and then a dense head", where="model.json")
        [value] = halves[0].outputs.values()
        self._start(count(halves[0].specs[value].shape[1:]), labels, self._head, learning_rate, seed)

    def forward(self, rows: int) -> Graph:
        """The head alone, from features."""
        return self._half(rows, 1)

    def features(self, pictures: Any, n: int) -> bytes:
        """What the features say of n pictures: (n, F) float32."""
        data, row = memoryview(bytes(pictures)), count(self.picture) * 4
        if n < 1 or data.nbytes != n * row:
            raise ShapeError("pictures do not fit their number", got=data.nbytes, want=n * row)
        inputs = {self.model.inputs[0].name: Rows(Tensor(data, (n, *self.picture), "float32"))}
        [found] = computed(lambda rows: self._half(rows, 0), inputs, start).values()
        return bytes(found.data.cast("B"))

    def _half(self, rows: int, which: int) -> Graph:
        halves = split_at_trained(self.model.forward(rows), self._head)
        assert halves is not None
        return halves[which]


def unzipped(archive: bytes) -> dict[str, bytes]:
    """The three files, each within MOST_BYTES. Raises IntegrityError, LimitError, NotFoundError."""
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            return {name: _member(opened, name, limit) for name, limit in MOST_BYTES.items()}
    except BROKEN as error:
        raise IntegrityError("not a zip that can be read", where="zip", got=str(error)) from error


def _member(opened: zipfile.ZipFile, name: str, limit: int) -> bytes:
    if name not in opened.namelist():
        wanted = "a Teachable Machine image model, exported for TensorFlow.js"
        raise NotFoundError("the zip lacks a file", where=name, got=opened.namelist()[:10], want=wanted)
    with opened.open(name) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise LimitError("the file is too large", where=name, want=f"<= {limit} bytes")
    return data


def _labels(raw: bytes, model: Model) -> list[str]:
    """The class names in the order of the model's outputs."""
    metadata = parse_json(raw, "metadata.json")
    labels = metadata.get("labels") if isinstance(metadata, Mapping) else None
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise ModelFormatError("a list of names", where="metadata.json /labels", got=labels)
    if not 2 <= len(labels) <= MOST_CLASSES:
        raise LimitError(f"two to {MOST_CLASSES} classes", where="metadata.json /labels", got=len(labels))
    shapes = [port.shape for port in model.outputs]
    if shapes != [(None, len(labels))]:
        raise ShapeError(
            "one name for each output", where="metadata.json /labels", got=len(labels), want=shapes
        )
    return labels


def _picture(model: Model) -> tuple[int, ...]:
    shape = model.inputs[0].shape[1:] if len(model.inputs) == 1 else ()
    sizes = tuple(size for size in shape if size)
    if len(sizes) != 3 or sizes[0] != sizes[1] or sizes[0] > 512 or sizes[2] not in (1, 3):
        raise UnsupportedError("square pictures, grey or of three colours", where="model.json", got=shape)
    return sizes
