"""What a bundle says about itself to those who host it: cache headers for common servers, licences, an SBOM.

One rule for all servers: folders named by a digest never change, everything else is asked for anew.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

from py_edge.bundle.lock import Lock, LockedFile

try:
    import brotli
except ImportError:  # an optional compressor: without it there are .gz copies only
    brotli = None

FOREVER = "public, max-age=31536000, immutable"
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; "
    "style-src 'self'; img-src 'self' data:; manifest-src 'self'; base-uri 'none'; form-action 'none'"
)
COMPRESSIBLE = (".js", ".mjs", ".css", ".html", ".json", ".wasm", ".svg", ".webmanifest", ".plan")
LEAST_BYTES = 1024
BROTLI_QUALITY = 9  # 10 and 11 take ten times as long and gain a tenth


def hosting_files(app: str, rt: str) -> dict[str, bytes]:
    """Header rules: `_headers` (Netlify, Cloudflare Pages), an nginx and a Caddy snippet, `.nojekyll` (GitHub Pages)."""
    immutable = (app, rt)
    pages = [
        f"/*\n  Cache-Control: no-cache\n  Content-Security-Policy: {POLICY}\n  X-Content-Type-Options: nosniff"
    ]
    folders = [f"/{folder}*\n  ! Cache-Control\n  Cache-Control: {FOREVER}" for folder in immutable]
    nginx = [
        "# Inside a server block; root is the folder that holds this site.",
        "types { application/wasm wasm; text/javascript js mjs; text/html html; text/css css; application/json json; }",
        "gzip_static on;",
        "# brotli_static on;  # with the module ngx_brotli",
        f'add_header Content-Security-Policy "{POLICY}" always;',
        'location / { add_header Cache-Control "no-cache"; try_files $uri $uri.html $uri/ =404; }',
        *(f'location /{folder} {{ add_header Cache-Control "{FOREVER}"; }}' for folder in immutable),
    ]
    caddy = [
        "# Inside a site block; root is the folder that holds this site.",
        "file_server { precompressed br gzip }",
        "try_files {path} {path}.html",
        "header Cache-Control no-cache",
        f'header Content-Security-Policy "{POLICY}"',
        *(f'header /{folder}* Cache-Control "{FOREVER}"' for folder in immutable),
    ]
    return {
        "_headers": "\n".join([*pages, *folders, ""]).encode(),
        "nginx.conf.txt": "\n".join([*nginx, ""]).encode(),
        "Caddyfile.txt": "\n".join([*caddy, ""]).encode(),
        ".nojekyll": b"",
    }


def licence_list(lock: Lock, tiers: Iterable[str], version: str) -> bytes:
    """THIRD_PARTY.md: every foreign file with its licence and digest."""
    lines = ["# Third-party files", "", f"py_edge {version} itself is under Apache-2.0.", ""]
    lines += ["| file | licence | sha256 |", "| --- | --- | --- |"]
    lines += [f"| {file.name} | {file.licence} | `{file.sha256}` |" for file in lock.select(tiers)]
    lines += ["| uPlot 1.6.32 (inside stream.js and fleet.js; uPlot.LICENSE.txt) | MIT | |", ""]
    return "\n".join(lines).encode()


def sbom(lock: Lock, tiers: Iterable[str], version: str) -> bytes:
    """CycloneDX 1.5 of what is shipped; no timestamp, so that the same bundle has the same SBOM."""
    components = [_component(file) for file in lock.select(tiers)]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "py_edge", "version": version}},
        "components": [
            *components,
            {"type": "library", "name": "uplot", "version": "1.6.32"},
        ],
    }
    return json.dumps(document, indent=1).encode()


def _component(file: LockedFile) -> dict[str, object]:
    return {
        "type": "file",
        "name": file.name,
        "hashes": [{"alg": "SHA-256", "content": file.sha256}],
        "licenses": [{"expression": file.licence}],
    }


def compressed(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """`name.gz` and, where the package brotli is installed, `name.br` beside each file that gains by it.

    The same bytes on every run of the same compressor.
    """
    worth = {
        name: data for name, data in files.items() if name.endswith(COMPRESSIBLE) and len(data) >= LEAST_BYTES
    }
    jobs = [(name, ending) for name in worth for ending in PACKERS]
    with ThreadPoolExecutor() as pool:
        packed = pool.map(lambda job: _packed(job[1], worth[job[0]]), jobs)
        made = {f"{name}{ending}": data for (name, ending), data in zip(jobs, packed, strict=True)}
    return {
        path: data for path, data in made.items() if len(data) < 0.9 * len(worth[path.rpartition(".")[0]])
    }


@lru_cache(maxsize=512)
def _packed(ending: str, data: bytes) -> bytes:
    """Remembered, for the next bundle of this process has most files in common with this one."""
    return PACKERS[ending](data)


def _packers() -> dict[str, Callable[[bytes], bytes]]:
    packers: dict[str, Callable[[bytes], bytes]] = {".gz": lambda data: gzip.compress(data, 9, mtime=0)}
    if brotli is not None:
        packers[".br"] = lambda data: bytes(brotli.compress(data, quality=BROTLI_QUALITY))
    return packers


def unpacked(path: str, data: bytes) -> bytes | None:
    """What a packed copy holds; None if it is damaged or nobody here can tell."""
    try:
        if path.endswith(".gz"):
            return gzip.decompress(data)
        return bytes(brotli.decompress(data)) if brotli is not None else None
    except Exception:  # each library has errors of its own
        return None


PACKERS = _packers()
