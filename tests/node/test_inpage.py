"""A node in the tab, natively: the same app answered request by request, streams included."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from py_edge.fields import canonical_json
from py_edge.node.inpage import InPage, start
from py_edge.records import digest_of_content


class Answers:
    """Collects what the node sends, by request number."""

    def __init__(self) -> None:
        self.heads: dict[int, int] = {}
        self.bodies: dict[int, bytes] = {}
        self.ended: set[int] = set()

    def __call__(self, number: int, kind: str, value: Any, extra: Any) -> None:
        if kind == "head":
            self.heads[number] = value
        elif kind == "body":
            self.bodies[number] = self.bodies.get(number, b"") + value
        else:
            self.ended.add(number)


def _question(sequence: int) -> dict[str, Any]:
    content = {"shape": [1], "dtype": "float32", "data": "AAAAAA=="}
    digest = digest_of_content(content, "device")
    return {"device": "ab" * 16, "sequence": sequence, "digest": digest, "model": "device", "input": content}


async def _call(node: InPage, answers: Answers, number: int, method: str, path: str, body: Any = None) -> Any:
    headers = [["content-type", "application/json"]]
    raw = canonical_json(body) if body is not None else None
    await node.handle(number, method, path, "annotator=me", headers, raw, answers)
    return json.loads(answers.bodies[number])


def test_question_desk_and_answer_without_a_server() -> None:
    """Ask, take the task, vote, and the stream that was open all the while tells the answer."""

    async def story() -> None:
        node, answers = await start(), Answers()
        listening = asyncio.ensure_future(
            node.handle(1, "GET", "/v1/answers/stream", f"device={'ab' * 16}&after=0", [], None, answers)
        )
        receipt = await _call(node, answers, 2, "PUT", f"/v1/questions/{'ab' * 16}/1", _question(1))
        assert answers.heads[2] == 202
        assert receipt["state"] in ("queued", "unresolved")
        task = (await _call(node, answers, 3, "GET", "/v1/desk/next"))["task"]["task"]
        vote = {"annotator": "me", "verdict": "label", "label_index": 4, "seconds": 1}
        await _call(node, answers, 4, "POST", f"/v1/desk/{task}/vote", vote)
        for _ in range(100):
            if b"label_index" in answers.bodies.get(1, b""):
                break
            await asyncio.sleep(0.02)
        assert b'"label_index":4' in answers.bodies[1].replace(b" ", b"")
        node.hang_up(1)
        await asyncio.wait_for(listening, 5)
        assert answers.ended == {1, 2, 3, 4}
        await node.stop()

    asyncio.run(story())
