"""A seal on what goes between two tiers: SHA-256 over all that gives a message its meaning, checked before it has effect.

TCP's checksum lets about one damaged segment in 65,536 through, and what stands between may spoil more. Without a seal
a flipped bit could acknowledge the wrong answer, or turn a good question into one that is refused for good. A reply is
sealed together with its request, so a reply to another request is noticed too.
"""

from __future__ import annotations

import hmac
from hashlib import sha256

SEAL = "x-py-edge-seal"
BEARING = ("authorization", "content-type", "x-py-edge-node")  # the headers that change what a request does


def seal_request(method: str, target: str, headers: dict[str, str], body: bytes) -> str:
    """The seal of a request. target: path and query; headers: names in lower case, those of BEARING count."""
    return _seal(
        method.encode(), target.encode(), *(headers.get(name, "").encode() for name in BEARING), body
    )


def seal_reply(request_seal: str, status: int, body: bytes) -> str:
    """The seal of the reply to the request that bore this seal."""
    return _seal(request_seal.encode(), str(status).encode(), body)


def seal_event(request_seal: str, kind: str, number: str, data: str) -> str:
    """The seal of one event of the stream that this request opened."""
    return _seal(request_seal.encode(), kind.encode(), number.encode(), data.encode())


def is_whole(seal: str, wanted: str) -> bool:
    """Whether a message arrived as it was sent."""
    return hmac.compare_digest(seal.encode(), wanted.encode())


def _seal(*parts: bytes) -> str:
    found = sha256()
    for part in parts:
        found.update(len(part).to_bytes(8, "big") + part)
    return found.hexdigest()
