"""`py-edge desk export|import`: the tasks of a running node as Label Studio's JSON, and annotations back as votes."""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path

from py_edge.commands.node_client import add_token_argument, ask_node
from py_edge.errors import ModelFormatError
from py_edge.fields import read_json

EXAMPLE = "py-edge desk export tasks.json --node http://127.0.0.1:8600"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("export", "import"), help="out of the node, or into it")
    parser.add_argument("file", type=Path, metavar="FILE", help="Label Studio's JSON: a list of tasks")
    parser.add_argument(
        "--node", default="http://127.0.0.1:8600", metavar="URL", help="(default %(default)s)"
    )
    add_token_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Move the tasks and say how many. Raises as ask_node does, and ModelFormatError: no list of tasks."""
    ask = partial(ask_node, arguments.node, token=arguments.token)
    if arguments.action == "export":
        found = ask("/v1/desk/export")
        interface = arguments.file.with_suffix(".xml")
        arguments.file.write_text(json.dumps(found["tasks"], indent=1) + "\n", encoding="utf-8")
        interface.write_text(found["label_config"] + "\n", encoding="utf-8")
        said = f"{len(found['tasks'])} tasks in {arguments.file}, the labelling interface for them in {interface}"
        print(said, file=sys.stderr)
        return 0
    tasks = read_json(arguments.file.read_bytes(), where=str(arguments.file), limit_bytes=256 << 20)
    if not isinstance(tasks, list):
        raise ModelFormatError("not a list of tasks", where=str(arguments.file), got=type(tasks).__name__)
    found = ask("/v1/desk/import", method="POST", body={"tasks": tasks})
    print(", ".join(f"{count} {word}" for word, count in found.items()), file=sys.stderr)
    return 0
