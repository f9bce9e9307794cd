"""The retraining job: when it is due, and one run of it from dataset to release or refusal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from py_edge.chain.ports import Clock
from py_edge.errors import NotFoundError, PyEdgeError
from py_edge.fields import canonical_json, read_json
from py_edge.records import Release
from py_edge.retrain.dataset import count_examples, load_dataset
from py_edge.retrain.gate import Decision, GateRules, judge
from py_edge.retrain.learner import Owned
from py_edge.retrain.release import current, make_release, publish, read_files
from py_edge.retrain.rollback import OF_A_ROLLBACK
from py_edge.storage.ports import BlobStore, JobQueue, Reading, Store, Transaction
from py_edge.storage.tables import FACTS, GATES

KIND = "retrain"
LEASE_S = 3600.0
Aside = Callable[[Callable[[], Any]], Awaitable[Any]]


@dataclass(frozen=True)
class Schedule:
    """Retrain after this many new examples, or after this long if there is at least one."""

    after_examples: int = 50
    after_s: float = 3600.0


@dataclass
class Retrainer:
    """Retrains the owned models of a node; `aside` runs slow work off the event loop."""

    owned: dict[str, Owned]
    store: Store
    blobs: BlobStore
    jobs: JobQueue
    clock: Clock
    aside: Aside
    rules: GateRules
    schedule: Schedule
    seed: int = 0

    async def ensure_first(self) -> None:
        """Release version 1 of every owned model that has none."""
        for owned in self.owned.values():
            if owned.first is not None and await self.store.read(partial(current, name=owned.name)) is None:
                files, metadata = owned.first
                release = make_release(self.blobs, owned.name, 1, files, metadata, self.clock.now_ms())
                await self.store.write(partial(publish, release=release))

    async def queue_due(self) -> list[str]:
        """Queue a job for every model whose time has come."""
        due = []
        for name, owned in self.owned.items():
            if await self._is_due(owned) and await self.jobs.put(KIND, name):
                due.append(name)
        return due

    async def queue_now(self, name: str) -> bool:
        """Queue a job for this model whatever its schedule says; False when one waits already. Raises NotFoundError."""
        if name not in self.owned:
            raise NotFoundError("this node does not retrain that model", where=name, want=sorted(self.owned))
        return await self.jobs.put(KIND, name)

    async def run_waiting(self) -> list[Decision]:
        """Do every waiting job."""
        decisions = []
        while (job := await self.jobs.take(KIND, LEASE_S)) is not None:
            name = job[0]
            if name in self.owned:
                decisions.append(await self.run(name))
            await self.jobs.done(KIND, name)
        return decisions

    async def run(self, name: str, without: frozenset[str] = frozenset()) -> Decision:
        """Train a candidate and let the gate decide; a trouble of the learner is a refusal with its words.

        Whatever stays in use is certified again with the newest audits. So after a refusal too there may be a new
        version: the old weights with a new policy.
        """
        owned = self.owned[name]
        started = self.clock.now_ms()
        base, data, count = await self.store.read(
            lambda tx: (current(tx, name), load_dataset(tx, owned, without), count_examples(tx, owned))
        )
        if base is None or not data.train:
            decision = Decision(False, "there is no model or no example yet", {"n_train": len(data.train)})
            return await self._finish(name, count, decision, None, started)
        version = base.version + 1

        def whole() -> tuple[Decision, Release | None]:
            files = read_files(self.blobs, base)
            candidate, metadata = owned.learner.train(files, data.train, self.seed + version)
            judged = [*owned.gold, *data.held_back]
            old, new = owned.learner.evaluate(files, judged), owned.learner.evaluate(candidate, judged)
            decision = judge(owned.gold, data.held_back, old, new, self.rules)
            kept = candidate if decision.passed else files
            kept, policy = owned.learner.certify(kept, data.audits, owned.gold)
            if not decision.passed and all(base.metadata.get(key) == policy[key] for key in policy):
                return decision, None
            lineage: dict[str, Any] = {"parent_digest": base.digest}
            if decision.passed:
                lineage |= {**metadata, "metrics": decision.metrics, "n_train": len(data.train)}
            kept_words = {word: base.metadata[word] for word in base.metadata.keys() - OF_A_ROLLBACK}
            whole_metadata = {**kept_words, **lineage, **policy}
            release = make_release(self.blobs, name, version, kept, whole_metadata, self.clock.now_ms())
            return decision, release

        try:
            decision, release = await self.aside(whole)
        except (PyEdgeError, ValueError, ArithmeticError, MemoryError) as error:
            decision, release = (
                Decision(False, f"training failed: {error}", {"n_train": len(data.train)}),
                None,
            )
        return await self._finish(name, count, decision, release, started)

    async def _finish(
        self, name: str, count: int, decision: Decision, release: Release | None, started_ms: int
    ) -> Decision:
        now = self.clock.now_ms()
        entry = {"name": name, "decision": "released" if decision.passed else "refused", "at_ms": now}
        facts = {"reason": decision.reason, "metrics": decision.metrics, "ms": now - started_ms}
        facts["version"] = release.version if release else None

        def work(tx: Transaction) -> None:
            if release is not None:
                publish(tx, release)
            body = canonical_json(facts).decode()
            tx.insert(GATES, {"number": tx.next_number("gates"), **entry, "body": body})
            tx.put(FACTS, {"name": f"trained:{name}", "value": f"{count}:{now}"})
            tx.notify("status")

        await self.store.write(work)
        return decision

    async def _is_due(self, owned: Owned) -> bool:
        def look(tx: Reading) -> tuple[int, int, int]:
            row = tx.get(FACTS, f"trained:{owned.name}")
            seen, at = (int(part) for part in row["value"].split(":")) if row else (0, 0)
            return count_examples(tx, owned), seen, at

        count, seen, at = await self.store.read(look)
        new = count - seen
        waited_s = (self.clock.now_ms() - at) / 1000 if at else 0.0
        return new >= self.schedule.after_examples or (new > 0 and waited_s >= self.schedule.after_s)


def gate_history(tx: Reading, limit: int = 50) -> list[dict[str, Any]]:
    """The last decisions, newest first."""
    rows = tx.select(GATES, order=("-number",), limit=limit)
    return [
        {"name": r["name"], "decision": r["decision"], "at_ms": r["at_ms"], **read_json(r["body"])} for r in rows
    ]  # fmt: skip
