"""Going back is going forward: the files of an older version become the newest one, so nobody is confused."""

from __future__ import annotations

from py_edge.errors import NotFoundError
from py_edge.records import Release, digest_of_release
from py_edge.retrain.release import current, publish, version_of
from py_edge.storage.ports import Transaction

OF_A_ROLLBACK = frozenset(
    {"rollback_to", "reason"}
)  # words of its metadata that later versions do not inherit


def roll_back(tx: Transaction, name: str, to_version: int, now_ms: int, reason: str) -> Release:
    """Release the files of `to_version` as a new version. Raises NotFoundError."""
    newest = current(tx, name)
    if newest is None:
        raise NotFoundError("no such model", where=name)
    old = version_of(tx, name, to_version)
    metadata = {**old.metadata, "parent_digest": newest.digest, "rollback_to": to_version, "reason": reason}
    release = Release(
        name, newest.version + 1, digest_of_release(old.files, metadata), old.files, metadata, now_ms
    )  # fmt: skip
    publish(tx, release)
    return release
