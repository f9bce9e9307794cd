"""Follow the parent's releases of models that this node does not own: fetch by content hash, keep, hand on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from py_edge.chain import retry
from py_edge.chain.ports import Chance, Clock, Network
from py_edge.errors import IntegrityError, NetworkError, PolicyError, PyEdgeError, RollbackError
from py_edge.fields import read_json
from py_edge.records import Release
from py_edge.retrain.release import current, publish
from py_edge.storage.ports import BlobStore, Store


@dataclass
class Follower:
    """Keeps this node's copies of the parent's models fresh."""

    network: Network
    store: Store
    blobs: BlobStore
    clock: Clock
    chance: Chance
    owned: frozenset[str] = field(default_factory=frozenset)

    async def run(self) -> None:
        """Follow until cancelled."""
        attempt = 0
        while True:
            try:
                for release in read_json(await self._get("/v1/models"))["models"]:
                    await self.take(release)
                attempt = 0
                async for event in self.network.stream("/v1/models/stream"):
                    if event.event == "release":
                        await self.take(read_json(event.data))
            except (PyEdgeError, KeyError, TypeError):
                pass
            await self.clock.sleep(retry.delay_s(attempt, self.chance))
            attempt += 1

    async def take(self, value: Any) -> bool:
        """Fetch every file, check it, then make the release current here; False when it is not for us or not newer."""
        release = Release.from_json(value)
        if release.name in self.owned:
            return False
        before = await self.store.read(lambda tx: current(tx, release.name))
        if before is not None and before.version >= release.version:
            return False
        for file in release.files:
            if not self.blobs.has(file.sha256):
                data = await self._get(f"/v1/blobs/{file.sha256}", file.path)
                if len(data) != file.size or hashlib.sha256(data).hexdigest() != file.sha256:
                    raise IntegrityError("a file of a release is not what was promised", where=file.path)
                self.blobs.put(data)
        try:
            return await self.store.write(lambda tx: publish(tx, release))
        except RollbackError:
            return False

    async def _get(self, path: str, where: str = "") -> bytes:
        """A body of the parent itself: what another origin holds in its place is not looked at."""
        response = await self.network.request("GET", path)
        if 300 <= response.status < 400:
            elsewhere = response.headers.get("location", "")
            raise PolicyError("the parent sends on to another address", where=where or path, got=elsewhere)
        if retry.kind_of(response) != retry.DONE:
            raise NetworkError(f"the parent answered {response.status}", where=where or path)
        return response.body
