"""The page in the user's browser, followed over real HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from py_edge.demo.remote import Remote, await_page
from py_edge.errors import EnvironmentProblem

ORIGIN = "http://127.0.0.1:1"


@contextmanager
def page_with(hooks: dict[str, Any], remote: Remote) -> Iterator[None]:
    """What web/src/pages/story.ts does: fetch a call, do it, send back what came out."""
    stop = threading.Event()

    def follow() -> None:
        with httpx.Client(base_url=remote.url, timeout=30) as client:
            while not stop.is_set():
                response = client.get("next")
                if response.status_code == 204:
                    continue
                assert response.headers["access-control-allow-origin"] == ORIGIN
                call = response.json()
                if call["hook"] == "end":
                    client.post("done", json={"id": call["id"], "value": None})
                    return
                try:
                    done = {"id": call["id"], "value": hooks[call["hook"]](*call["given"])}
                except KeyError as error:
                    done = {"id": call["id"], "problem": {"message": f"no hook {error}"}}
                client.post("done", json=done)

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        yield
        remote.call("end")
    finally:
        stop.set()
        thread.join()


def test_calls_reach_the_page_and_come_back() -> None:
    """Arguments and values cross as JSON, in order; the page's trouble becomes one sentence."""
    with await_page(ORIGIN) as remote, page_with({"add": lambda a, b: a + b, "echo": lambda x: x}, remote):
        assert remote.call("add", 2, 3) == 5
        assert remote.call("echo", {"a": [1, None, "ä"]}) == {"a": [1, None, "ä"]}
        with pytest.raises(EnvironmentProblem, match="no hook"):
            remote.call("fly")
        assert remote.call("add", 1, 1) == 2
        assert remote.came.is_set()


def test_strangers_get_nothing() -> None:
    """Without the secret path there is neither a call to fetch nor a place to answer."""
    with await_page(ORIGIN) as remote:
        root = remote.url.rsplit("/", 2)[0]
        assert httpx.get(f"{root}/next").status_code == 404
        assert httpx.get(f"{root}/guess/next").status_code == 404
        assert httpx.post(f"{root}/guess/done", json={"id": 1}).status_code == 404
        assert httpx.post(f"{remote.url}done", content=b"{").status_code == 404
        assert not remote.came.is_set()
