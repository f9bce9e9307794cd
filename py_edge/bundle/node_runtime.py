"""Run a Python file in the locked Pyodide under Node, with folders mounted: what must be equal in both homes is run here."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from py_edge.bundle.lock import read_lock
from py_edge.bundle.sources import Fetcher
from py_edge.errors import EnvironmentProblem

RUNNER = Path(__file__).parent / "mounted_pyodide.mjs"
TREE = Path(__file__).resolve().parents[2]


def run_in_pyodide(
    script: Path, data: Path | None = None, timeout_s: float = 600, arguments: Sequence[str] = ()
) -> str:
    """What the last expression of `script` gives, printed, its last line. The checkout is at /tree, `data` at /data,
    `arguments` in sys.argv.

    Raises EnvironmentProblem: no Node, or the script failed; the text carries the end of its traceback.
    """
    node = shutil.which("node")
    if node is None:
        raise EnvironmentProblem(
            "Node is missing", want="Node 20 or newer", remedy="install it, or use the native runtime"
        )
    lock = read_lock()
    with tempfile.TemporaryDirectory() as folder:
        for name, path in Fetcher(lock).fetch(lock.select(["runtime"])).items():
            shutil.copyfile(path, Path(folder) / name)
        command = [node, str(RUNNER), folder, str(TREE), str(script), str(data or ""), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    if done.returncode:
        raise EnvironmentProblem(
            "the script failed in Pyodide", where=script.name, got=done.stderr.strip()[-1500:]
        )
    return done.stdout.strip().splitlines()[-1]
