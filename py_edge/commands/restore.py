"""`py-edge restore SOURCE DATA`: a node's folder out of a backup; nothing is overwritten."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

EXAMPLE = "py-edge restore /srv/copy /srv/node-again"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, metavar="SOURCE", help="a folder that `py-edge backup` wrote")
    parser.add_argument("data", type=Path, metavar="DATA", help="the new node's folder (--data)")


def run(arguments: argparse.Namespace) -> int:
    """Check the backup, then make the folder."""
    from py_edge.storage.backup import restore_backup

    restored = restore_backup(arguments.source, arguments.data)
    made = datetime.fromtimestamp(restored.made_at_ms / 1000, UTC)
    states = (
        ", ".join(f"{count} {state}" for state, count in sorted(restored.states.items())) or "no questions"
    )
    print(f"{arguments.data}: as it was on {made:%Y-%m-%d %H:%M:%S} UTC: {states}", file=sys.stderr)
    print(f"later words are not in it; start it with py-edge serve --data {arguments.data}", file=sys.stderr)
    return 0
