"""The app: routes as one list, a lifespan that starts and stops the node, errors as problem+json.

Runs under any ASGI server and inside Pyodide; nothing here imports a server or a database.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute, Mount

from py_edge.node.auth import Guard
from py_edge.node.bodies import MsgpackReplies
from py_edge.node.limits import Rates
from py_edge.node.node import Node, Parts
from py_edge.node.openapi import get_openapi
from py_edge.node.routes import answers, desk, models, questions, status, table
from py_edge.node.sealing import Sealing
from py_edge.node.settings import Settings
from py_edge.node.site import Site
from py_edge.node.stack import App, Route

API: list[BaseRoute] = [
    Route("/v1/questions", questions.post_questions, methods=["POST"]),
    Route("/v1/questions/{device}/{sequence}", questions.put_question, methods=["PUT"]),
    Route("/v1/questions/{device}/{sequence}", questions.get_question, methods=["GET"]),
    Route("/v1/questions/{device}/{sequence}", questions.erase_question, methods=["DELETE"]),
    Route("/v1/devices/{device}", questions.erase_device, methods=["DELETE"]),
    Route("/v1/questions/{device}/{sequence}/cancel", questions.cancel_question, methods=["POST"]),
    Route("/v1/answers", answers.poll_answers, methods=["GET"]),
    Route("/v1/answers/stream", answers.stream_answers, methods=["GET"]),
    Route("/v1/answers/ack", answers.acknowledge, methods=["POST"]),
    Route("/v1/examples/{device}/{sequence}", answers.put_example, methods=["PUT"]),
    Route("/v1/models", models.list_models, methods=["GET"]),
    Route("/v1/models/stream", models.stream_models, methods=["GET"]),
    Route("/v1/models/{name}", models.get_model, methods=["GET"]),
    Route("/v1/models/{name}/versions", models.list_versions, methods=["GET"]),
    Route("/v1/models/{name}/retrain", models.post_retrain, methods=["POST"]),
    Route("/v1/models/{name}/rollback", models.post_rollback, methods=["POST"]),
    Route("/v1/models/{name}/{version}", models.get_version, methods=["GET"]),
    Route("/v1/models/{name}/{version}/files/{path:path}", models.get_file, methods=["GET"]),
    Route("/v1/blobs/{sha256}", models.get_blob, methods=["GET"]),
    Route("/v1/desk/next", desk.next_task, methods=["GET"]),
    Route("/v1/desk/export", desk.export_desk, methods=["GET"]),
    Route("/v1/desk/import", desk.import_desk, methods=["POST"]),
    Route("/v1/desk/stream", desk.stream_desk, methods=["GET"]),
    Route("/v1/desk/{task}/vote", desk.post_vote, methods=["POST"]),
    Route("/v1/desk/{task}/undo", desk.post_undo, methods=["POST"]),
    Route("/v1/status", status.get_status, methods=["GET"]),
    Route("/v1/status/table", table.get_table, methods=["GET"]),
    Route("/v1/status/stream", status.stream_status, methods=["GET"]),
    Route("/v1/gates", status.list_gates, methods=["GET"]),
    Route("/v1/dead-letters", status.list_dead_letters, methods=["GET"]),
    Route("/v1/dead-letters/{number}/replay", status.replay, methods=["POST"]),
    Route("/healthz", status.healthz, methods=["GET"]),
    Route("/readyz", status.readyz, methods=["GET"]),
    Route("/metrics", status.metrics, methods=["GET"]),
    Route("/openapi.json", get_openapi, methods=["GET"]),
]


def create_app(settings: Settings | None = None, parts: Parts | None = None) -> Starlette:
    """An app whose node starts with its lifespan and is reached as `app.state.node`."""
    settings = settings or Settings()
    node = Node(settings, parts or Parts())

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await node.start()
        try:
            yield
        finally:
            await node.stop()

    middleware = [
        Middleware(Sealing, limit_bytes=settings.body_limit_bytes),
        Middleware(Guard, settings=settings),
        Middleware(MsgpackReplies),
    ]
    if settings.origins:
        cors: Any = {"allow_origins": settings.origins, "allow_methods": ["*"], "allow_headers": ["*"]}
        middleware.insert(0, Middleware(CORSMiddleware, **cors))
    app = App(
        routes=[*API, *([Mount("/", Site(Path(settings.site_dir)))] if settings.site_dir else [])],
        lifespan=lifespan,
        middleware=middleware,
    )
    app.state.node = node
    app.state.rates = Rates(settings.rate_per_s, node.clock.now_ms)
    return app
