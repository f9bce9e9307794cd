"""Sizes as a well set up server sends them: brotli 11, by Node, remembered by content because it is slow."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

from py_edge.bench.places import CACHE
from py_edge.errors import EnvironmentProblem

MEMORY = CACHE / "brotli.json"
_SCRIPT = """
const zlib = require("zlib"), file = require("fs").readFileSync(process.argv[1]);
const params = {[zlib.constants.BROTLI_PARAM_QUALITY]: 11, [zlib.constants.BROTLI_PARAM_SIZE_HINT]: file.length};
console.log(zlib.brotliCompressSync(file, {params}).length);
"""


def brotli_bytes(file: Path) -> int:
    """Bytes of the file after brotli; never more than without."""
    data = file.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    known: dict[str, int] = json.loads(MEMORY.read_text()) if MEMORY.is_file() else {}
    if digest not in known:
        ran = subprocess.run(["node", "-e", _SCRIPT, str(file)], capture_output=True, text=True, check=False)
        if ran.returncode:
            raise EnvironmentProblem(f"Node could not compress\n{ran.stderr[-300:]}", where=file.name)
        known[digest] = min(int(ran.stdout), len(data))
        MEMORY.write_text(json.dumps(known))
    return known[digest]
