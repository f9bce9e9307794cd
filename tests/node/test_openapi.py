"""The served description: valid OpenAPI 3.1, a row for every operation, and what a node really answers fits it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.routing import Match, Route

from py_edge.node.app import API
from py_edge.node.node import Parts
from py_edge.node.openapi import document
from py_edge.node.operations import OPERATIONS
from py_edge.records import Example
from py_edge.retrain.learner import Owned
from tests.node.asking import DEVICE, ask, content, first_value, question, until, work_desk
from tests.node.conftest import Start
from tests.retrain.centroids import CentroidLearner, model_files

ROUTES = [route for route in API if isinstance(route, Route)]
V1 = f"/v1/questions/{DEVICE}"


def test_it_is_valid_openapi_and_names_every_operation_once() -> None:
    """The specification's own schema finds nothing wrong; no row of the table is left over, none is missing."""
    described = document(ROUTES)
    OpenAPIV31SpecValidator(described).validate()
    ids = [operation["operationId"] for path in described["paths"].values() for operation in path.values()]
    assert sorted(ids) == sorted(OPERATIONS)


def test_what_a_node_answers_is_what_it_declares(start: Start, tmp_path: Path) -> None:
    """Every operation is asked, the failing ways too: status, media type and every field are those of the document."""
    owned = Owned("site", CentroidLearner(), 1, (model_files({0: 0.0, 1: 10.0}), {}))
    node = start("site", parts=Parts(owned=(owned,)))
    # Of the same name, so that the parent refuses its questions.
    child = start("site", node, data=str(tmp_path / "child"))
    seen = Witness(node.http.get("/openapi.json").json())
    node.http.event_hooks["response"] = child.http.event_hooks["response"] = [seen.check]
    ask_everything(node.http)
    ask_in_vain(child.http)
    assert seen.operations == set(OPERATIONS)
    assert {200, 201, 202, 206, 304, 400, 404, 409, 410, 416, 422} <= seen.statuses


def ask_everything(http: httpx.Client) -> None:
    """One of everything, in an order in which each finds something to tell."""
    for path in ("/openapi.json", "/healthz", "/readyz", "/v1/status/table"):
        http.get(path)
    for each in (question(1), question(1), question(1, 9.0), question(2), question(3, hops=("site",))):
        ask(http, each)
    many = [question(1).to_json(), question(4).to_json(), question(4, 9.0).to_json(), {}]
    for asked in (many, [], "no list"):
        http.post("/v1/questions", json=asked)
    http.post(f"{V1}/2/cancel")
    work_desk(http, first_value)
    for path in (f"{V1}/1", f"{V1}/77", f"{V1}/x", f"/v1/answers?device={DEVICE}", "/v1/desk/export"):
        http.get(path)
    http.post("/v1/desk/import", json=http.get("/v1/desk/export").json())
    task = question(1).digest[:32]
    http.post(f"/v1/desk/{task}/undo", json={"annotator": "ann"})
    http.post("/v1/answers/ack", json={"device": DEVICE, "events": [1, 2]})
    for _ in range(2):
        http.delete(f"{V1}/2")
    http.get(f"{V1}/2")
    for device in ("f" * 32, "nobody"):
        http.delete(f"/v1/devices/{device}")
    example = Example(DEVICE, 50, "site", content(1.0), 0, source="device", tier=0)
    http.put(f"/v1/examples/{DEVICE}/50", json=example.to_json())
    ask_models(http)
    for path in ("/v1/status", "/metrics"):
        http.get(path)
    for path in (
        f"/v1/answers/stream?device={DEVICE}",
        "/v1/models/stream",
        "/v1/desk/stream",
        "/v1/status/stream",
    ):
        with http.stream("GET", path):
            pass


def ask_in_vain(http: httpx.Client) -> None:
    """A question that the parent refuses is a dead letter, and is sent again once."""
    ask(http, question(1))
    until(lambda: http.get("/v1/dead-letters").json()["dead_letters"])
    for number in (1, 1, 9):
        http.post(f"/v1/dead-letters/{number}/replay")
    http.get("/v1/status")


def ask_models(http: httpx.Client) -> None:
    """Releases, their files, back to the first, and a retraining whose decision is told."""
    (release,) = http.get("/v1/models").json()["models"]
    file = release["files"][0]
    for path in ("", "/versions", "/1", "/7", f"/1/files/{file['path']}", "/1/files/none"):
        http.get(f"/v1/models/site{path}")
    http.get(f"/v1/blobs/{file['sha256']}", headers={"range": "bytes=0-1"})
    http.get(f"/v1/blobs/{file['sha256']}", headers={"range": "bytes=99999-"})
    http.get("/v1/models/site", headers={"if-none-match": f'"{release["digest"]}"'})
    http.post("/v1/models/site/rollback", json={"to_version": 1, "reason": "for once"})
    http.post("/v1/models/site/rollback", content='{"to_version": 1, "reason": "\\ud800"}')
    http.post("/v1/models/site/retrain")
    until(lambda: http.get("/v1/gates").json()["gates"])


class Witness:
    """Holds each response against the document; objects may have no property that is not declared."""

    def __init__(self, described: dict[str, Any]) -> None:
        self.operations: set[str] = set()
        self.statuses: set[int] = set()
        self._described = strict(described)

    def check(self, response: httpx.Response) -> None:
        """One response: its status and media type are declared, and its body fits. Raises ValidationError, KeyError."""
        operation = self._operation(response.request)
        self.operations.add(operation["operationId"])
        self.statuses.add(response.status_code)
        declared = operation["responses"]
        known = declared.get(str(response.status_code)) or declared["default" if response.is_error else ""]
        if "content" not in known:
            assert not response.read()
            return
        media = response.headers["content-type"].partition(";")[0]
        schema = known["content"][media]["schema"]
        if media.endswith("json"):
            whole = {**schema, "components": self._described["components"]}
            Draft202012Validator(whole).validate(httpx.Response(200, content=response.read()).json())

    def _operation(self, request: httpx.Request) -> dict[str, Any]:
        scope = {"type": "http", "method": request.method, "path": request.url.path}
        (route,) = [route for route in ROUTES if route.matches(scope)[0] is Match.FULL][:1]
        (found,) = [
            operation
            for path in self._described["paths"].values()
            for operation in path.values()
            if operation["operationId"] == route.endpoint.__name__
        ]
        return dict(found)


def strict(schema: Any) -> Any:
    """The same schema, but no object has more than it declares."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {name: strict(value) for name, value in schema.items()} | (
        {"additionalProperties": False} if schema.get("type") == "object" and "properties" in schema else {}
    )
