"""The watch after a release: audits that came later, against its promise; a version that breaks it goes by itself.

Nobody trained on these audits or certified with them. We bet against the promise: an error multiplies the stake by
q/p, a right answer by (1-q)/(1-p), where p is the promised risk and q three times that. While the promise holds, the
stake reaches 1/alpha with chance alpha at most, however often one looks.
Source: Wald 1945, Sequential Tests of Statistical Hypotheses, sec. 3; the bound for every moment at once: Ville 1939.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from py_edge.chain.ports import Guess
from py_edge.confidence.certify import NEVER_SURE
from py_edge.confidence.policy import Promise
from py_edge.confidence.scores import score, to_probabilities
from py_edge.fields import canonical_json
from py_edge.records import Example, Release
from py_edge.retrain.dataset import load_dataset
from py_edge.retrain.job import KIND, Retrainer
from py_edge.retrain.learner import Owned
from py_edge.retrain.release import current, read_files, versions
from py_edge.retrain.rollback import roll_back
from py_edge.storage.ports import Reading, Transaction
from py_edge.storage.tables import EXAMPLES, GATES

ALPHA = 0.01
WORSE = 3.0  # so many times the promised risk is what we bet on
TRIED = 3  # older versions that are tried with the same audits
ROLLED_BACK = "rolled_back"


@dataclass(frozen=True)
class Live:
    """answered: audits that the version answers alone; errors of them were wrong; risk: as promised; stake: no unit."""

    answered: int
    errors: int
    risk: float
    stake: float

    @property
    def broken(self) -> bool:
        """Whether the promise is not kept."""
        return self.stake >= 1 / ALPHA


def judge_live(metadata: Any, guesses: Sequence[Guess], audits: Sequence[Example]) -> Live:
    """What the audits say of a version with this metadata (threshold, temperature, promise), given its guesses."""
    threshold = float(metadata.get("threshold", NEVER_SURE))
    temperature = float(metadata.get("temperature", 1.0))
    risk = Promise.from_json(metadata.get("promise")).risk
    answered, errors = 0, 0
    for guess, audit in zip(guesses, audits, strict=True):
        probabilities = to_probabilities(guess.probabilities, temperature)
        if probabilities and score(probabilities).confidence >= threshold:
            answered, errors = answered + 1, errors + (guess.label_index != audit.label_index)
    return Live(answered, errors, risk, stake(errors, answered, risk))


def stake(errors: int, answered: int, risk: float) -> float:
    """What a bet of 1 against "the risk is at most `risk`" has become."""
    bet = min(WORSE * risk, (1 + risk) / 2)
    log = errors * math.log(bet / risk) + (answered - errors) * math.log((1 - bet) / (1 - risk))
    return math.exp(min(log, 700.0))


@dataclass
class Watch:
    """Looks after the owned models of a retrainer, with its store, clock and learners."""

    job: Retrainer
    # Version and its audits, when looked at last.
    _seen: dict[str, tuple[int, int]] = field(default_factory=dict)

    async def look(self) -> list[Release]:
        """Judge every model that has new audits; gives the releases that went back."""
        found = [await self._look_at(owned) for owned in self.job.owned.values()]
        return [release for release in found if release is not None]

    async def _look_at(self, owned: Owned) -> Release | None:
        seen = await self.job.store.read(lambda tx: _evidence(tx, owned.name))
        if seen is None or not seen[1] or self._seen.get(owned.name) == seen:
            return None
        self._seen[owned.name] = seen
        known, data = await self.job.store.read(
            lambda tx: (versions(tx, owned.name), load_dataset(tx, owned))
        )
        newest = next(release for release in known if release.version == seen[0])
        audits = [example for example in data.audits if example.at_ms > newest.released_at_ms]
        live, better = await self.job.aside(lambda: self._compare(owned, newest, known, audits))
        if not live.broken:
            return None
        if better is None:  # the world has changed, not the model: certify anew, with these audits
            await self.job.jobs.put(KIND, owned.name)
            return None
        return await self.job.store.write(lambda tx: self._go_back(tx, newest, better, live))

    def _compare(
        self, owned: Owned, newest: Release, known: Sequence[Release], audits: Sequence[Example]
    ) -> tuple[Live, Release | None]:
        """What the audits say of the newest version, and the last one before it that keeps its promise on them."""

        def judged(release: Release) -> Live:
            guesses = owned.learner.evaluate(read_files(self.job.blobs, release), audits)
            return judge_live(release.metadata, guesses, audits)

        live = judged(newest)
        older = _older(newest, known) if live.broken else []
        return live, next((release for release in older[:TRIED] if not judged(release).broken), None)

    def _go_back(self, tx: Transaction, newest: Release, better: Release, live: Live) -> Release | None:
        """Release the better one again and write down why; None when another version came in between."""
        now = current(tx, newest.name)
        if now is None or now.version != newest.version:
            return None
        reason = f"{live.errors} of {live.answered} audited answers wrong; at most {live.risk:.1%} promised"
        at_ms = self.job.clock.now_ms()
        release = roll_back(tx, newest.name, better.version, at_ms, reason)
        metrics = {"answered": live.answered, "errors": live.errors, "stake": min(live.stake, 1e9)}
        facts = {"reason": reason, "metrics": metrics, "ms": 0, "version": release.version}
        facts |= {"from_version": newest.version, "to_version": better.version}
        row = {
            "number": tx.next_number("gates"),
            "name": newest.name,
            "decision": ROLLED_BACK,
            "at_ms": at_ms,
        }
        tx.insert(GATES, {**row, "body": canonical_json(facts).decode()})
        return release


def rollbacks(tx: Reading) -> dict[str, int]:
    """How often each model went back by itself."""
    return tx.tally(GATES, "name", ("decision", "=", ROLLED_BACK))


def _evidence(tx: Reading, name: str) -> tuple[int, int] | None:
    """The version in use, and how many audits came after it."""
    release = current(tx, name)
    if release is None:
        return None
    return release.version, tx.count(EXAMPLES, ("audit", "=", 1), ("at_ms", ">", release.released_at_ms))


def _older(newest: Release, known: Sequence[Release]) -> list[Release]:
    """Versions to go back to, the last first: those with other files."""
    return [each for each in reversed(known) if each.version < newest.version and each.files != newest.files]
