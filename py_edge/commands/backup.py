"""`py-edge backup DATA TARGET`: a consistent copy of a node's folder, while the node runs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

EXAMPLE = "py-edge backup /srv/node /srv/copy"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, metavar="DATA", help="the node's folder (--data)")
    parser.add_argument("target", type=Path, metavar="TARGET", help="a new folder")


def run(arguments: argparse.Namespace) -> int:
    """Copy and check."""
    from py_edge.storage.backup import make_backup

    size = make_backup(arguments.data, arguments.target)
    print(f"{arguments.target}: {size} bytes, database checked", file=sys.stderr)
    return 0
