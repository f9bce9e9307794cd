"""schemathesis against a node as it is shipped: what its own OpenAPI allows and forbids, and never a 5xx.

    python -m tests.node.fuzz_api [--seconds 40] [--seed 0]

schemathesis has an environment of its own under .cache, for it brings twenty packages. Streams do not end, so they
are left out here; tests/node/test_bad_input.py covers them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from py_edge.bench.environments import environment
from tests.chaos.places import NodeProcess, free_port

SCHEMATHESIS = (("schemathesis==4.32.5",),)
CHECKS = "not_a_server_error,content_type_conformance,response_schema_conformance"


def main() -> int:
    """Start a node, let schemathesis loose on it; gives its exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    python = environment("schemathesis", SCHEMATHESIS)
    with tempfile.TemporaryDirectory() as folder:
        settings = {"name": "site", "data": f"{folder}/site", "port": free_port()}
        node = NodeProcess(settings, Path(folder) / "log")
        node.start()
        try:
            node.until_ready()
            done = subprocess.run(
                [python.parent / "schemathesis", "run", f"{node.url}/openapi.json", "--checks", CHECKS,
                 "--max-time", str(options.seconds), "--seed", str(options.seed), "--exclude-path-regex", "stream$",
                 "--continue-on-failure", "--suppress-health-check", "all", "--warnings", "off",
                 "--generation-database", "none"],
                cwd=folder, check=False, timeout=options.seconds + 120,
            )  # fmt: skip
            node.until_ready()
        finally:
            node.kill()
        complaints = node.log.read_text().partition("\n")[2]
    print(complaints, file=sys.stderr)
    return done.returncode or int("Traceback" in complaints)


if __name__ == "__main__":
    sys.exit(main())
