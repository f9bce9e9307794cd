"""Following a parent's releases on a small disk: what does not fit is not fetched, again and again, and holds nobody up."""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import replace

import pytest

from py_edge.chain.ports import Response
from py_edge.errors import StorageError
from py_edge.fields import canonical_json
from py_edge.node.follow import Follower
from py_edge.node.node import SystemClock
from py_edge.records import Release
from py_edge.retrain.release import current
from py_edge.storage.in_memory import MemoryBlobs, MemoryStore
from tests.chain.test_scenarios import Parent, release


class SmallBlobs(MemoryBlobs):
    """Bytes in memory with a bound; told: whether it knows its bound, as a disk does and a quota does not."""

    def __init__(self, size_bytes: int, told: bool) -> None:
        super().__init__()
        self.size_bytes, self.told = size_bytes, told

    def room_bytes(self) -> int:
        """See ports.BlobStore."""
        return self.size_bytes if self.told else 2 * self.size_bytes

    def put(self, data: bytes) -> str:
        """See ports.BlobStore."""
        if len(data) > self.size_bytes:
            raise StorageError("the disk did not take a blob")
        return super().put(data)


@pytest.mark.parametrize("told", [True, False])
def test_what_does_not_fit_is_not_fetched_again(told: bool, caplog: pytest.LogCaptureFixture) -> None:
    """Looked at again and again: fetched never where the room is known, once where it is not; said once; the model
    beside it is taken at once, and this one as soon as there is room."""
    there, here, store = MemoryBlobs(), SmallBlobs(100, told), MemoryStore()
    large, small = release(1, there, b"x" * 150), replace(release(1, there, b"weights"), name="small")
    blob = f"/v1/blobs/{large.files[0].sha256}"

    def says(method: str, path: str) -> Response:
        if path == "/v1/models":
            return Response(200, canonical_json({"models": [large.to_json(), small.to_json()]}))
        return Response(200, there.get(path.rsplit("/", 1)[1]))

    async def story() -> None:
        parent = Parent(says)
        follower = Follower(parent, store, here, SystemClock(), NoWaiting())
        following = asyncio.create_task(follower.run())
        async with asyncio.timeout(10):
            while parent.heard.count("/v1/models") < 5:
                await asyncio.sleep(0.001)
            assert parent.heard.count(blob) == (not told)
            assert (await version_of("small"), await version_of("m")) == (1, None)
            here.size_bytes = 1000
            while await version_of("m") is None:
                await asyncio.sleep(0.001)
        following.cancel()
        assert parent.heard.count(blob) == 1 + (not told)

    async def version_of(name: str) -> int | None:
        found: Release | None = await store.read(lambda tx: current(tx, name))
        return found.version if found else None

    with caplog.at_level(logging.WARNING, "py_edge.node"):
        asyncio.run(story())
    assert [record.name for record in caplog.records] == ["py_edge.node"]


class NoWaiting(random.Random):
    """Every back-off is over at once."""

    def random(self) -> float:
        """See chain.ports.Chance."""
        return 0.0
