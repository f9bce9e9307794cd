"""`py-edge desk export|import`: the tasks of a running node as Label Studio's JSON, and annotations back as votes."""

from __future__ import annotations

import argparse
import json
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from py_edge.errors import ModelFormatError, NetworkError, refusal
from py_edge.fields import read_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("export", "import"), help="out of the node, or into it")
    parser.add_argument("file", type=Path, metavar="FILE", help="Label Studio's JSON: a list of tasks")
    parser.add_argument(
        "--node", default="http://127.0.0.1:8600", metavar="URL", help="(default %(default)s)"
    )
    parser.add_argument("--token", default="", help="secret that the node wants")


def run(arguments: argparse.Namespace) -> int:
    """Move the tasks and say how many."""
    if arguments.action == "export":
        found = _call(arguments, "export")
        interface = arguments.file.with_suffix(".xml")
        arguments.file.write_text(json.dumps(found["tasks"], indent=1) + "\n", encoding="utf-8")
        interface.write_text(found["label_config"] + "\n", encoding="utf-8")
        said = f"{len(found['tasks'])} tasks in {arguments.file}, the labelling interface for them in {interface}"
        print(said, file=sys.stderr)
        return 0
    tasks = read_json(arguments.file.read_bytes(), where=str(arguments.file), limit_bytes=256 << 20)
    if not isinstance(tasks, list):
        raise ModelFormatError("not a list of tasks", where=str(arguments.file), got=type(tasks).__name__)
    found = _call(arguments, "import", {"tasks": tasks})
    print(", ".join(f"{count} {word}" for word, count in found.items()), file=sys.stderr)
    return 0


def _call(arguments: argparse.Namespace, route: str, body: Any = None) -> dict[str, Any]:
    """Raises what the node said, or NetworkError."""
    headers = {"content-type": "application/json"}
    if arguments.token:
        headers["authorization"] = f"Bearer {arguments.token}"
    url = f"{arguments.node.rstrip('/')}/v1/desk/{route}"
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=60) as answer:
            found: dict[str, Any] = read_json(answer.read(), limit_bytes=1 << 30)
            return found
    except urllib.error.HTTPError as error:
        raise refusal(_problem(error), f"{url}: {error.code}") from error
    except (urllib.error.URLError, OSError) as error:
        raise NetworkError(
            f"no node answers: {error}", where=url, remedy="start it, or give another --node"
        ) from error


def _problem(error: urllib.error.HTTPError) -> Any:
    """What came with a refusal; a proxy's page tells nothing."""
    try:
        return read_json(error.read())
    except ModelFormatError:
        return None
