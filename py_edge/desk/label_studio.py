"""Label Studio's JSON (classification, one Choices tag): tasks with votes and guesses out, annotations in.

`data.task` is our name of the task, so what comes back finds its place; the tool shows `data.image`, or `data.text`.
An annotation on a known task is a vote like any other, unless its `import_id` says that it was ours; a task we do not
know may bring gold (`ground_truth`). Persons stand in `meta`: the tool refuses an e-mail that it does not know.
Source of the format: Label Studio documentation, "Export annotations", JSON, and "Import pre-annotated data";
label_studio/tasks/serializers.py: BaseTaskSerializerBulk.
"""

from __future__ import annotations

import math
import struct
import zlib
from array import array
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import quoteattr

from py_edge.desk.annotators import votes_of
from py_edge.desk.tasks import add_gold, question_of
from py_edge.desk.verdict import Rules, standing_votes
from py_edge.desk.votes import cast_vote
from py_edge.errors import ModelFormatError, ValueRangeError
from py_edge.records import DEVICE, NAME, PAYLOAD, Question, Vote, digest_of_content
from py_edge.storage.ports import Reading, Row, Transaction
from py_edge.storage.tables import TASKS, VOTES

LEAST_SIDE = 8  # fewer rows or columns are measurements, not pixels
SHOWN_VALUES = 256
_WITHOUT_LABEL = {"cannot tell": "cannot_tell", "none of these": "none_of_these"}
_WORDS = {verdict: words for words, verdict in _WITHOUT_LABEL.items()}
_PNG_KINDS = {1: 0, 3: 2, 4: 6}  # grey, RGB, RGBA
_KINDS = {"float32": "f", "float64": "d", "int32": "i", "uint8": "B", "int8": "b", "bool": "B"}
NOBODY = "0" * 32  # gold has no device


def export_tasks(tx: Reading, limit: int = 10_000) -> list[dict[str, Any]]:
    """Every task as Label Studio imports it, the oldest first."""
    rows = tx.select(TASKS, order=("created_at_ms", "task"), limit=limit)
    return [_exported(tx, number, row) for number, row in enumerate(rows, 1)]


def label_config(tasks: Sequence[Mapping[str, Any]]) -> str:
    """The labelling interface of a project for these tasks: their labels as choices, beside a picture or their numbers."""
    labels = dict.fromkeys(label for task in tasks for label in task["data"]["labels"])
    choices = "".join(f"<Choice value={quoteattr(word)}/>" for word in [*labels, *_WITHOUT_LABEL])
    pictures = all("image" in task["data"] for task in tasks)
    shown = '<Image name="input" value="$image"/>' if pictures else '<Text name="input" value="$text"/>'
    return f'<View>{shown}<Choices name="label" toName="input" choice="single">{choices}</Choices></View>'


def import_tasks(tx: Transaction, tasks: Sequence[Any], now_ms: int, rules: Rules) -> dict[str, int]:
    """Take annotations as votes and unknown ground truth as gold; all of it, or nothing.

    Gives how many {votes, gold, ignored}. Raises ModelFormatError, ValueRangeError with the place.
    """
    found = {"votes": 0, "gold": 0, "ignored": 0}
    for place, task in enumerate(tasks):
        where = f"/{place}"
        if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
            raise ModelFormatError("a task without data", where=where, want="{data, annotations}")
        for index, annotation in enumerate(task.get("annotations") or ()):
            kind = _take(tx, task["data"], annotation, f"{where}/annotations/{index}", now_ms, rules)
            found[kind] += 1
    return found


def _take(
    tx: Transaction, data: Mapping[str, Any], annotation: Any, where: str, now_ms: int, rules: Rules
) -> str:
    if not isinstance(annotation, dict):
        raise ModelFormatError("not an object", where=where, got=type(annotation).__name__)
    row = tx.get(TASKS, str(data.get("task", "")))
    labels = question_of(tx, row)["labels"] if row else data.get("labels")
    verdict, index = _choice_of(annotation, labels or [], where)
    if row is None:
        if not annotation.get("ground_truth") or index is None:
            return "ignored"
        add_gold(tx, _gold_question(data, where), index, now_ms)
        return "gold"
    seconds = annotation.get("lead_time") or 0.0
    said = {"annotator": _who(annotation), "verdict": verdict, "label_index": index, "seconds": seconds}
    vote = Vote.from_json(said, where)
    mine = [cast for cast in standing_votes(votes_of(tx, row["task"])) if cast.annotator == vote.annotator]
    same = (verdict, -1 if index is None else index)
    if _was_ours(tx, annotation, row, same) or (mine and (mine[0].verdict, mine[0].label_index) == same):
        return "ignored"
    cast_vote(tx, row["task"], vote, now_ms, rules)
    return "votes"


def _was_ours(tx: Reading, annotation: Mapping[str, Any], task: Row, said: tuple[str, int]) -> bool:
    """Whether this is a vote of the desk, exported and come back unchanged: it would count twice."""
    number = annotation.get("import_id")
    vote = tx.get(VOTES, number) if isinstance(number, int) else None
    return vote is not None and (vote["task"], vote["verdict"], vote["label_index"]) == (task["task"], *said)


