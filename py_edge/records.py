"""What crosses a border: frozen records, each field with its meaning, its check and its JSON schema in one row.

The same words stand in SQL, JSON and TypeScript. `from_json` believes nothing and names the place of what is
wrong as a JSON pointer; unknown fields mean nothing here and are handed on as they came, so that a newer writer and a
newer reader understand each other through an older node between them.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, ClassVar, Self

from py_edge.errors import IntegrityError, ModelFormatError
from py_edge.fields import (
    MAX_SAFE_INTEGER,
    Field,
    boolean,
    canonical_json,
    canonical_payload,
    free_object,
    integer,
    many,
    number,
    one_of,
    optional,
    payload,
    text,
)

# Every state of a question and where it may go from there; SQL, JSON and TypeScript use these words.
TRANSITIONS: Mapping[str, tuple[str, ...]] = {
    "asked": ("answered", "unresolved", "erased"),
    "unresolved": ("queued", "answered", "expired", "cancelled", "failed", "erased"),
    "queued": ("working", "answered", "expired", "cancelled", "failed", "erased"),
    "working": ("answered", "queued", "expired", "cancelled", "failed", "erased"),
    "answered": ("erased",),
    "expired": ("answered", "erased"),  # a late answer is still an answer
    "cancelled": ("erased",),
    "failed": ("queued", "answered", "erased"),  # a dead letter can be replayed
    "erased": (),  # a tombstone: its content is gone and never comes back
}
STATES = tuple(TRANSITIONS)
ERASED = "erased"
TERMINAL = ("answered", "expired", "cancelled", "failed", ERASED)
HOP_LIMIT = 8
MAX_SEQUENCE = MAX_SAFE_INTEGER
RUNGS = ("input", "crop", "features")
NO_LABEL = 1 << 31  # the label_index of what is none of the labels: whoever gave it one was wrong
MOST_UNKNOWN_BYTES = 4096  # what a newer writer says besides, per record; more of it is left out
_UNKNOWN = "_unknown"  # where a record holds that; there is no such entry when there is none
_OURS = ("seal",)  # added to what is kept on the disk
VERDICTS = ("label", "skip", "cannot_tell", "none_of_these")

DEVICE = text("[0-9a-f]{16,64}", longest=64)
DIGEST = text("[0-9a-f]{64}", longest=64)
NAME = text("[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", longest=64)
LABEL = text(longest=200)
TIME = integer()
PAYLOAD = payload()
METADATA = free_object(limit_bytes=1 << 20)


def row(check: Field, meaning: str, **default: Any) -> Any:
    """One field of a record: how it is checked and what it means."""
    return dataclasses.field(metadata={"check": check, "meaning": meaning}, **default)


@dataclass(frozen=True)
class Record:
    """The base: JSON in and out by the rows of the class."""

    name_on_wire: ClassVar[str] = ""

    @classmethod
    def from_json(cls, value: Any, where: str = "") -> Self:
        """Read an untrusted JSON object. Raises ModelFormatError or a child of it, with the pointer."""
        if not isinstance(value, dict):
            raise ModelFormatError(
                "not an object", where=where or "/", got=type(value).__name__, want="object"
            )
        found, left_out = {}, 0
        for name, pointer, check, default in cls._rows():
            if name in value:
                found[name] = check.read(value[name], where + pointer)
            elif default is not dataclasses.MISSING:
                found[name] = default
                left_out += 1
            else:
                raise ModelFormatError("missing", where=where + pointer, want=dict(check.schema))
        if len(value) > len(found) - left_out:
            found |= _kept(
                {name: entry for name, entry in value.items() if name not in found and name not in _OURS}
            )
        record = cls._made_of(found)
        record.check(where)
        return record

    @classmethod
    def _made_of(cls, values: Mapping[str, Any]) -> Self:
        """A record of exactly these; the __init__ of a frozen class sets field after field, which is slow."""
        record = object.__new__(cls)
        record.__dict__.update(values)
        return record

    @classmethod
    @functools.cache
    def _rows(cls) -> list[tuple[str, str, Field, Any]]:
        """Name, its JSON pointer, check and default (or dataclasses.MISSING) of each field."""
        return [(f.name, f"/{f.name}", f.metadata["check"], f.default) for f in dataclasses.fields(cls)]

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """The record as JSON schema."""
        fields = dataclasses.fields(cls)
        rows = cls._rows()
        return {
            "type": "object",
            "description": (cls.__doc__ or "").strip().splitlines()[0],
            "required": [name for name, *_, default in rows if default is dataclasses.MISSING],
            "properties": {
                f.name: {**f.metadata["check"].schema, "description": f.metadata["meaning"]} for f in fields
            },
        }

    def check(self, where: str = "") -> None:
        """What no single field can check; nothing by default."""

    def to_json(self) -> dict[str, Any]:
        """The record as plain JSON values."""
        return {
            name: _plain(value) if isinstance(value, (tuple, Record)) else value
            for name, value in self._entries().items()
        }

    def canonical(self) -> bytes:
        """`canonical_json` of the record."""
        return canonical_json(self._entries())

    def _entries(self) -> dict[str, Any]:
        known = self.__dict__
        if _UNKNOWN not in known:
            return known
        return {**known[_UNKNOWN], **{name: value for name, value in known.items() if name != _UNKNOWN}}

    def but(self, **changes: Any) -> Self:
        """The same record with other values in some fields. Raises TypeError when there is no such field."""
        if not changes.keys() <= self.__dict__.keys():
            raise TypeError(
                f"{type(self).__name__} has no {', '.join(changes.keys() - self.__dict__.keys())}"
            )
        return self._made_of({**self.__dict__, **changes})


def nested(kind: type[Record]) -> Field:
    """A record inside a record."""
    return Field(kind.schema(), lambda value, where: kind.from_json(value, where))


def _kept(unknown: dict[str, Any]) -> dict[str, Any]:
    """An entry that holds what is unknown; none when it is too long, or nothing that JSON can say again."""
    try:
        size = len(canonical_json(unknown))
    except (TypeError, ValueError, RecursionError):
        return {}
    return {_UNKNOWN: unknown} if unknown and size <= MOST_UNKNOWN_BYTES else {}


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        return value.to_json()
    return [_plain(entry) for entry in value] if isinstance(value, tuple) else value


@dataclass(frozen=True)
class Candidate(Record):
    """A label that the asker thought of, with its probability."""

    label: str = row(LABEL, "the label")
    probability: float = row(number(0, 1), "how likely the asker found it")


@dataclass(frozen=True)
class Question(Record):
    """Something that a tier was not sure of, on its way up. Its id is (device, sequence)."""

    device: str = row(DEVICE, "who asks: random 128 bit as hex, made once by the device")
    sequence: int = row(integer(1), "counts up on the device; the same question sent again has the same")
    digest: str = row(DIGEST, "sha256 of the canonical JSON of {input, model}")
    model: str = row(NAME, "name of the model that was not sure")
    input: Mapping[str, Any] = row(PAYLOAD, "what was seen, as {shape, dtype, data}")
    model_version: int = row(integer(), "its version", default=0)
    rung: str = row(one_of(*RUNGS), "how much of the input was sent", default="input")
    candidates: tuple[Candidate, ...] = row(
        many(nested(Candidate), most=100), "best guesses so far", default=()
    )
    confidence: float = row(number(0, 1), "calibrated confidence of the asker", default=0.0)
    labels: tuple[str, ...] | None = row(
        optional(many(LABEL, most=10_000)), "all labels, in order", default=None
    )
    asked_at_ms: int = row(TIME, "clock of the device, Unix milliseconds; recorded, never trusted", default=0)
    deadline_ms: int | None = row(optional(TIME), "an answer later than this is worth nothing", default=None)
    patience_ms: int | None = row(
        optional(TIME), "how long the asker waits for a better answer", default=None
    )
    hops: tuple[str, ...] = row(many(NAME, most=HOP_LIMIT), "nodes passed so far", default=())
    trace: str = row(text("[0-9a-f-]{0,64}", longest=64), "one id over all tiers", default="")
    audit: bool = row(
        boolean(), "a confident answer checked at random; models do not answer it", default=False
    )

    @property
    def id(self) -> str:
        """`device:sequence`."""
        return f"{self.device}:{self.sequence}"

    def check(self, where: str = "") -> None:
        """The digest must be the digest of the content."""
        content = f'{{"input":{canonical_payload(self.input)},"model":"{self.model}"}}'
        wanted = sha256(content.encode()).hexdigest()
        if self.digest != wanted:
            raise IntegrityError(
                "digest is not that of the content", where=f"{where}/digest", got=self.digest, want=wanted
            )

    def canonical(self) -> bytes:
        """See Record; the input, nearly all of it, is put in as it is, for the last mark: no string can hold it unescaped,
        and behind it stand only strings and numbers.
        """
        if _UNKNOWN in self.__dict__:
            return super().canonical()
        before, _, after = canonical_json({**self.__dict__, "input": None}).rpartition(b'"input":null')
        return b"".join((before, b'"input":', canonical_payload(self.input).encode(), after))


@dataclass(frozen=True)
class Answer(Record):
    """What came home for a question. A better one later has a higher revision."""

    device: str = row(DEVICE, "who asked")
    sequence: int = row(integer(1), "its number on the device")
    revision: int = row(integer(1), "1 first; of those with one numbered_by the highest counts")
    label: str | None = row(
        optional(LABEL), "the label; null when a person found none that fits", default=None
    )
    label_index: int | None = row(optional(integer(0, 1 << 31)), "its place among the labels", default=None)
    source: str = row(
        text("[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"), "device, person, or the name of a node", default="device"
    )
    tier: int = row(integer(0, 99), "0 device, then nodes upward; a person is 99", default=0)
    confidence: float = row(number(0, 1), "of the one who answered", default=1.0)
    provisional: bool = row(boolean(), "best so far; the climb goes on", default=False)
    model_version: int | None = row(
        optional(integer()), "version that answered, if a model did", default=None
    )
    annotators: tuple[str, ...] = row(
        many(text(longest=64), most=100), "persons whose votes count", default=()
    )
    answered_at_ms: int = row(TIME, "clock of the one who answered", default=0)
    numbered_by: str = row(
        text("[0-9a-f]{0,16}", longest=16), "whose count `revision` is: a node that lost its disk counts anew",
        default="",
    )  # fmt: skip
    hops: tuple[str, ...] = row(many(NAME, most=2 * HOP_LIMIT), "nodes passed on the way home", default=())

    @property
    def id(self) -> str:
        """`device:sequence`."""
        return f"{self.device}:{self.sequence}"


@dataclass(frozen=True)
class Transition(Record):
    """One step of a question; steps are only ever added."""

    number: int = row(integer(1), "1 first, per question and node")
    state: str = row(one_of(*STATES), "the state entered")
    at_ms: int = row(TIME, "clock of the node")
    reason: str = row(text(longest=500), "why, for people", default="")


ANSWER = optional(nested(Answer))


@dataclass(frozen=True)
class Receipt(Record):
    """What the asker hears at once."""

    state: str = row(one_of(*STATES), "where the question stands")
    place: int | None = row(optional(integer()), "questions to be answered before this one", default=None)
    estimate_s: float | None = row(
        optional(number(0)), "honest guess of the wait; null when unknown", default=None
    )
    answer: Answer | None = row(ANSWER, "the best answer so far", default=None)  # noqa: RUF009
    event: int | None = row(optional(integer()), "acknowledge this when the answer is taken", default=None)
    owner: str = row(
        text("[A-Za-z0-9_.-]{0,63}", longest=64),
        "the node that will finalise it; empty while unknown",
        default="",
    )


@dataclass(frozen=True)
class Example(Record):
    """A question with its answer, to learn from."""

    device: str = row(DEVICE, "who asked")
    sequence: int = row(integer(1), "its number on the device")
    model: str = row(NAME, "the model that asked")
    input: Mapping[str, Any] = row(PAYLOAD, "what was seen")
    label_index: int = row(integer(0, NO_LABEL), "what it is; 2147483648 in an audit: none of the labels")
    label: str | None = row(optional(LABEL), "the label in words", default=None)
    source: str = row(text(longest=64), "person, a node, or device", default="person")
    tier: int = row(integer(0, 99), "of the source", default=99)
    weight: float = row(number(0, 1), "how much to believe it", default=1.0)
    audit: bool = row(boolean(), "came from a random audit", default=False)
    annotators: tuple[str, ...] = row(
        many(text(longest=64), most=100), "for unlearning a bad source", default=()
    )
    at_ms: int = row(TIME, "when it became an example here", default=0)


@dataclass(frozen=True)
class Vote(Record):
    """What one person said about one task; votes are facts and are only ever added."""

    annotator: str = row(text("[^\\s].{0,63}", longest=64), "who")
    verdict: str = row(one_of(*VERDICTS), "a label, or why there is none", default="label")
    label_index: int | None = row(
        optional(integer(0, 1 << 31)), "the label, when verdict is label", default=None
    )
    seconds: float = row(number(0, 86_400), "time spent", default=0.0)

    def check(self, where: str = "") -> None:
        """A label vote names a label, the others do not."""
        if (self.verdict == "label") != (self.label_index is not None):
            raise ModelFormatError("label_index goes with verdict label only", where=f"{where}/label_index")


@dataclass(frozen=True)
class ReleaseFile(Record):
    """One file of a release; its bytes are found by their digest."""

    path: str = row(
        text("[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}(/[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}){0,3}"),
        "name in the folder",
    )
    size: int = row(integer(0, 2 << 30), "bytes")
    sha256: str = row(DIGEST, "of the bytes")


@dataclass(frozen=True)
class Release(Record):
    """One version of a model: files by digest, and what is known about it."""

    name: str = row(NAME, "the model")
    version: int = row(integer(1, 1 << 31), "counts up; a rollback is a new version with old files")
    digest: str = row(DIGEST, "sha256 of the canonical JSON of {files, metadata}")
    files: tuple[ReleaseFile, ...] = row(many(nested(ReleaseFile), most=1024), "what it consists of")
    metadata: Mapping[str, Any] = row(METADATA, "labels, temperature, threshold, parent_digest, metrics")
    released_at_ms: int = row(TIME, "clock of the releasing node", default=0)

    def check(self, where: str = "") -> None:
        """The digest must be that of files and metadata."""
        wanted = digest_of_release(self.files, self.metadata)
        if self.digest != wanted:
            raise IntegrityError(
                "digest is not that of the content", where=f"{where}/digest", got=self.digest, want=wanted
            )


def digest_of_content(content: Mapping[str, Any], model: str) -> str:
    """What binds a question's id to its content; equal questions have equal digests."""
    return sha256(canonical_json({"input": content, "model": model})).hexdigest()


def digest_of_release(files: tuple[ReleaseFile, ...], metadata: Mapping[str, Any]) -> str:
    """What names a release whoever hands it on."""
    return sha256(
        canonical_json({"files": [_named(file) for file in files], "metadata": metadata})
    ).hexdigest()


def _named(file: ReleaseFile) -> dict[str, Any]:
    return {"path": file.path, "size": file.size, "sha256": file.sha256}
