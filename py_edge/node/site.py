"""The built site as static files: `/desk` finds desk.html, and every page is isolated and closed to foreign code."""

from __future__ import annotations

import os
from pathlib import Path

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from py_edge.bundle.static import PackedFiles

HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
    "cross-origin-resource-policy": "cross-origin",
    "content-security-policy": (
        "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; worker-src 'self' blob:; connect-src 'self' http: https:; "
        "object-src 'none'; base-uri 'none'; frame-ancestors 'self'"
    ),
}


class Site(PackedFiles):
    """The folder that `py-edge bundle` made."""

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder, html=True, check_dir=True)

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """A page may be asked for without its suffix."""
        full, found = super().lookup_path(path)
        if found is None and path and "." not in Path(path).name:
            return super().lookup_path(f"{path}.html")
        return full, found

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Files named by a digest stay for ever, the rest is asked for again."""
        response = await super().get_response(path, scope)
        response.headers.setdefault("cache-control", "no-cache")
        return response

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the headers to whatever is sent."""

        async def send_more(message: Message) -> None:
            if message["type"] == "http.response.start":
                known = {name for name, _ in message["headers"]}
                more = [(k.encode(), v.encode()) for k, v in HEADERS.items() if k.encode() not in known]
                message["headers"] = [*message["headers"], *more]
            await send(message)

        await super().__call__(scope, receive, send_more)