def _choice_of(annotation: Mapping[str, Any], labels: Sequence[str], where: str) -> tuple[str, int | None]:
    if annotation.get("was_cancelled"):
        return "skip", None
    for result in annotation.get("result") or ():
        value = result.get("value") if isinstance(result, dict) else None
        choices = value.get("choices") if isinstance(value, dict) else None
        if isinstance(choices, list) and len(choices) == 1:
            word = choices[0]
            if word in labels:
                return "label", list(labels).index(word)
            if word in _WITHOUT_LABEL:
                return _WITHOUT_LABEL[word], None
            raise ValueRangeError("no such label", where=where, got=word, want=", ".join(labels))
    raise ModelFormatError("no single choice in the result", where=f"{where}/result")


def _who(annotation: Mapping[str, Any]) -> str:
    """Label Studio gives a number, or a person with an e-mail."""
    who = annotation.get("completed_by", "label-studio")
    if isinstance(who, dict):
        who = who.get("email") or who.get("username") or who.get("id") or "label-studio"
    return f"label-studio-{who}" if isinstance(who, int) else str(who)


def _gold_question(data: Mapping[str, Any], where: str) -> Question:
    content = PAYLOAD.read(data.get("input"), f"{where}/data/input")
    model = NAME.read(data.get("model"), f"{where}/data/model")
    digest = digest_of_content(content, model)
    body = {
        "device": DEVICE.read(NOBODY, where),
        "sequence": 1,
        "digest": digest,
        "model": model,
        "input": content,
    }
    return Question.from_json({**body, "labels": data.get("labels")}, where)


def _exported(tx: Reading, number: int, row: Row) -> dict[str, Any]:
    question = question_of(tx, row)
    labels = question["labels"] or []
    data = {"task": row["task"], "model": question["model"], "labels": labels, "input": question["input"]}
    image = picture_of(question["input"], question["rung"])
    cast = {vote["number"]: vote for vote in tx.select(VOTES, ("task", "=", row["task"]))}
    votes = [cast[vote.number] for vote in standing_votes(votes_of(tx, row["task"]))]
    best = max(question["candidates"], key=lambda each: each["probability"], default=None)
    guess = {"model_version": f"{question['model']} v{question['model_version']}", "score": best["probability"],
             "result": _result(best["label"])} if best else None  # fmt: skip
    return {
        "id": number,
        "data": {**data, "text": _written(question["input"]), **({"image": image} if image else {})},
        "annotations": [_annotation(vote, labels) for vote in votes],
        "predictions": [guess] if guess else [],
        "meta": {
            "state": row["state"],
            "gold": bool(row["gold"]),
            "hops": question["hops"],
            "rung": question["rung"],
            "annotators": {str(vote["number"]): vote["annotator"] for vote in votes},
        },
    }


def _annotation(vote: Row, labels: Sequence[str]) -> dict[str, Any]:
    index, verdict = vote["label_index"], vote["verdict"]
    word = (labels[index] if index < len(labels) else str(index)) if index >= 0 else _WORDS.get(verdict, "")
    return {
        "id": vote["number"],
        "result": _result(word) if word else [],
        "was_cancelled": verdict == "skip",
        "ground_truth": False,
        "lead_time": vote["seconds"],
        "created_at": datetime.fromtimestamp(vote["at_ms"] / 1000, UTC).isoformat(),
    }


def _result(word: str) -> list[dict[str, Any]]:
    return [{"from_name": "label", "to_name": "input", "type": "choices", "value": {"choices": [word]}}]


def _written(wire: Mapping[str, Any]) -> str:
    """The first values as text, for an input that is no picture."""
    values = array(_KINDS[wire["dtype"]], b64decode(wire["data"]))
    more = f" … {len(values)} values" if len(values) > SHOWN_VALUES else ""
    return " ".join(f"{value:.4g}" for value in values[:SHOWN_VALUES]) + more


def plane_of(shape: Sequence[int], rung: str = "input") -> tuple[int, int, int] | None:
    """Height, width and colours, or None for what is no picture: a batch of one, channels last; a flat square is grey."""
    sizes = list(shape[1:] if len(shape) > 1 and shape[0] == 1 else shape)
    if len(sizes) == 1 and math.isqrt(sizes[0]) ** 2 == sizes[0]:
        sizes = [math.isqrt(sizes[0])] * 2
    if rung == "features" or len(sizes) not in (2, 3) or min(sizes[:2]) < LEAST_SIDE:
        return None
    height, width, channels = [*sizes, 1][:3]
    return (height, width, channels) if channels in (1, 3, 4) else None


def picture_of(wire: Mapping[str, Any], rung: str = "input") -> str:
    """A PNG as a data URI, values scaled to what occurs; empty when the input is no picture."""
    plane = plane_of(wire["shape"], rung)
    if plane is None or max(plane) > 4096:
        return ""
    height, width, channels = plane
    values = array(_KINDS[wire["dtype"]], b64decode(wire["data"]))
    finite = [value if math.isfinite(value) else 0 for value in values]
    low, high = min(finite), max(finite)
    levels = bytes(int(255 * (value - low) / (high - low or 1)) for value in finite)
    rows = b"".join(
        b"\0" + levels[at : at + width * channels] for at in range(0, len(levels), width * channels)
    )
    header = struct.pack(">IIBBBBB", width, height, 8, _PNG_KINDS[channels], 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in parts
    )
    return "data:image/png;base64," + b64encode(png).decode()
