"""Follow the parent's releases of models that this node does not own: fetch by content hash, keep, hand on."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, field
from typing import Any

from py_edge.chain import retry
from py_edge.chain.ports import Chance, Clock, Network
from py_edge.errors import IntegrityError, NetworkError, PolicyError, PyEdgeError, RollbackError, StorageError
from py_edge.fields import read_json
from py_edge.records import Release, ReleaseFile
from py_edge.retrain.release import current, publish
from py_edge.storage.ports import BlobStore, Store

logger = logging.getLogger("py_edge.node")


@dataclass
class Follower:
    """Keeps this node's copies of the parent's models fresh."""

    network: Network
    store: Store
    blobs: BlobStore
    clock: Clock
    chance: Chance
    owned: frozenset[str] = field(default_factory=frozenset)
    _did_not_fit: dict[str, int] = field(default_factory=dict)  # bytes that must be free, by digest

    async def run(self) -> None:
        """Follow until cancelled."""
        attempt = 0
        while True:
            try:
                await self._take_all(read_json(await self._get("/v1/models"))["models"])
                attempt = 0
                async for event in self.network.stream("/v1/models/stream"):
                    if event.event == "release":
                        await self.take(read_json(event.data))
            except (PyEdgeError, KeyError, TypeError):
                pass
            await self.clock.sleep(retry.delay_s(attempt, self.chance))
            attempt += 1

    async def take(self, value: Any) -> bool:
        """Fetch every file, check it, then make the release current here; False when it is not for us or not newer.

        Raises StorageError where there is no room for it, before anything is fetched.
        """
        release = Release.from_json(value)
        if release.name in self.owned:
            return False
        before = await self.store.read(lambda tx: current(tx, release.name))
        if before is not None and before.version >= release.version:
            return False
        missing = [file for file in release.files if not self.blobs.has(file.sha256)]
        self._check_room(release, sum(file.size for file in missing))
        for file in missing:
            await self._fetch(release, file)
        try:
            return await self.store.write(lambda tx: publish(tx, release))
        except RollbackError:
            return False

    async def _take_all(self, releases: list[Any]) -> None:
        """One that fails does not hold up the others; it is told when they are through."""
        trouble: PyEdgeError | None = None
        for release in releases:
            try:
                await self.take(release)
            except PyEdgeError as error:
                trouble = error
        if trouble is not None:
            raise trouble

    def _check_room(self, release: Release, size_bytes: int) -> None:
        """Raises StorageError, and says so once, while there is not the room that it needs, as far as we know."""
        room = self.blobs.room_bytes()
        needed = max(size_bytes, self._did_not_fit.get(release.digest, 0))
        if needed <= room:
            return
        where = f"{release.name} {release.version}"
        if release.digest not in self._did_not_fit:
            logger.warning("no room for %s: it needs %d bytes, %d are free", where, needed, room)
        self._did_not_fit[release.digest] = needed
        raise StorageError("no room for this release", where=where, got=room, want=f"{needed} bytes")

    async def _fetch(self, release: Release, file: ReleaseFile) -> None:
        data = await self._get(f"/v1/blobs/{file.sha256}", file.path)
        if len(data) != file.size or hashlib.sha256(data).hexdigest() != file.sha256:
            raise IntegrityError("a file of a release is not what was promised", where=file.path)
        try:
            self.blobs.put(data)
        except StorageError as error:
            logger.warning("%s %d was not kept: %s", release.name, release.version, error)
            self._did_not_fit[release.digest] = self.blobs.room_bytes() + 1
            raise

    async def _get(self, path: str, where: str = "") -> bytes:
        """A body of the parent itself: what another origin holds in its place is not looked at."""
        response = await self.network.request("GET", path)
        if 300 <= response.status < 400:
            elsewhere = response.headers.get("location", "")
            raise PolicyError("the parent sends on to another address", where=where or path, got=elsewhere)
        if retry.kind_of(response) != retry.DONE:
            raise NetworkError(f"the parent answered {response.status}", where=where or path)
        return response.body
