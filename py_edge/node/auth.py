"""Who may call: tokens compared by their hash; without one only this machine, and no foreign web page.

A page of another origin can make a browser call 127.0.0.1, and a name can be rebound to it: so Origin must be
ours or listed, and Host must be a name we know.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from hashlib import sha256
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from py_edge.errors import AuthError, LimitError
from py_edge.node.headers import crooked_headers, headers_of
from py_edge.node.settings import Settings, is_loopback
from py_edge.node.wire import problem

OPEN_PATHS = ("/healthz", "/readyz")
WRONG_TOKEN, NO_TOKEN = "the token is not valid", "a token is needed"
OTHER_HOST, OTHER_ORIGIN = (
    "this node is not known by that name (Host)",
    "pages of this origin may not call here",
)
_BRING = "send Authorization: Bearer with the node's token"
REFUSALS = {  # reason: status, remedy
    WRONG_TOKEN: (401, _BRING),
    NO_TOKEN: (401, _BRING),
    OTHER_HOST: (403, "start the node with --hosts and that name, or send its token"),
    OTHER_ORIGIN: (403, "start the node with --origins and that origin"),
}


class Guard:
    """ASGI middleware: lets a request through, or answers 401 or 403."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings
        self._token = sha256(settings.token.encode()).digest() if settings.token else b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Guard HTTP; there are no websockets."""
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        crooked = crooked_headers(scope)
        if crooked is not None:
            status = 431 if isinstance(crooked, LimitError) else 400
            await problem(crooked, status, {"connection": "close"})(scope, receive, send)
            return
        reason = self._reason_to_refuse(scope)
        if not reason:
            await self._app(scope, receive, send)
            return
        status, remedy = REFUSALS[reason]
        headers = {"www-authenticate": "Bearer"} if status == 401 else {}
        error = AuthError(reason, where=scope["path"], remedy=remedy)
        await problem(error, status, headers)(scope, receive, send)

    def _reason_to_refuse(self, scope: Scope) -> str:
        headers = headers_of(scope)
        word = headers.get(b"authorization", b"").decode("latin-1")
        if word:
            token = word.removeprefix("Bearer ").strip()
            right = bool(self._token) and hmac.compare_digest(sha256(token.encode()).digest(), self._token)
            return "" if right else WRONG_TOKEN
        client = scope.get("client")
        if self._settings.require_token or (client is not None and not is_loopback(client[0])):
            return NO_TOKEN
        host = headers.get(b"host", b"localhost").decode("latin-1").rsplit(":", 1)[0] or "localhost"
        if not is_loopback(host) and host not in self._settings.hosts:
            return OTHER_HOST
        return self._foreign_origin(headers)

    def _foreign_origin(self, headers: Mapping[bytes, bytes]) -> str:
        origin = headers.get(b"origin", b"").decode("latin-1")
        ours = headers.get(b"host", b"").decode("latin-1")
        if not origin or origin in self._settings.origins or urlsplit(origin).netloc == ours:
            return ""
        return OTHER_ORIGIN
