"""`py-edge restore SOURCE DATA`: a node's folder out of a backup; nothing is overwritten."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

EXAMPLE = "py-edge restore /srv/copy /srv/node-again"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, metavar="SOURCE", help="a folder that `py-edge backup` wrote")
    parser.add_argument("data", type=Path, metavar="DATA", help="the new node's folder (--data)")


def run(arguments: argparse.Namespace) -> int:
    """Check the backup, then make the folder."""
    from py_edge.storage.backup import restore_backup

    restore_backup(arguments.source, arguments.data)
    print(f"{arguments.data}: restored; start it with py-edge serve --data {arguments.data}", file=sys.stderr)
    return 0
