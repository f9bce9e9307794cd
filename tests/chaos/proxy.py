"""A TCP proxy that a test puts between a node and its parent: what goes wrong above IP, beside the faults of a wire.

    python -m tests.chaos.proxy --listen PORT --to HOST:PORT --seed N --calm FILE

Until the calm file exists each connection is, by the seed, passed on, cut after some bytes (mid header, mid body or
mid reply), stalled half open, refused, one of its bytes comes out another, or it gets what another connection should
have got: an older request, a reply to another one. Afterwards everything passes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
from pathlib import Path

FATES = ("pass", "cut", "stall", "refuse", "flip", "swap")
STALL_S = 8.0


class Proxy:
    """One listening port in front of one address."""

    def __init__(self, host: str, port: int, seed: int, calm: Path) -> None:
        self.host, self.port, self.calm = host, port, calm
        self.rng = random.Random(seed)
        self.seen = {"up": b"", "down": b""}  # the piece before, of any connection

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection with its fate."""
        fate = "pass" if self.calm.exists() else self.rng.choice(FATES)
        try:
            if fate == "refuse":
                return
            there = await asyncio.open_connection(self.host, self.port)
            try:
                await asyncio.gather(
                    self.pump(reader, there[1], fate, "up"), self.pump(there[0], writer, fate, "down")
                )
            finally:
                there[1].close()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            with contextlib.suppress(OSError):
                writer.transport.abort()

    async def pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fate: str, way: str
    ) -> None:
        """Bytes one way; a connection ends when either way does."""
        left = self.rng.randrange(1, 3_000)
        while data := await reader.read(2_048):
            if not self.calm.exists():
                seen, self.seen[way] = self.seen[way], data
                if fate == "swap" and seen:
                    data = seen
                if len(data) > left and fate in ("cut", "stall"):
                    writer.write(data[:left])
                    await asyncio.sleep(STALL_S if fate == "stall" else 0)
                    break
                if fate == "flip" and 0 <= left < len(data):
                    data = data[:left] + bytes([data[left] ^ 1 << self.rng.randrange(8)]) + data[left + 1 :]
                left -= len(data)
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError


async def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen", type=int, required=True)
    parser.add_argument("--to", required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--calm", type=Path, required=True)
    options = parser.parse_args()
    host, _, port = options.to.rpartition(":")
    proxy = Proxy(host, int(port), options.seed, options.calm)
    server = await asyncio.start_server(proxy.take, "127.0.0.1", options.listen)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
