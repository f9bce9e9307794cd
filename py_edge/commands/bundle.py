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
    parser.add_argument(
        "--tier",
        action="append",
        default=[],
        choices=["numpy", "sklearn"],
        help="packages to ship beside the runtime",
    )
    parser.add_argument(
        "--in-page", action="store_true", help='ship a node for the tab too: <py-edge origin="in-page">'
    )
    parser.add_argument("--origin", default="", metavar="URL", help="the node that the front page asks")
    parser.add_argument(
        "--verify", type=Path, metavar="DIR", help="only check a bundle against its bundle.json"
    )
    parser.add_argument(
        "--offline", action="store_true", help="take third-party bytes from the local cache only"
    )
    parser.add_argument(
        "--prepare", action="store_true", help="in a checkout: build pages and wheel, fetch the runtime"
    )


def run(arguments: argparse.Namespace) -> int:
    """Prepare in a checkout, then write the folder if one is named."""
    from py_edge.bundle.collect import collect, verify
    from py_edge.bundle.lock import read_lock
    from py_edge.bundle.parts import in_checkout, prepare
    from py_edge.bundle.progress import Bar
    from py_edge.bundle.sources import Fetcher
    from py_edge.errors import EnvironmentProblem

    if arguments.verify:
        wrong = verify(arguments.verify)
        print("\n".join(wrong) or f"{arguments.verify} is as it was made", file=sys.stderr)
        return 1 if wrong else 0
    if not arguments.output and not arguments.prepare:
        raise EnvironmentProblem("no folder is named", where="bundle", remedy="add -o DIR")
    bar = Bar("runtime")
    tiers = ("runtime", *arguments.tier, *(["node"] if arguments.in_page else []))
    if in_checkout():
        prepare(offline=arguments.offline, report=bar)
    if arguments.prepare:
        lock = read_lock()
        Fetcher(lock, offline=arguments.offline).fetch(lock.select(tiers))
    if arguments.output:
        made = collect(
            arguments.output,
            models=arguments.model,
            tiers=tiers,
            edge=_front_page(arguments),
            offline=arguments.offline,
            report=bar,
        )
        size = sum(size for size, _ in made.files.values())
        print(f"{len(made.files)} files, {size / 1e6:.1f} MB in {made.folder}", file=sys.stderr)
    return 0


def _front_page(arguments: argparse.Namespace) -> dict[str, str]:
    """Attributes of the front page's element: the first model shipped, and whom it asks."""
    found = {"src": f"models/{arguments.model[0].name}/"} if arguments.model else {"model": "device"}
    if arguments.in_page or arguments.origin or not arguments.model:
        found["origin"] = "in-page" if arguments.in_page else arguments.origin or "."
    return found
