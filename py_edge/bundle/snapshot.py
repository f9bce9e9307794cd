"""The memory snapshot that Python in the page starts from: interpreter and py_edge imported, side module not loaded,
and the files of py_edge that are not imported yet, compiled.

It is bound to the exact runtime and wheel, is made with Node, and only saves time: without it the page starts Python
the long way. numpy stays out of it (a snapshot with libraries in it does not restore).
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from py_edge.errors import EnvironmentProblem

NAME = "python.snapshot.gz"
TIMEOUT_S = 300.0


def make_snapshot(script: Path, runtime: Mapping[str, Path], wheel: Path, output: Path) -> Path:
    """Write `output`. runtime: name -> file of the locked runtime. Raises EnvironmentProblem: no Node, or it failed."""
    node = shutil.which("node")
    if node is None:
        raise EnvironmentProblem("node is not installed", where="snapshot", remedy="install Node 20 or newer")
    with tempfile.TemporaryDirectory() as folder:
        for name, path in runtime.items():
            shutil.copyfile(path, Path(folder) / name)
        command = [node, str(script), folder, str(wheel), str(output)]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if ran.returncode or not output.is_file():
        # The last line only: Node quotes the failing source, which is one line of a megabyte.
        reason = (ran.stderr.strip().splitlines() or ["no reason given"])[-1][-300:]
        raise EnvironmentProblem(f"the snapshot was not made: {reason}", where="node")
    return output
