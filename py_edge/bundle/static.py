"""Serve a bundle's folder over ASGI: the packed copy beside a file goes to whoever says that it can unpack it."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Mapping
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import FileResponse, Response
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Scope

TYPES = {
    ".wasm": "application/wasm",
    ".mjs": "text/javascript",
    ".js": "text/javascript",
    ".whl": "application/zip",
    ".webmanifest": "application/manifest+json",
}
ENCODINGS = {"br": ".br", "gzip": ".gz"}
"""Content coding to ending, the one we would rather send first."""


class PackedFiles(StaticFiles):
    """`StaticFiles` with content negotiation (RFC 9110 §12.5.3): never packs at run time, only picks a copy."""

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        """The file or its packed copy; 304 if the browser has just that."""
        headers = Headers(scope=scope)
        path = Path(full_path)
        sent, coding = (path, "") if "range" in headers else pick(path, headers.get("accept-encoding", ""))
        kind = TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0]
        packed = any(path.with_name(path.name + ending).is_file() for ending in ENCODINGS.values())
        more = {"vary": "accept-encoding"} if packed else {}
        if coding:
            more["content-encoding"] = coding
        stat = stat_result if sent == path else os.stat(sent)
        media = kind or "application/octet-stream"
        response = FileResponse(
            sent, status_code=status_code, stat_result=stat, media_type=media, headers=more
        )
        if self.is_not_modified(response.headers, headers):
            return NotModifiedResponse(response.headers)
        return response


def pick(path: Path, accepted: str) -> tuple[Path, str]:
    """The file to send for this Accept-Encoding and its content coding, "" for the file as it is."""
    quality = _qualities(accepted)
    offers = [
        (quality.get(coding, quality.get("*", 0.0)), path.with_name(path.name + ending), coding)
        for coding, ending in ENCODINGS.items()
    ]
    at_hand = [offer for offer in offers if offer[0] > 0 and _is_copy(offer[1], path)]
    if not at_hand:
        return path, ""
    _, sibling, coding = max(at_hand, key=lambda offer: offer[0])
    return sibling, coding


def _is_copy(sibling: Path, path: Path) -> bool:
    """A copy older than the file was made of another one."""
    try:
        return sibling.stat().st_mtime_ns >= path.stat().st_mtime_ns
    except OSError:
        return False


def _qualities(accepted: str) -> Mapping[str, float]:
    """`br;q=0.5, gzip` as coding to quality; what cannot be read counts as not accepted."""
    found = {}
    for part in accepted.lower().split(","):
        coding, _, rest = part.strip().partition(";")
        value = rest.strip().removeprefix("q=")
        try:
            found[coding.strip()] = float(value) if rest.strip() else 1.0
        except ValueError:
            found[coding.strip()] = 0.0
    return found
