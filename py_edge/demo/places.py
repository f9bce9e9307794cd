"""The node processes of the story: started, awaited, and ended whatever happens.

A child ends itself when its standard input closes, so that nothing outlives us, even when we are killed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import TracebackType

from py_edge.errors import EnvironmentProblem

_PATIENCE_S = 60.0
_GRACE_S = 10.0


class Place:
    """One node as a process of its own; a context manager. `url` is where it answers."""

    def __init__(self, name: str, arguments: Sequence[str]) -> None:
        self.name = name
        self.url = ""
        self._words: list[str] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "py_edge.demo.place", *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def __enter__(self) -> Place:
        try:
            self.url = self._await_ready()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ask it to stop; insist after a while."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join(timeout=1)
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def check(self) -> None:
        """Raises EnvironmentProblem when the process has ended."""
        if self._process.poll() is not None:
            raise self._ended()

    def _await_ready(self) -> str:
        found: list[str] = []
        stdout = self._process.stdout
        assert stdout is not None
        reader = threading.Thread(target=lambda: found.append(stdout.readline()), daemon=True)
        reader.start()
        reader.join(_PATIENCE_S)
        if not found or not found[0]:
            raise self._ended()
        return str(json.loads(found[0])["url"])

    def _listen(self) -> None:
        stderr = self._process.stderr
        assert stderr is not None
        for line in stderr:
            self._words = [*self._words[-20:], line.rstrip()]

    def _ended(self) -> EnvironmentProblem:
        self._listener.join(timeout=1)
        said = next((line for line in reversed(self._words) if line.strip()), "it said nothing")
        said = said.removeprefix("py-edge: ").removesuffix(f" [{EnvironmentProblem.code}]")
        return EnvironmentProblem(f"the node did not stay up: {said}", where=self.name)
