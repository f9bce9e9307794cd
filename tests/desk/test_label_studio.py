"""Label Studio's JSON: out with picture, votes and guesses; in as votes and gold, all of it or nothing."""

from __future__ import annotations

import dataclasses
import json
import zlib
from base64 import b64decode
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from py_edge.cli import main
from py_edge.desk.label_studio import picture_of, plane_of
from py_edge.records import Candidate, digest_of_content
from tests.node.asking import DEVICE, LABELS, ask, content, question, until_answers, work_desk
from tests.node.conftest import LiveNode, Start


def annotated(task: dict[str, Any], *choices: str, **more: Any) -> dict[str, Any]:
    """The task as Label Studio exports it after one person's click; the names are those of its documentation."""
    value = {"type": "choices", "from_name": "label", "to_name": "input", "value": {"choices": list(choices)}}
    annotation = {"id": 1, "completed_by": 4, "result": [value], "lead_time": 2.5, "was_cancelled": False,
                  "ground_truth": False} | more  # fmt: skip
    return {"id": task.get("id", 1), "data": task["data"], "annotations": [annotation]}


def post(node: LiveNode, *tasks: Any) -> Any:
    """Import."""
    return node.http.post("/v1/desk/import", json={"tasks": list(tasks)})


def test_an_annotation_made_elsewhere_goes_home_as_an_answer(start: Start) -> None:
    """Export, one choice in the other tool, import: the device has its answer; the same file again changes nothing."""
    node = start("site")
    ask(node.http, question(1))
    (task,) = node.http.get("/v1/desk/export").json()["tasks"]
    assert task["annotations"] == []
    assert post(node, annotated(task, "7")).json() == {"votes": 1, "gold": 0, "ignored": 0}
    (delivery,) = until_answers(node.http, DEVICE)
    assert (delivery["answer"]["label"], delivery["answer"]["annotators"]) == ("7", ["label-studio-4"])
    assert post(node, annotated(task, "7")).json() == {"votes": 0, "gold": 0, "ignored": 1}
    (task,) = node.http.get("/v1/desk/export").json()["tasks"]
    assert task["annotations"][0]["result"][0]["value"] == {"choices": ["7"]}
    assert task["annotations"][0]["lead_time"] == 2.5


