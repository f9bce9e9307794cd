"""One node process of the story: `python -m py_edge.demo.place`, started by places.py.

Prints one JSON line with its URL when it answers, and ends when its standard input closes.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from pathlib import Path

from py_edge.demo.owned import make_parts
from py_edge.node.serve import serve
from py_edge.node.settings import Settings


def main(argv: list[str] | None = None) -> int:
    """Serve one place until told to stop; gives the exit code of node.serve."""
    parser = argparse.ArgumentParser(prog="py_edge.demo.place")
    parser.add_argument("role", choices=("site", "cloud"))
    parser.add_argument("--models", type=Path, required=True, help="folder of the starting models")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--parent", default="")
    parser.add_argument("--origin", default="", help="web origin whose page may call")
    parser.add_argument("--site-dir", default="")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(argv)
    settings = Settings(
        name=given.role,
        level=1 if given.role == "site" else 2,
        data=str(given.data),
        parent=given.parent,
        port=given.port,
        origins=(given.origin,) if given.origin else (),
        site_dir=given.site_dir,
        retrain_after=1 << 30,  # the story says when
        retrain_every_s=1e9,
        seed=given.seed,
    )
    threading.Thread(target=_end_with_parent, daemon=True).start()
    return serve(settings, make_parts(given.role, given.models, given.seed), _tell)


def _tell(url: str) -> None:
    print(json.dumps({"url": url}), flush=True)


def _end_with_parent() -> None:
    while os.read(0, 1):  # not sys.stdin: its lock would be held when the interpreter ends
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
