"""A node seen from outside, over its own HTTP interface: told to retrain, asked what its gate decided."""

from __future__ import annotations

import time
from typing import Any

import httpx

from py_edge.errors import EnvironmentProblem, NetworkError

_PATIENCE_S = 180.0
_PAUSE_S = 0.05


class Watch:
    """One node. url: where it answers."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = httpx.Client(base_url=url, timeout=30)

    def close(self) -> None:
        self._client.close()

    def retrain(self, name: str) -> dict[str, Any]:
        """Have it retrain this model now and wait for the gate; gives the decision. Raises NetworkError."""
        before = len(self.gates(name))
        self._json("POST", f"/v1/models/{name}/retrain")
        end = time.monotonic() + _PATIENCE_S
        while len(gates := self.gates(name)) == before:
            if time.monotonic() > end:
                raise EnvironmentProblem("retraining does not end", where=f"{self.url} {name}")
            time.sleep(_PAUSE_S)
        return gates[0]

    def gates(self, name: str = "") -> list[dict[str, Any]]:
        """Every decision of its gate about candidates (of this model), newest first; a rollback is none."""
        found: list[dict[str, Any]] = self._json("GET", "/v1/gates")["gates"]
        mine = [one for one in found if one["decision"] in ("released", "refused")]
        return [one for one in mine if name in ("", one["name"])]

    def version(self, name: str) -> int:
        """The version that it hands out now."""
        return int(self._json("GET", f"/v1/models/{name}")["version"])

    def _json(self, method: str, path: str) -> Any:
        try:
            response = self._client.request(method, path).raise_for_status()
            return response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise NetworkError(
                f"the node does not answer as agreed: {error}", where=f"{self.url}{path}"
            ) from error
