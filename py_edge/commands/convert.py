"""`py-edge convert`: an .h5, a .keras or a SavedModel becomes a TF.js folder, by the Python converter."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

EXAMPLE = "py-edge convert digits.keras models/digits --install"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source", type=Path, metavar="SOURCE", help=".h5, .keras, or the folder of a SavedModel"
    )
    parser.add_argument(
        "target", type=Path, metavar="TARGET", help="folder to write model.json and shards to"
    )
    parser.add_argument(
        "--environment", type=Path, default=Path.home() / ".cache" / "py_edge" / "tensorflow",
        metavar="DIR", help="virtual environment with TensorFlow and tensorflowjs",
    )  # fmt: skip
    parser.add_argument("--install", action="store_true", help="make that environment first (about 1.5 GB)")
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="FLAG",
        help="a further flag of tensorflowjs_converter",
    )


def run(arguments: argparse.Namespace) -> int:
    """Convert and print where the model is."""
    from py_edge.tfjs.convert import convert

    def say(line: str) -> None:
        print(line, file=sys.stderr)

    path = convert(
        arguments.source, arguments.target, arguments.environment, arguments.option, arguments.install, say
    )
    print(path)
    return 0
