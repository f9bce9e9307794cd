"""What a tier is handed: the time, chance, a link to the next tier, and something that can answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from py_edge.records import Question


class Clock(Protocol):
    """Time, real or simulated."""

    def now_ms(self) -> int:
        """Unix milliseconds; recorded, and used for waiting times only."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""


class Chance(Protocol):
    """Randomness, real or seeded (`random.Random` fits)."""

    def random(self) -> float:
        """In [0, 1)."""

    def getrandbits(self, bits: int, /) -> int:
        """An integer below 2**bits."""


@dataclass(frozen=True)
class Response:
    """What came back for one request."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)  # names in lower case


@dataclass(frozen=True)
class ServerEvent:
    """One event of a stream; `event` is empty for a heartbeat."""

    event: str
    data: str = ""
    id: str = ""


class Network(Protocol):
    """A link to one parent."""

    async def request(self, method: str, path: str, body: bytes | None = None) -> Response:
        """One exchange. Raises NetworkError when no whole response came."""

    def stream(self, path: str) -> AsyncIterator[ServerEvent]:
        """Server-sent events until the stream ends. Raises NetworkError when it breaks or falls silent."""


@dataclass(frozen=True)
class Guess:
    """What an answerer thinks: the label's place, and how likely each label is."""

    label_index: int
    probabilities: Sequence[float]
    model_version: int | None = None


class Answerer(Protocol):
    """Something that can answer by itself: a model, whatever made it."""

    @property
    def threshold(self) -> float:
        """It is sure when the highest probability is at least this."""

    @property
    def labels(self) -> Sequence[str]:
        """All labels, in order."""

    def answer(self, question: Question) -> Guess | tuple[int, Sequence[float]] | None:
        """Its guess; None when the question is not of its kind."""
