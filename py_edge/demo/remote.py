"""The page in the user's own browser: it fetches its calls from a small server here and sends back what came out.

Only loopback, only under a secret path, only for pages of the site's own origin.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from py_edge.demo.hooks import PATIENCE_S, Hooks
from py_edge.errors import EnvironmentProblem

_HOLD_S = 10.0  # how long a page's question for the next call is held open
_BODY_BYTES = 16 << 20


class Remote(Hooks):
    """One page somewhere on this machine. url: what the page is to follow; came: set when it first asked."""

    def __init__(self, origin: str) -> None:
        self.complaints = []
        self.came = threading.Event()
        self._secret = secrets.token_urlsafe(24)
        self._calls: Queue[dict[str, Any]] = Queue()
        self._results: Queue[dict[str, Any]] = Queue()
        self._number = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self, origin))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/{self._secret}/"

    def close(self) -> None:
        """Stop listening; the page gives up by itself."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def call(self, hook: str, *given: Any) -> Any:
        """See Hooks."""
        self._number += 1
        self._calls.put({"id": self._number, "hook": hook, "given": list(given)})
        try:
            while (done := self._results.get(timeout=PATIENCE_S))["id"] != self._number:
                pass
        except Empty as error:
            raise EnvironmentProblem(
                "the page does not answer any more",
                where=f"page, {hook}",
                remedy="leave its tab open and in front",
            ) from error
        if "problem" in done:
            raise EnvironmentProblem(
                f"the page could not do it: {done['problem'].get('message')}", where=f"page, {hook}"
            )
        return done["value"]

    def keep_picture(self, file: Path) -> None:
        """The user sees it; there is nothing to keep."""

    def next_call(self, path: str) -> dict[str, Any] | None:
        """The call for a page that asks on this path; None for now none. Raises EnvironmentProblem: a wrong path."""
        self._authorise(path, "next")
        self.came.set()
        try:
            return self._calls.get(timeout=_HOLD_S)
        except Empty:
            return None

    def done(self, path: str, body: bytes) -> None:
        """What came of a call."""
        self._authorise(path, "done")
        self._results.put(json.loads(body))

    def _authorise(self, path: str, word: str) -> None:
        if not secrets.compare_digest(path, f"/{self._secret}/{word}"):
            raise EnvironmentProblem("there is no such path")


def _handler(remote: Remote, origin: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                call = remote.next_call(self.path)
            except EnvironmentProblem:
                self._reply(404)
                return
            self._reply(200 if call else 204, json.dumps(call).encode() if call else b"")

        def do_POST(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            try:
                remote.done(self.path, self.rfile.read(min(length, _BODY_BYTES)))
            except (EnvironmentProblem, ValueError):
                self._reply(404)
                return
            self._reply(204)

        def _reply(self, status: int, body: bytes = b"") -> None:
            self.send_response(status)
            self.send_header("access-control-allow-origin", origin)
            self.send_header("cross-origin-resource-policy", "cross-origin")
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing: the story's table is what people read."""

    return Handler


@contextmanager
def await_page(origin: str) -> Iterator[Remote]:
    """A remote for one page of this origin; it must be opened with `?story=` and our url."""
    remote = Remote(origin)
    try:
        yield remote
    finally:
        remote.close()
