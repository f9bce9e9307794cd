"""What a command asks a running node: one request, its JSON, or the error that the node named. Standard library only."""

from __future__ import annotations

import argparse
import json
import os
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

from py_edge.errors import ModelFormatError, NetworkError, ValueRangeError, refusal
from py_edge.fields import read_json

REPLY_LIMIT_BYTES = 1 << 30


def add_token_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--token",
        default=os.environ.get("PY_EDGE_TOKEN", ""),
        metavar="TEXT",
        help="secret that the node wants (default: PY_EDGE_TOKEN)",
    )


def ask_node(
    url: str, path: str, *, method: str = "GET", token: str = "", body: Any = None, timeout_s: float = 60
) -> Any:
    """The JSON that the node at `url` answers to `path`; a body goes as JSON.

    Raises what the node said, by its code; ValueRangeError: no http(s) address; NetworkError: nobody answers, or not as
    a node does.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueRangeError("a node's address is a URL", got=url, want="such as http://127.0.0.1:8600")
    headers = {"accept": "application/json"}
    headers |= {"authorization": f"Bearer {token}"} if token else {}
    headers |= {"content-type": "application/json"} if body is not None else {}
    data = None if body is None else json.dumps(body).encode()
    request = Request(f"{url.rstrip('/')}{path}", data, headers, method=method)
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=timeout_s) as answer:
            return read_json(answer.read(REPLY_LIMIT_BYTES + 1), limit_bytes=REPLY_LIMIT_BYTES)
    except HTTPError as error:
        raise refusal(_problem(error), f"{url}{path}: {error.code}") from error
    except ModelFormatError as error:
        raise NetworkError("what answers there is no node", where=url, got=error.message) from error
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        remedy = "start the node, or give another address"
        raise NetworkError(f"the node did not answer: {reason}", where=url, remedy=remedy) from error


def _problem(error: HTTPError) -> Any:
    """What came with a refusal; a proxy's page tells nothing."""
    try:
        return read_json(error.read(REPLY_LIMIT_BYTES))
    except (ModelFormatError, OSError, HTTPException):
        return None
