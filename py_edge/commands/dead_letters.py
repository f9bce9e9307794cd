"""`py-edge dead-letters URL`: what a node's parent refused for good; `--replay` sends it again."""

from __future__ import annotations

import argparse
import json
import sys


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", help="the node, such as http://127.0.0.1:8600")
    parser.add_argument("--token", default="", help="the node's token")
    parser.add_argument("--replay", metavar="NUMBER", help="send this one again, or `all`")
    parser.add_argument("--json", action="store_true", help="everything, payload included, as JSON")


def run(arguments: argparse.Namespace) -> int:
    """List, or send again."""
    import httpx

    from py_edge.errors import NetworkError

    headers = {"authorization": f"Bearer {arguments.token}"} if arguments.token else {}
    try:
        with httpx.Client(base_url=arguments.url, headers=headers, timeout=30, trust_env=False) as http:
            response = http.get("/v1/dead-letters")
            response.raise_for_status()
            letters = response.json()["dead_letters"]
            if arguments.replay:
                return _replay(http, letters, arguments.replay)
    except (httpx.HTTPError, ValueError, KeyError) as error:
        raise NetworkError(f"the node did not answer: {error}", where=arguments.url) from error
    if arguments.json:
        print(json.dumps(letters))
        return 0
    for letter in letters:
        print(
            f"{letter['number']}\t{letter['device']}:{letter['sequence']}\t{letter['status']}\t{letter['reason'][:80]}"
        )
    print(f"{len(letters)} dead letters", file=sys.stderr)
    return 0


def _replay(http: object, letters: list[dict[str, object]], which: str) -> int:
    import httpx

    assert isinstance(http, httpx.Client)
    numbers = [letter["number"] for letter in letters] if which == "all" else [which]
    failed = 0
    for number in numbers:
        response = http.post(f"/v1/dead-letters/{number}/replay")
        failed += response.status_code != 202
        print(
            f"{number}: {'queued' if response.status_code == 202 else response.json()['detail']}",
            file=sys.stderr,
        )
    return 1 if failed else 0
