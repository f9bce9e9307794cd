"""The person of the headless story: sits at the desk's real HTTP interface and says what each picture is."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import httpx

from py_edge.errors import NetworkError, PyEdgeError

_PAUSE_S = 0.02  # between looks at an empty desk
_ANNOTATOR = "story"


class Person:
    """Answers every task of one desk while the `with` block lasts.

    `truth` maps the base64 data of an input to its label; the driver adds to it before it asks.
    """

    def __init__(self, url: str, truth: Mapping[str, int]) -> None:
        self.answered = 0
        self._truth = truth
        self._client = httpx.Client(base_url=url, timeout=30)
        self._stop = threading.Event()
        self._trouble: PyEdgeError | None = None
        self._thread = threading.Thread(target=self._work, name="person", daemon=True)

    def __enter__(self) -> Person:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join(timeout=10)
        self._client.close()

    def check(self) -> None:
        """Raises what went wrong at the desk, if anything did."""
        if self._trouble is not None:
            raise self._trouble

    def _work(self) -> None:
        try:
            while not self._stop.is_set():
                if not self.answer_next():
                    self._stop.wait(_PAUSE_S)
        except (httpx.HTTPError, KeyError, ValueError) as error:
            if not self._stop.is_set():
                self._trouble = NetworkError(f"the desk does not answer as agreed: {error}", where="desk")

    def answer_next(self) -> bool:
        """Look at one picture and say what it is; False when the desk is empty."""
        found = self._client.get("/v1/desk/next", params={"annotator": _ANNOTATOR}).raise_for_status().json()
        task = found["task"]
        if task is None:
            return False
        label = self._truth.get(task["input"]["data"])
        verdict = {"verdict": "cannot_tell"} if label is None else {"verdict": "label", "label_index": label}
        vote = {"annotator": _ANNOTATOR, "seconds": 1.0, **verdict}
        self._client.post(f"/v1/desk/{task['task']}/vote", json=vote).raise_for_status()
        self.answered += 1
        return True
