"""Follow the parent's releases of models that this node does not own: fetch by content hash, keep, hand on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from py_edge.chain import retry
from py_edge.chain.ports import Chance, Clock, Network
from py_edge.errors import IntegrityError, NetworkError, PyEdgeError, RollbackError
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
                response = await self.network.request("GET", "/v1/models")
                if retry.kind_of(response) != retry.DONE:
                    raise NetworkError(f"the parent answered {response.status}", where="/v1/models")
                for release in read_json(response.body)["models"]:
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
                response = await self.network.request("GET", f"/v1/blobs/{file.sha256}")
                if retry.kind_of(response) != retry.DONE:
                    raise NetworkError(f"the parent answered {response.status}", where=file.path)
                if len(response.body) != file.size or self.blobs.put(response.body) != file.sha256:
                    raise IntegrityError("a file of a release is not what was promised", where=file.path)
        try:
            return await self.store.write(lambda tx: publish(tx, release))
        except RollbackError:
            return False
