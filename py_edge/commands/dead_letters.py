"""`py-edge dead-letters URL`: what a node's parent refused for good; `--replay` sends it again."""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from typing import Any

from py_edge.commands.node_client import add_token_argument, ask_node
from py_edge.errors import NetworkError, PyEdgeError

EXAMPLE = "py-edge dead-letters http://127.0.0.1:8600 --replay all"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", help="the node whose parent refused")
    add_token_argument(parser)
    parser.add_argument("--replay", type=number, metavar="NUMBER", help="send this one again, or `all`")
    parser.add_argument("--json", action="store_true", help="everything, payload included, as JSON on stdout")


def number(text: str) -> int | str:
    """`all`, or the number of a dead letter. Raises ValueError."""
    return text if text == "all" else int(text)


def run(arguments: argparse.Namespace) -> int:
    """List, or send again: 1 when one of them cannot be. Raises as ask_node does."""
    ask = partial(ask_node, arguments.url, token=arguments.token)
    if arguments.replay and arguments.replay != "all":
        return 0 if _replayed(ask, arguments.replay) else 1
    letters = ask("/v1/dead-letters")["dead_letters"]
    if arguments.replay:
        sent = [_replayed(ask, letter["number"]) for letter in letters]
        return 0 if all(sent) else 1
    if arguments.json:
        print(json.dumps(letters))
        return 0
    for letter in letters:
        of = f"{letter['device']}:{letter['sequence']}"
        print(f"{letter['number']}\t{of}\t{letter['status']}\t{letter['reason'][:80]}")
    print(f"{len(letters)} dead letters", file=sys.stderr)
    return 0


def _replayed(ask: Any, letter: int) -> bool:
    """Send one again and say so; what the node has against it is said too, and the others still have their turn."""
    try:
        ask(f"/v1/dead-letters/{letter}/replay", method="POST")
    except NetworkError:
        raise
    except PyEdgeError as error:
        print(f"{letter}: {error}", file=sys.stderr)
        return False
    print(f"{letter}: queued", file=sys.stderr)
    return True
