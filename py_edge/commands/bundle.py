"""`py-edge bundle -o DIR`: the static site, every third-party byte by its hash. verify, sources and lock look after it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import py_edge

EXAMPLE = "py-edge bundle -o site --model models/digits --origin https://node.example"
TIERS = ("numpy", "sklearn")
NO_MODEL = "no model is in it: the front page cannot answer until the bundle is made with --model; all other pages work"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="empty or new folder, or an older bundle"
    )
    parser.add_argument(
        "--model",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        metavar="PATH",
        help="TF.js model folders (or releases) to ship",
    )
    _add_tier(parser, "packages to ship beside the runtime")
    node = parser.add_mutually_exclusive_group()
    node.add_argument(
        "--in-page", action="store_true", help='ship a node for the tab too: <py-edge origin="in-page">'
    )
    node.add_argument("--origin", default="", metavar="URL", help="the node that the front page asks")
    parser.add_argument(
        "--offline", action="store_true", help="take third-party bytes from cache and mirrors only"
    )
    parser.add_argument(
        "--prepare", action="store_true", help="in a checkout: build pages and wheel, fetch the runtime"
    )
    parser.set_defaults(work=_bundle)
    verbs = parser.add_subparsers(metavar="VERB", title="looking after a bundle")
    verify = verbs.add_parser("verify", help="check a bundle against its bundle.json")
    verify.add_argument("folder", type=Path, metavar="DIR")
    verify.set_defaults(work=_verify)
    sources = verbs.add_parser("sources", help="ask every source of every locked file, and say how each did")
    _add_tier(sources, "only this tier's files")
    sources.set_defaults(work=_sources)
    lock = verbs.add_parser("lock", help="make the lock anew for a Pyodide version")
    lock.add_argument("--pyodide", metavar="VERSION", help="by default the one that is locked")
    lock.add_argument("--to", type=Path, metavar="FILE", help="write it here instead of to stdout")
    _add_tier(lock, "packages to lock; by default all that are")
    lock.set_defaults(work=_lock)


def _add_tier(parser: argparse.ArgumentParser, words: str) -> None:
    parser.add_argument("--tier", action="append", default=[], choices=TIERS, help=words)


def run(arguments: argparse.Namespace) -> int:
    """Do what the verb says; without one, make a bundle."""
    work: Callable[[argparse.Namespace], int] = arguments.work
    return work(arguments)


def _bundle(arguments: argparse.Namespace) -> int:
    """Prepare in a checkout, then write the folder if one is named."""
    from py_edge.bundle.collect import collect, integrity
    from py_edge.bundle.hosting import PACKERS
    from py_edge.bundle.lock import read_lock
    from py_edge.bundle.models import model_folder
    from py_edge.bundle.parts import find_parts, in_checkout, prepare
    from py_edge.bundle.progress import Bar
    from py_edge.bundle.sources import Fetcher, table
    from py_edge.errors import EnvironmentProblem

    if not arguments.output and not arguments.prepare:
        raise EnvironmentProblem("no folder is named", where="bundle", remedy="add -o DIR")
    for model in arguments.model:
        model_folder(model)  # before any work: a wrong path is said at once
    if not in_checkout():
        find_parts()
    lock, bar = read_lock(), Bar("runtime")
    tiers = ("runtime", *arguments.tier, *(["node"] if arguments.in_page else []))
    fetcher = Fetcher(lock, offline=arguments.offline)
    fetcher.fetch(lock.select(tiers), bar)
    if fetcher.attempts:
        print(f"these sources did not do:\n{table(fetcher.attempts)}", file=sys.stderr)
    if in_checkout():
        prepare(offline=arguments.offline)
    if arguments.output:
        made = collect(
            arguments.output,
            models=arguments.model,
            tiers=tiers,
            edge=_front_page(arguments),
            fetcher=fetcher,
        )
        size = sum(size for size, _ in made.files.values())
        print(f"{len(made.files)} files, {size / 1e6:.1f} MB in {made.folder}", file=sys.stderr)
        print(f"tree {made.tree_hash}", file=sys.stderr)
        script = next(
            path for path in made.files if path.endswith("/py-edge.js")
        )  # a seal wants a fixed file
        seal = integrity(made.files[script][1])
        tag = f'<script type="module" src="{script}" integrity="{seal}"></script>'
        print(f"{py_edge.__version__} in a page of yours: {tag}", file=sys.stderr)
        if arguments.in_page and not arguments.model:
            print(NO_MODEL, file=sys.stderr)
        if ".br" not in PACKERS:
            print("no .br copies: the package brotli is not installed", file=sys.stderr)
    return 0


def _front_page(arguments: argparse.Namespace) -> dict[str, str]:
    """Attributes of the front page's element: the first model shipped, and whom it asks."""
    from py_edge.bundle.models import model_name

    found = {"src": f"models/{model_name(arguments.model[0])}/"} if arguments.model else {"model": "device"}
    if arguments.in_page or arguments.origin or not arguments.model:
        found["origin"] = "in-page" if arguments.in_page else arguments.origin or "."
    return found


def _verify(arguments: argparse.Namespace) -> int:
    from py_edge.bundle.collect import verify

    wrong = verify(arguments.folder)
    print("\n".join(wrong) or f"{arguments.folder} is as it was made", file=sys.stderr)
    return 1 if wrong else 0


def _sources(arguments: argparse.Namespace) -> int:
    """One table; 1 if some file cannot be had from anywhere."""
    from py_edge.bundle.lock import read_lock
    from py_edge.bundle.sources import Attempt, Fetcher, table

    lock = read_lock()
    files = lock.select(arguments.tier or lock.tiers)
    found = Fetcher(lock).survey(files)
    print(table([Attempt(one.name, one.source, one.reason or "ok") for one in found]))
    return 1 if {file.name for file in files} - {one.name for one in found if not one.reason} else 0


def _lock(arguments: argparse.Namespace) -> int:
    from py_edge.bundle.lock import read_lock
    from py_edge.bundle.relock import relock, to_json
    from py_edge.bundle.sources import Fetcher

    lock = read_lock()
    tiers = arguments.tier or TIERS
    text = to_json(relock(lock, arguments.pyodide or lock.pyodide, tiers, Fetcher(lock)))
    if arguments.to:
        arguments.to.write_text(text, encoding="utf-8")
    else:
        print(text, end="")
    return 0
