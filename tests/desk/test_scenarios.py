"""What went wrong at other people's desks, each once here: real nodes, real HTTP, real SQLite."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from py_edge.node.node import Parts, SystemClock
from tests.node.asking import DEVICE, LABELS, OTHER, ask, question, until_answers
from tests.node.conftest import Start


class MovedClock(SystemClock):
    """The time of this machine, moved on by hand."""

    ahead_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.ahead_ms


def next_task(http: httpx.Client, annotator: str) -> Any:
    """What this person is shown."""
    return http.get("/v1/desk/next", params={"annotator": annotator}).json()["task"]


def vote(http: httpx.Client, task: str, annotator: str, verdict: str = "label", index: int | None = 3) -> Any:
    """Vote; gives the verdict so far."""
    body = {"annotator": annotator, "verdict": verdict, "label_index": index if verdict == "label" else None}
    answer = http.post(f"/v1/desk/{task}/vote", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_scenario_07_two_annotators_never_get_one_single_overlap_item(start: Start) -> None:
    """Twenty people ask at once for one task: one gets it (Label Studio #795)."""
    node = start("site")
    ask(node.http, question(1))
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda n: next_task(node.http, f"a{n}"), range(20)))
    assert sum(task is not None for task in got) == 1


def test_scenario_07_an_expired_lease_frees_its_task_at_the_next_read(start: Start) -> None:
    """No sweeper: the moment after the lease has run out the next person gets the task (#4781, #4190)."""
    clock = MovedClock()
    node = start("site", parts=Parts(clock=clock))
    ask(node.http, question(1))
    held = next_task(node.http, "gone")
    assert next_task(node.http, "here") is None
    clock.ahead_ms = held["lease_until_ms"] - SystemClock().now_ms() + 1
    assert next_task(node.http, "here")["task"] == held["task"]


def test_scenario_08_simultaneous_submits_beyond_the_need_are_kept_and_break_nothing(start: Start) -> None:
    """Eight people vote at once on a task that needs two: every vote is a fact, one answer goes home (Argilla)."""
    node = start("site", votes_least=2, votes_most=2)
    ask(node.http, question(1))
    task = next_task(node.http, "a0")["task"]
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda n: vote(node.http, task, f"a{n}"), range(8)))
    assert max(each["votes"] for each in said) == 8
    assert node.http.get("/v1/status").json()["votes"] == 8
    (delivery,) = until_answers(node.http, DEVICE)
    assert delivery["answer"]["label_index"] == 3
    assert next_task(node.http, "late") is None


def test_scenario_09_skips_do_not_count_as_overlap(start: Start) -> None:
    """Three who skip leave the task open for the fourth, whose word decides (Label Studio PR #3568)."""
    node = start("site")
    ask(node.http, question(1))
    for name in ("a", "b", "c"):
        task = next_task(node.http, name)["task"]
        assert vote(node.http, task, name, "skip") == {
            "task": task, "done": False, "label_index": None, "confidence": 0.0, "votes": 0,
        }  # fmt: skip
    assert vote(node.http, next_task(node.http, "d")["task"], "d")["done"]


def test_scenario_10_no_prediction_yet_still_yields_a_task(start: Start) -> None:
    """A question without candidates, labels or confidence is shown all the same (Label Studio #426)."""
    node = start("site")
    assert ask(node.http, question(1, candidates=(), labels=None, confidence=0.0)).status_code == 202
    task = next_task(node.http, "a")
    assert (task["candidates"], task["labels"]) == ([], None)
    assert vote(node.http, task["task"], "a")["done"]


def test_a_near_deadline_goes_before_a_greater_doubt(start: Start) -> None:
    """Order: what would expire within ten minutes, then uncertainty and age together."""
    node = start("site")
    ask(node.http, question(1, confidence=0.9))
    ask(node.http, question(2, confidence=0.1))
    ask(node.http, question(3, confidence=0.95, deadline_ms=1_000 + 120_000))
    shown = []
    for _ in range(3):
        task = next_task(node.http, "a")
        shown.append(task["input"])
        vote(node.http, task["task"], "a")
    assert [question(n).input for n in (3, 2, 1)] == shown


def test_second_votes_are_blind_and_audits_and_gold_do_not_lead(start: Start) -> None:
    """Who votes second sees nothing of the first vote; audits and gold come without the model's guess, mixed in."""
    node = start("site", votes_least=2, votes_most=3, votes_sure=0.999)
    guess: Any = {"candidates": question(1).from_json(
        {**question(1).to_json(), "candidates": [{"label": "7", "probability": 0.6}]}).candidates}  # fmt: skip
    ask(node.http, question(1, **guess))
    first = next_task(node.http, "a")
    vote(node.http, first["task"], "a")
    second = next_task(node.http, "b")
    assert {**second, "lease_until_ms": 0} == {**first, "lease_until_ms": 0}
    assert second["candidates"] == [{"label": "7", "probability": 0.6}]
    for name in ("b", "c"):
        vote(node.http, second["task"], name)
    ask(node.http, question(2, device=OTHER, audit=True, **guess))
    audit = next_task(node.http, "c")
    assert audit["candidates"] == []
    assert set(audit) == set(first)


def test_undo_takes_the_answer_back_and_a_better_one_goes_home(start: Start) -> None:
    """A vote taken back opens the task again; the new word is a second revision at the asker."""
    node = start("site")
    ask(node.http, question(1))
    task = next_task(node.http, "a")["task"]
    vote(node.http, task, "a", index=3)
    assert node.http.post(f"/v1/desk/{task}/undo", json={"annotator": "a"}).json()["done"] is False
    assert next_task(node.http, "a")["task"] == task
    vote(node.http, task, "a", index=5)
    history = node.http.get(f"/v1/questions/{DEVICE}/1").json()
    assert [(each["revision"], each["label_index"]) for each in history["answers"]] == [(1, 3), (2, 5)]
    assert history["answers"][-1]["annotators"] == ["a"]


def test_gold_is_among_the_tasks_and_goes_to_nobody(start: Start) -> None:
    """A task whose answer is known looks like any other; voting on it answers no question and scores the person."""
    node = start("site", votes_most=3, votes_least=2)
    data = {"input": question(7).input, "model": "digits", "labels": list(LABELS)}
    truth = {"ground_truth": True, "result": [{"type": "choices", "value": {"choices": ["4"]}}]}
    node.http.post("/v1/desk/import", json={"tasks": [{"data": data, "annotations": [truth]}]})
    task = next_task(node.http, "a")
    vote(node.http, task["task"], "a", index=4)
    exported = node.http.get("/v1/desk/export").json()["tasks"]
    assert exported[0]["meta"]["gold"]
    assert node.http.get("/v1/status").json()["unacknowledged"] == 0
