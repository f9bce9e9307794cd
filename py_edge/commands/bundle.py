"""`py-edge bundle -o DIR`: the static site; `--prepare` only makes everything ready for it."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from py_edge.bundle.collect import collect
from py_edge.bundle.lock import read_lock
from py_edge.bundle.parts import find_parts, in_checkout, prepare
from py_edge.bundle.progress import Bar
from py_edge.bundle.sources import Fetcher

TIERS = ("numpy", "sklearn")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this verb."""
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="folder to write, new or a bundle before"
    )
    parser.add_argument(
        "--model", type=Path, nargs="+", default=[], metavar="PATH", help="folders with release.json"
    )
    parser.add_argument(
        "--tier", action="append", choices=TIERS, default=[], help="further packages for Python"
    )
    parser.add_argument("--offline", action="store_true", help="use only what was fetched before")
    parser.add_argument(
        "--prepare", action="store_true", help="build the parts and fetch the runtime, write nothing"
    )
    parser.add_argument("--json", action="store_true", help="tell what was written as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Build what is missing, then write the folder. Errors are PyEdgeError."""
    if in_checkout():
        prepare()
    if arguments.prepare:
        find_parts()
        lock = read_lock()
        Fetcher(lock, offline=arguments.offline).fetch(lock.select(["runtime"]), Bar("browser runtime"))
        return 0
    if arguments.output is None:
        print("py-edge bundle: -o DIR is missing", file=sys.stderr)
        return 2
    tiers = ("runtime", *arguments.tier)
    bundle = collect(
        arguments.output,
        models=arguments.model,
        tiers=tiers,
        offline=arguments.offline,
        report=Bar("browser runtime"),
    )
    size = sum(size for size, _ in bundle.files.values())
    if arguments.json:
        print(json.dumps({"folder": str(bundle.folder), "tree": bundle.tree_hash, "files": bundle.files}))
    else:
        print(f"{len(bundle.files)} files, {size / 1e6:.1f} MB in {bundle.folder}", file=sys.stderr)
    return 0
