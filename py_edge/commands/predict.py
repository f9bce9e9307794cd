"""`py-edge predict MODEL --input FILE --output FILE`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from py_edge.commands.arrays import read_arrays, write_arrays

EXAMPLE = "py-edge predict models/digits --input images.npy --output probabilities.npy"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL", help="folder of a model, or its model.json")
    parser.add_argument(
        "--input",
        type=Path,
        metavar="FILE",
        required=True,
        help=".npy for one tensor, .npz keyed by name otherwise",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        required=True,
        help=".npy for one tensor, .npz keyed by name otherwise",
    )


def run(arguments: argparse.Namespace) -> int:
    """Load, run, write. Every error says where and what to do."""
    from py_edge import load_model

    model = load_model(arguments.model)
    found = model.predict(read_arrays(arguments.input))
    outputs = found if isinstance(found, dict) else {"output": found}
    write_arrays(arguments.output, outputs)
    for name, tensor in outputs.items():
        print(f"{name} {tensor.dtype} {tensor.shape} -> {arguments.output}", file=sys.stderr)
    return 0
