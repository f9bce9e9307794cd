"""All graph ops by name. To add one: a function in a family file, its name in that file's ROWS."""

from __future__ import annotations

from py_edge.tfjs.call import Lower
from py_edge.tfjs.tf_ops import (
    control,
    convolution,
    creation,
    elementwise,
    host,
    image,
    indexing,
    movement,
    reduction,
    spectral,
    structure,
)

OPS: dict[str, Lower] = {
    **elementwise.ROWS, **structure.ROWS, **movement.ROWS, **indexing.ROWS, **reduction.ROWS, **convolution.ROWS, **image.ROWS,
    **creation.ROWS, **spectral.ROWS, **control.ROWS, **host.ROWS,
}  # fmt: skip
PLACEHOLDERS = frozenset({"Placeholder", "PlaceholderV2"})
REFUSED = {
    "ReadFile": "it reads files", "WriteFile": "it writes files", "PyFunc": "it runs Python code",
    "PyFuncStateless": "it runs Python code", "EagerPyFunc": "it runs Python code", "RestoreV2": "it reads files",
    "SaveV2": "it writes files", "ReaderReadV2": "it reads files", "WholeFileReaderV2": "it reads files",
    "MatchingFiles": "it reads directories", "RemoteCall": "it calls another machine", "Save": "it writes files",
}  # fmt: skip
