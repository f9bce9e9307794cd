"""What a bundle says about itself to those who host it: cache headers for common servers, licences, an SBOM.

One rule for all servers: folders named by a digest never change, everything else is asked for anew.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping

from py_edge.bundle.lock import Lock, LockedFile

FOREVER = "public, max-age=31536000, immutable"
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; "
    "style-src 'self'; img-src 'self' data:; manifest-src 'self'; base-uri 'none'; form-action 'none'"
)
COMPRESSIBLE = (".js", ".mjs", ".css", ".html", ".json", ".wasm", ".svg", ".webmanifest", ".plan")
LEAST_BYTES = 1024


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
        f'add_header Content-Security-Policy "{POLICY}" always;',
        'location / { add_header Cache-Control "no-cache"; try_files $uri $uri.html $uri/ =404; }',
        *(f'location /{folder} {{ add_header Cache-Control "{FOREVER}"; }}' for folder in immutable),
    ]
    caddy = [
        "# Inside a site block; root is the folder that holds this site.",
        "file_server { precompressed gzip }",
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
    lines += ["| idb 8.0.4 (inside py-edge.js) | ISC | |", ""]
    return "\n".join(lines).encode()


def sbom(lock: Lock, tiers: Iterable[str], version: str) -> bytes:
    """CycloneDX 1.5 of what is shipped; no timestamp, so that the same bundle has the same SBOM."""
    components = [_component(file) for file in lock.select(tiers)]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "py_edge", "version": version}},
        "components": [*components, {"type": "library", "name": "idb", "version": "8.0.4"}],
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
    """`name.gz` beside each file that gains by it; the same bytes on every run."""
    made = {}
    for name, data in files.items():
        if name.endswith(COMPRESSIBLE) and len(data) >= LEAST_BYTES:
            packed = gzip.compress(data, 9, mtime=0)
            if len(packed) < 0.9 * len(data):
                made[f"{name}.gz"] = packed
    return made
