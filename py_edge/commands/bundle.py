"""`py-edge bundle -o DIR`: the static site, every third-party byte by its hash."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="empty or new folder, or an older bundle"
    )
    parser.add_argument(
        "--model", type=Path, action="append", default=[], metavar="PATH", help="model folder to ship"
    )
    parser.add_argument("--tier", action="append", default=[], help="packages to ship beside the runtime")
    parser.add_argument(
        "--offline", action="store_true", help="take third-party bytes from the local cache only"
    )
    parser.add_argument(
        "--prepare", action="store_true", help="in a checkout: build pages and wheel, fetch the runtime"
    )


def run(arguments: argparse.Namespace) -> int:
    """Prepare in a checkout, then write the folder if one is named."""
    from py_edge.bundle.collect import collect
    from py_edge.bundle.lock import read_lock
    from py_edge.bundle.parts import in_checkout, prepare
    from py_edge.bundle.progress import Bar
    from py_edge.bundle.sources import Fetcher
    from py_edge.errors import EnvironmentProblem

    if not arguments.output and not arguments.prepare:
        raise EnvironmentProblem("no folder is named", where="bundle", remedy="add -o DIR")
    bar = Bar("runtime")
    if in_checkout():
        prepare(offline=arguments.offline, report=bar)
    if arguments.prepare:
        lock = read_lock()
        Fetcher(lock, offline=arguments.offline).fetch(lock.select(arguments.tier or ("runtime",)))
    if arguments.output:
        made = collect(
            arguments.output,
            models=arguments.model,
            tiers=arguments.tier or ("runtime",),
            offline=arguments.offline,
            report=bar,
        )
        size = sum(size for size, _ in made.files.values())
        print(f"{len(made.files)} files, {size / 1e6:.1f} MB in {made.folder}", file=sys.stderr)
    return 0
