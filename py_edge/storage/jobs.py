"""A JobQueue over any Store: one row per job, a lease evaluated when somebody looks."""

from __future__ import annotations

from collections.abc import Callable

from py_edge.storage.ports import Store, Transaction
from py_edge.storage.tables import JOBS


class StoreJobs:
    """Jobs in the `jobs` table; `now_ms` is the clock."""

    def __init__(self, store: Store, now_ms: Callable[[], int]) -> None:
        self._store, self._now_ms = store, now_ms

    async def put(self, kind: str, key: str, payload: str = "") -> bool:
        """See ports.JobQueue."""
        row = {
            "kind": kind, "key": key, "state": "waiting", "payload": payload, "until_ms": 0, "attempts": 0,
            "created_at_ms": self._now_ms(),
        }  # fmt: skip
        return await self._store.write(lambda tx: tx.insert(JOBS, row))

    async def take(self, kind: str, lease_s: float) -> tuple[str, str] | None:
        """See ports.JobQueue."""
        now = self._now_ms()

        def work(tx: Transaction) -> tuple[str, str] | None:
            free = tx.select(
                JOBS, ("kind", "=", kind), ("until_ms", "<=", now), order=("created_at_ms",), limit=1
            )
            if not free:
                return None
            job = free[0]
            until = now + int(lease_s * 1000)
            tx.update(JOBS, (kind, job["key"]), state="working", until_ms=until, attempts=job["attempts"] + 1)
            return job["key"], job["payload"]

        return await self._store.write(work)

    async def done(self, kind: str, key: str) -> None:
        """See ports.JobQueue."""
        await self._store.write(lambda tx: tx.delete(JOBS, ("kind", "=", kind), ("key", "=", key)))
