"""A scikit-learn classifier and a model server answer at a node as a TF.js model does; what fails is no guess."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from py_edge.node.node import Parts
from py_edge.node.other_answerers import EstimatorAnswerer, ServerAnswerer
from py_edge.testing import Origin
from tests.node.asking import ask, question
from tests.node.conftest import Start

SEEN: list[Any] = []


async def predict(request: Request) -> JSONResponse:
    """A model server: sure of label 2 when the first number is positive, broken when it is minus nine."""
    SEEN.append((await request.json())["instances"])
    first = SEEN[-1][0][0]
    if first == -9:
        return JSONResponse({"error": "boom"}, 500)
    if first == -8:
        return JSONResponse({"predictions": [[0.5, 7.0]]})
    return JSONResponse({"predictions": [[0.05, 0.05, 0.9] if first > 0 else [0.4, 0.3, 0.3]]})


@pytest.fixture
def server() -> Iterator[str]:
    """The URL of a running model server."""
    with Origin(Starlette(routes=[Route("/v1/models/m:predict", predict, methods=["POST"])])) as origin:
        yield f"{origin.url}v1/models/m:predict"


def test_a_classifier_answers_what_it_is_sure_of(start: Start) -> None:
    """Sure: answered here with its label; other kinds of input climb."""
    model = LogisticRegression(C=1e3).fit([[0.0], [1.0], [8.0], [9.0]], ["no", "no", "yes", "yes"])
    site = start("site", data="memory:", parts=Parts(answerer=EstimatorAnswerer(model, threshold=0.9)))
    answer = ask(site.http, question(1, 9.0)).json()["answer"]
    assert (answer["label"], answer["source"], answer["tier"]) == ("yes", "site", 1)
    assert ask(site.http, question(2, 4.5)).json()["state"] == "queued"
    assert ask(site.http, question(3, 9.0, 9.0)).json()["state"] == "queued"


def test_a_model_server_answers_what_it_is_sure_of(start: Start, server: str) -> None:
    """Sure: answered with the question's own label; unsure, broken or nonsense: the question climbs."""
    site = start("site", data="memory:", parts=Parts(answerer=ServerAnswerer(server, threshold=0.8)))
    answer = ask(site.http, question(1, 5.0, 6.0)).json()["answer"]
    assert (answer["label_index"], answer["label"], answer["source"]) == (2, "2", "site")
    assert SEEN[-1] == [[5.0, 6.0]]
    for sequence, first in ((2, -1.0), (3, -9.0), (4, -8.0)):
        assert ask(site.http, question(sequence, first, 0.0)).json()["state"] == "queued"


def test_a_server_that_is_away_delays_nothing(start: Start) -> None:
    """Nobody listens there: the question climbs at once."""
    gone = ServerAnswerer("http://127.0.0.1:9/v1/models/m:predict", threshold=0.5)
    site = start("site", data="memory:", parts=Parts(answerer=gone))
    assert ask(site.http, question(1)).json()["state"] == "queued"