def test_what_is_wrong_changes_nothing_and_is_named(start: Start) -> None:
    """One bad annotation among good ones: 4xx with the place, and not one vote kept."""
    node = start("site")
    for sequence in (1, 2):
        ask(node.http, question(sequence))
    good, bad = node.http.get("/v1/desk/export").json()["tasks"]
    for choices, code in ((("eleven",), "E_VALUE"), (("1", "2"), "E_FORMAT"), ((), "E_FORMAT")):
        answer = post(node, annotated(good, "1"), annotated(bad, *choices))
        assert (answer.status_code // 100, answer.json()["code"]) == (4, code)
        assert answer.json()["where"].startswith("/1/annotations/0")
    assert post(node, {"no": "data"}).json()["where"] == "/0"
    assert node.http.get("/v1/status").json()["votes"] == 0


def test_ground_truth_of_unknown_tasks_becomes_gold(start: Start) -> None:
    """A task with input, model and labels, marked as ground truth, is mixed in as gold; without the mark ignored."""
    node = start("site")
    data = {"input": content(*range(64)), "model": "digits", "labels": list(LABELS)}
    told = post(
        node,
        annotated({"data": data}, "4", ground_truth=True),
        annotated({"data": data | {"input": content(1.0)}}, "4"),
    )
    assert told.json() == {"votes": 0, "gold": 1, "ignored": 1}
    assert work_desk(node.http, lambda task: 4) == 1


def test_the_verb_moves_files(start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`py-edge desk export` and `import` against a running node; a refusal is one sentence."""
    node, file = start("site"), tmp_path / "tasks.json"
    ask(node.http, question(1))
    assert main(["desk", "export", str(file), "--node", node.url]) == 0
    tasks = json.loads(file.read_text())
    assert '<Choice value="9"/>' in file.with_suffix(".xml").read_text()
    file.write_text(json.dumps([annotated(task, "none of these") for task in tasks]))
    assert main(["desk", "import", str(file), "--node", node.url]) == 0
    assert "1 votes" in capsys.readouterr().err
    assert until_answers(node.http, DEVICE)[0]["answer"]["label"] is None
    file.write_text(json.dumps([annotated(task, "eleven") for task in tasks]))
    assert main(["desk", "import", str(file), "--node", node.url]) == 1
    said = capsys.readouterr().err
    assert "eleven" in said
    assert "[E_VALUE]" in said


def test_a_picture_is_a_png_of_the_right_size() -> None:
    """64 values make 8 by 8 grey pixels, dark to light; what has no two sides makes none."""
    png = b64decode(picture_of(content(*range(64))).partition(",")[2])
    assert png[16:26] == (8).to_bytes(4) * 2 + b"\x08\x00"
    size = int.from_bytes(png[33:37])
    rows = zlib.decompress(png[41 : 41 + size])
    assert [rows[9 * row + 1 : 9 * row + 9] for row in range(8)] == [
        bytes(int(255 * (8 * row + column) / 63) for column in range(8)) for row in range(8)
    ]
    assert picture_of(content(1.0, 2.0)) == ""


def test_what_has_the_shape_of_a_picture_is_one() -> None:
    """Grey, colours and transparency, batch of one or none, no square needed; measurements and features are none."""
    assert plane_of([1, 24, 40, 3]) == (24, 40, 3)
    assert plane_of([96, 96, 1]) == (96, 96, 1)
    assert plane_of([1, 43, 232]) == (43, 232, 1)
    assert plane_of([1, 8, 8, 4]) == (8, 8, 4)
    assert [
        plane_of(shape) for shape in ([1, 4], [1, 20, 3], [5, 0], [0], [], [2, 8, 8, 3], [1, 8, 8, 2])
    ] == [None] * 7
    assert plane_of([1, 1024]) == (32, 32, 1)
    assert plane_of([1, 1024], "features") is None


def test_what_is_no_picture_goes_out_as_its_numbers(start: Start) -> None:
    """Four measurements: a text, and an interface that shows a text; an empty tensor does no harm."""
    node = start("site")
    empty = {"shape": [5, 0], "dtype": "float32", "data": ""}
    ask(node.http, question(1, 5.1, 3.5, 1.4, 0.2))
    ask(node.http, dataclasses.replace(question(2), input=empty, digest=digest_of_content(empty, "digits")))
    found = node.http.get("/v1/desk/export").json()
    assert [task["data"]["text"] for task in found["tasks"]] == ["5.1 3.5 1.4 0.2", ""]
    assert [each.attrib for each in ElementTree.fromstring(found["label_config"]).iter("Text")] == [
        {"name": "input", "value": "$text"}
    ]


def test_a_vote_of_the_desk_survives_the_other_tool(start: Start) -> None:
    """Out, taken in as its importer's with our number as import_id, out again unchanged: not a second vote; changed: one."""
    node = start("site", votes_most=3, votes_least=2)
    ask(node.http, question(1))
    assert work_desk(node.http, lambda task: 7) == 1
    (task,) = node.http.get("/v1/desk/export").json()["tasks"]
    (annotation,) = task["annotations"]
    assert "completed_by" not in annotation
    assert task["meta"]["annotators"] == {str(annotation["id"]): "ann"}
    back = annotation | {"id": 41, "import_id": annotation["id"], "completed_by": 1}
    assert post(node, task | {"annotations": [back]}).json() == {"votes": 0, "gold": 0, "ignored": 1}
    changed = annotated(task, "3")["annotations"][0] | {"import_id": annotation["id"]}
    assert post(node, task | {"annotations": [changed]}).json() == {"votes": 1, "gold": 0, "ignored": 0}
    assert node.http.get("/v1/status").json()["votes"] == 2


def test_the_interface_names_every_label_once(start: Start) -> None:
    """All labels as choices, quoted for XML, then what a person says instead of one; results point at its names."""
    node = start("site")
    labels = ('say "a" & <b>', "7")
    ask(node.http, question(1, *map(float, range(64)), labels=labels, candidates=(Candidate("7", 0.5),)))
    found = node.http.get("/v1/desk/export").json()
    view = ElementTree.fromstring(found["label_config"])
    assert [each.attrib["value"] for each in view.iter("Choice")] == [*labels, "cannot tell", "none of these"]
    (guess,) = found["tasks"][0]["predictions"][0]["result"]
    (choices,), (image,) = view.iter("Choices"), view.iter("Image")
    assert (guess["from_name"], guess["to_name"]) == (choices.attrib["name"], choices.attrib["toName"])
    assert image.attrib == {"name": guess["to_name"], "value": "$image"}
