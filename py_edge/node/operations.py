"""What every operation takes and gives, one row each by the name of its handler; the OpenAPI document is made from it.

Whatever a record or a table declares already is taken from there. To add an operation: its route in `app.API`, then
its row here; a test asks a real node and holds what comes back against these rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from py_edge.chain import batch
from py_edge.fields import Field, boolean, integer, many, number, text
from py_edge.node.bodies import JSON
from py_edge.records import (
    DEVICE,
    DIGEST,
    MAX_SEQUENCE,
    NAME,
    STATES,
    Answer,
    Example,
    Question,
    Receipt,
    Record,
    Release,
    Transition,
    Vote,
)
from py_edge.storage.tables import DEAD_LETTERS

Schema = Mapping[str, Any]
RECORDS: tuple[type[Record], ...] = (Question, Answer, Receipt, Transition, Release, Example, Vote)
EVENTS = "text/event-stream"
ANY: Schema = {}
NOTHING: Schema = {"type": "null"}
OBJECT: Schema = {"type": "object"}
TEXT: Schema = {"type": "string"}
NUMBER: Schema = number().schema
COUNT: Schema = integer().schema
TIME_MS: Schema = COUNT
VERSION = integer(1, 1 << 31)
REASON = text(longest=200)
_SQL: Mapping[str, Schema] = {"text": TEXT, "integer": {"type": "integer"}, "real": NUMBER}


def of(kind: type[Record]) -> Schema:
    """A record, by its name among the components."""
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def fields(**properties: Schema | Field) -> Schema:
    """An object that has all of these."""
    schemas = {n: p.schema if isinstance(p, Field) else p for n, p in properties.items()}
    return {"type": "object", "required": [*schemas], "properties": schemas}


def may_have(known: Schema, **properties: Schema | Field) -> Schema:
    """The same object, which may have these too."""
    return both(known, {**fields(**properties), "required": []})


def both(one: Schema, other: Schema) -> Schema:
    """An object with what both have."""
    required = [*one["required"], *other["required"]]
    return {
        "type": "object",
        "required": required,
        "properties": {**one["properties"], **other["properties"]},
    }


def maybe(*schemas: Schema) -> Schema:
    """One of these, or null."""
    return {"anyOf": [*schemas, NOTHING]}


def listed(each: Schema) -> Schema:
    """A list of these."""
    return {"type": "array", "items": each}


def counted(each: Schema = COUNT) -> Schema:
    """Numbers by some name."""
    return {"type": "object", "additionalProperties": each}


def always(word: str) -> Schema:
    """This word."""
    return {"const": word}


@dataclass(frozen=True)
class Operation:
    """replies: schema by status, None where there is no body; query: what may stand in the query string; body: what is sent, None for nothing."""

    replies: Mapping[int, Schema | None]
    query: Mapping[str, Field] = field(default_factory=dict)
    body: Schema | None = None
    media: tuple[str, ...] = (JSON,)  # of the replies


# What stands in paths, by its name there.
PATH_PARTS: Mapping[str, Schema] = {
    "device": DEVICE.schema,
    "sequence": integer(1, MAX_SEQUENCE).schema,
    "name": NAME.schema,
    "version": VERSION.schema,
    "sha256": DIGEST.schema,
    "number": integer(1).schema,
    "task": text("[0-9a-f]{32}", longest=32).schema,
    "path": TEXT,
}
_ASKER = {"device": DEVICE, "node": NAME, "after": integer(0, MAX_SEQUENCE)}
_PERSON = text(longest=64)
_OUTCOME = fields(device=DEVICE, sequence=integer(1), state={"enum": [*STATES]})
_DELIVERY = fields(event=integer(1), answer=maybe(of(Answer)), outcome=maybe(_OUTCOME))
_SENDING = fields(kind=TEXT, attempts=COUNT, reason=TEXT, next_try_ms=TIME_MS)
_HISTORY = both(
    Receipt.schema(),
    fields(
        question=of(Question),
        transitions=listed(of(Transition)),
        answers=listed(of(Answer)),
        sending=listed(_SENDING),
    ),
)
_TASK = fields(
    task=PATH_PARTS["task"], lease_until_ms=TIME_MS, deadline_ms=maybe(TIME_MS),
    **{word: Question.schema()["properties"][word] for word in ("input", "rung", "candidates", "labels", "model")},
)  # fmt: skip
_VERDICT = fields(
    task=PATH_PARTS["task"], done=boolean(), label_index=maybe(COUNT), confidence=number(0, 1), votes=COUNT
)  # fmt: skip
_GATE = may_have(
    fields(name=NAME, decision=TEXT, at_ms=TIME_MS, ms=COUNT, reason=TEXT, metrics=OBJECT, version=maybe(COUNT)),
    from_version=COUNT, to_version=COUNT,
)  # fmt: skip
_LETTER = fields(**{name: _SQL[kind] for name, kind in DEAD_LETTERS.columns.items()} | {"body": of(Question)})
_ANNOTATOR = fields(
    name=TEXT, votes=COUNT, judged=COUNT, gold=COUNT, agreement=maybe(number(0, 1).schema), skill=number(0, 1)
)  # fmt: skip
_MODEL = fields(
    name=NAME, version=integer(1), digest=DIGEST, released_at_ms=TIME_MS, metrics=maybe(OBJECT),
    threshold=maybe(NUMBER), certificate=maybe(OBJECT),
)  # fmt: skip
_STATUS = fields(
    name=NAME, level=COUNT, version=TEXT, now_ms=TIME_MS, started_ms=TIME_MS, listening=COUNT, missing=COUNT, trouble=TEXT,
    parent=maybe(fields(url=TEXT, failures=COUNT)), children=listed(fields(name=NAME, seen_ms=TIME_MS)),
    questions=fields(**dict.fromkeys(STATES, COUNT)), answered_by=counted(), answered_by_tier=counted(),
    asked_by_child=counted(),
    waiting=listed(fields(question=TEXT, place=maybe(COUNT), estimate_s=maybe(NUMBER))),
    outbox=COUNT, outbox_oldest_ms={"type": "integer"}, outbox_retrying=COUNT, dead_letters=COUNT,
    unacknowledged=COUNT, tasks_open=COUNT, votes=COUNT, annotators=listed(_ANNOTATOR), examples=COUNT, gates=listed(_GATE), rollbacks=counted(),
    models=listed(_MODEL),
)  # fmt: skip
_FILE = Operation({200: ANY, 206: ANY, 304: None, 416: None}, media=("application/octet-stream", JSON))
_STREAM = Operation({200: TEXT}, media=(EVENTS,))

_REPLY_TO_ONE = fields(
    status=integer(200, 599), receipt=maybe(of(Receipt)), problem=maybe({"$ref": "#/components/schemas/Problem"}),
    retry_after_s=COUNT,
)  # fmt: skip

OPERATIONS: Mapping[str, Operation] = {
    "post_questions": Operation(
        {200: listed(_REPLY_TO_ONE)}, body={**listed(of(Question)), "maxItems": batch.MOST}
    ),
    "put_question": Operation({200: of(Receipt), 202: of(Receipt)}, body=of(Question)),
    "get_question": Operation({200: _HISTORY}),
    "erase_question": Operation({200: of(Receipt)}),
    "erase_device": Operation({200: fields(erased=COUNT)}),
    "cancel_question": Operation({200: of(Receipt)}),
    "poll_answers": Operation(
        {200: fields(answers=listed(_DELIVERY), next=COUNT)}, _ASKER | {"limit": integer(1, 1000)}
    ),
    "stream_answers": Operation({200: TEXT}, _ASKER, media=(EVENTS,)),
    "acknowledge": Operation(
        {200: fields(acknowledged=COUNT)},
        body=may_have(fields(events=many(integer(1), most=1000)), device=DEVICE, node=NAME),
    ),
    "put_example": Operation({202: fields(state=always("kept"))}, body=of(Example)),
    "list_models": Operation({200: fields(models=listed(of(Release)))}),
    "stream_models": _STREAM,
    "get_model": Operation({200: of(Release), 304: None}),
    "list_versions": Operation({200: fields(versions=listed(of(Release)))}),
    "post_retrain": Operation({202: fields(queued=boolean())}),
    "post_rollback": Operation({201: of(Release)}, body=may_have(fields(to_version=VERSION), reason=REASON)),
    "get_version": Operation({200: of(Release)}),
    "get_file": _FILE,
    "get_blob": _FILE,
    "next_task": Operation({200: fields(task=maybe(_TASK), waiting=COUNT)}, {"annotator": _PERSON}),
    "export_desk": Operation({200: fields(tasks=listed(OBJECT), label_config=TEXT)}),
    "import_desk": Operation(
        {200: fields(votes=COUNT, gold=COUNT, ignored=COUNT)}, body=fields(tasks=listed(OBJECT))
    ),
    "stream_desk": _STREAM,
    "post_vote": Operation({200: _VERDICT}, body=of(Vote)),
    "post_undo": Operation({200: _VERDICT}, body=fields(annotator=_PERSON)),
    "get_status": Operation({200: _STATUS}),
    "get_table": Operation({200: TEXT}, media=("text/html",)),
    "stream_status": _STREAM,
    "list_gates": Operation({200: fields(gates=listed(_GATE))}),
    "list_dead_letters": Operation({200: fields(dead_letters=listed(_LETTER))}),
    "replay": Operation({202: fields(state=always("queued"))}),
    "healthz": Operation({200: fields(status=always("alive"))}),
    "readyz": Operation({200: fields(status=always("ready"), name=NAME)}),
    "metrics": Operation({200: TEXT}, media=("text/plain",)),
    "get_openapi": Operation(
        {200: fields(openapi=TEXT, info=OBJECT, paths=OBJECT, components=OBJECT, security=listed(OBJECT))}
    ),
}
