"""Models: the current release, its files by path or by content hash, and news of releases."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import Response

from py_edge.errors import NotFoundError
from py_edge.fields import canonical_json
from py_edge.node.events import Events, EventStream
from py_edge.node.node import Node, aside
from py_edge.node.operations import REASON, VERSION
from py_edge.node.wire import node_of, path_number, path_word, read_object, reply
from py_edge.records import DIGEST, NAME
from py_edge.retrain.release import current, currents, version_of, versions
from py_edge.retrain.rollback import roll_back

FOR_EVER = "public, max-age=31536000, immutable"
KINDS = {".json": "application/json", ".bin": "application/octet-stream"}
RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")


async def list_models(request: Request) -> Response:
    """The current release of every model."""
    found = await node_of(request).store.read(currents)
    return reply({"models": [release.to_json() for release in found]})


async def get_model(request: Request) -> Response:
    """The current release; ETag is its digest."""
    name = path_word(request, "name", NAME)
    release = await node_of(request).store.read(lambda tx: current(tx, name))
    if release is None:
        raise NotFoundError("no such model", where=name)
    headers = {"etag": f'"{release.digest}"', "cache-control": "no-cache"}
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    return reply(release, 200, headers)


async def get_version(request: Request) -> Response:
    """A given release."""
    name, version = path_word(request, "name", NAME), _version(request)
    release = await node_of(request).store.read(lambda tx: version_of(tx, name, version))
    return reply(release, 200, {"etag": f'"{release.digest}"'})


async def list_versions(request: Request) -> Response:
    """Every release of a model, oldest first."""
    name = path_word(request, "name", NAME)
    found = await node_of(request).store.read(lambda tx: versions(tx, name))
    return reply({"versions": [release.to_json() for release in found]})


async def get_file(request: Request) -> Response:
    """The bytes of one file of a release."""
    node = node_of(request)
    name, version, path = path_word(request, "name", NAME), _version(request), request.path_params["path"]
    release = await node.store.read(lambda tx: version_of(tx, name, version))
    for file in release.files:
        if file.path == path:
            return await _blob(request, node, file.sha256, path)
    raise NotFoundError("no such file in this release", where=f"{name}/{version}")


async def get_blob(request: Request) -> Response:
    """The same bytes by their hash."""
    return await _blob(request, node_of(request), path_word(request, "sha256", DIGEST), "")


async def post_rollback(request: Request) -> Response:
    """Release the files of an older version again, as a new version."""
    node, name = node_of(request), path_word(request, "name", NAME)
    body = await read_object(request)
    to = VERSION.read(body.get("to_version"), "/to_version")
    reason = REASON.read(body.get("reason", ""), "/reason")
    release = await node.store.write(lambda tx: roll_back(tx, name, to, node.clock.now_ms(), reason))
    return reply(release, 201)


async def post_retrain(request: Request) -> Response:
    """Retrain this model now, whatever the schedule says; the gate's decision appears under /v1/gates."""
    node, name = node_of(request), path_word(request, "name", NAME)
    queued = await node.retrainer.queue_now(name)
    node.bus.publish("examples")
    return reply({"queued": queued}, 202)


async def stream_models(request: Request) -> Response:
    """Server-sent events: every release from now on, the current ones first."""
    node = node_of(request)
    return EventStream(request, _releases(node))


async def _releases(node: Node) -> Events:
    sent: dict[str, str] = {}
    with node.bus.listen("releases", "closing") as waiter:
        while not node.closing:
            for release in await node.store.read(currents):
                if sent.get(release.name) != release.digest:
                    sent[release.name] = release.digest
                    yield {
                        "event": "release",
                        "id": release.digest,
                        "data": canonical_json(release.to_json()).decode(),
                    }
            await waiter.wait(60.0)


async def _blob(request: Request, node: Node, sha256: str, path: str) -> Response:
    headers = {"etag": f'"{sha256}"', "cache-control": FOR_EVER, "accept-ranges": "bytes"}
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    data: bytes = await aside(lambda: node.blobs.get(sha256))
    kind = KINDS.get(path[path.rfind(".") :], "application/octet-stream")
    wish = request.headers.get("range", "")
    if not wish:
        return Response(data, 200, headers, kind)
    span = _span(wish, len(data))
    if span is None:
        return Response(status_code=416, headers={"content-range": f"bytes */{len(data)}"})
    first, last = span
    headers["content-range"] = f"bytes {first}-{last}/{len(data)}"
    return Response(data[first : last + 1], 206, headers, kind)


def _span(wish: str, size: int) -> tuple[int, int] | None:
    """First and last byte of a single range; None when it cannot be served."""
    match = RANGE.fullmatch(wish.strip())
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        start, end = max(0, size - int(last)), size - 1
    else:
        start, end = int(first), min(int(last), size - 1) if last else size - 1
    return (start, end) if start <= end and start < size else None


def _version(request: Request) -> int:
    return path_number(request.path_params["version"], "version", 1, 1 << 31)
