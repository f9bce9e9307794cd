"""Starlette with a short way from the server to an endpoint, for every question goes it.

Starlette's own stack catches errors at three places and wraps the reply at each; ours catches them once, around the
routes and inside of all that translates replies, so that a problem is translated like any other reply.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection

from starlette import routing
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from py_edge.errors import NotFoundError, PyEdgeError
from py_edge.node.wire import problem, retry_after_s

NO_SITE = (
    "for desk, dashboard and pages start the node with --site-dir DIR, a folder that `py-edge bundle` made"
)
Endpoint = Callable[[Request], Awaitable[Response]]


class App(Starlette):
    """The middleware, `Errors`, the routes; nothing else."""

    def build_middleware_stack(self) -> ASGIApp:
        """See Starlette."""
        app: ASGIApp = Errors(self.router)
        for cls, args, kwargs in reversed(self.user_middleware):
            app = cls(app, *args, **kwargs)
        return app


class Route(routing.Route):
    """A route whose endpoint lets errors pass."""

    def __init__(self, path: str, endpoint: Endpoint, *, methods: Collection[str]) -> None:
        super().__init__(path, endpoint, methods=methods)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            response = await endpoint(Request(scope, receive, send))
            await response(scope, receive, send)

        self.app = app


class Errors:
    """ASGI middleware: what goes wrong becomes a problem; our own bugs go on to the server's log as well."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Catch what the routes raise; too late for a problem when the reply has begun."""
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except ClientDisconnect:
            return
        except Exception as error:
            if not begun:
                await _problem_of(error, scope)(scope, receive, send)
            if begun or not isinstance(error, (PyEdgeError, HTTPException)):
                raise


def _problem_of(error: Exception, scope: Scope) -> Response:
    if isinstance(error, HTTPException):
        words = {404: "there is no such route", 405: "this route does not take that method"}
        inner = NotFoundError(
            words.get(error.status_code, "refused"),
            where=scope["path"],
            remedy=_way_to_a_page(error.status_code, scope),
        )
        return problem(inner, error.status_code, error.headers)
    if isinstance(error, PyEdgeError):
        wait_s = retry_after_s(error)
        return problem(error, headers={"retry-after": str(wait_s)} if wait_s else {})
    return problem(PyEdgeError(where=scope["path"]), 500)  # our own bug: say so without telling more


def _way_to_a_page(status: int, scope: Scope) -> str:
    """Who looks for a page where there is no site hears how to have one."""
    is_page = status == 404 and not scope["path"].startswith("/v1")
    return NO_SITE if is_page and not scope["app"].state.node.settings.site_dir else ""
