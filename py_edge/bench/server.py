"""A loopback server for pages, peers, models and the bundle, isolated (COOP, COEP), that remembers what it gave."""

from __future__ import annotations

import mimetypes
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

TYPES = {
    ".wasm": "application/wasm",
    ".mjs": "text/javascript",
    ".js": "text/javascript",
    ".json": "application/json",
}
HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Server:
    """`with Server({"/bench/": folder}) as server: ...`; `given` lists the files handed out, in order."""

    def __init__(self, mounts: Mapping[str, Path]) -> None:
        self.mounts = dict(mounts)
        self.given: list[Path] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Without a slash at the end."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def find(self, path: str) -> Path | None:
        """The file behind a request's path, inside one of the mounts."""
        for prefix, folder in self.mounts.items():
            if path.startswith(prefix):
                file = (folder / path[len(prefix) :]).resolve()
                return file if file.is_file() and file.is_relative_to(folder.resolve()) else None
        return None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                file = server.find(unquote(urlsplit(self.path).path))
                body = file.read_bytes() if file else b""
                self.send_response(200 if file else 404)
                if file:
                    server.given.append(file)
                    kind = TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0]
                    self.send_header("Content-Type", kind or "application/octet-stream")
                    fresh = "no-cache" if file.suffix == ".html" else "public, max-age=31536000, immutable"
                    self.send_header("Cache-Control", fresh)
                for name, value in HEADERS.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                return

        return Handler

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.server_close()
