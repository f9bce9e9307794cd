"""The story: ten rounds of pictures by writers never seen, asked, answered, brought home and learnt from.

Nothing is assumed: where an answer came from is read from the answer, what the device can do alone is measured in
the tab on pictures held back, and lost questions are counted by comparing ids at both ends.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np

from py_edge.demo.digits import Images, Part, Splits, draw_round
from py_edge.demo.hooks import Hooks
from py_edge.demo.pictures import to_wire
from py_edge.demo.recipe import Plot
from py_edge.demo.watch import Watch

_PERSON_TIER = 99
_PLACES = ("device", "site", "cloud", "person")
Tell = Callable[[int, Mapping[str, Any]], None]


@dataclass
class Story:
    """One telling. truth: what the person knows, by the input's bytes; `tell` hears of each round as it ends."""

    plot: Plot
    splits: Splits
    seed: int
    page: Hooks
    site: Watch
    cloud: Watch
    truth: dict[str, int]
    check: Callable[[], None]
    tell: Tell
    rounds: list[dict[str, Any]] = field(default_factory=list)
    asked: dict[int, tuple[int, bool]] = field(default_factory=dict)  # sequence: label, audit
    fine_tunes_ms: list[float] = field(default_factory=list)

    def play(self) -> dict[str, Any]:
        """Every round, then the facts; the keys are those that the JSON promises."""
        ready = self.page.call("ready")
        rng = np.random.default_rng([self.seed, 1])
        for number in range(1, self.plot.rounds + 1):
            drawn = draw_round(self.splits.stream, self.plot.questions, rng)
            audited = np.zeros(len(drawn), bool)
            evidence = sum(audit for _, audit in self.asked.values())
            audited[rng.permutation(len(drawn))[: self.plot.audits_now(evidence)]] = True
            found = {"round": number, "questions": len(drawn), "device_alone": self.device_alone()}
            found |= self.ask(drawn, audited)
            self.rounds.append({key: value for key, value in found.items() if key != "round"})
            self.page.call("round", found)
            self.tell(number, found)
            if number < self.plot.rounds or self.plot.rounds == 1:
                self.learn(number)
        return self.facts(ready)

    def device_alone(self) -> float:
        """Share of held-back pictures that the device model in the tab gets right by itself."""
        held = self.splits.held
        labels = self.page.call("predictMany", _plain(held.images))["labels"]
        return float(np.mean(np.array(labels) == held.labels))

    def ask(self, drawn: Part, audited: np.ndarray) -> dict[str, Any]:
        """Show the pictures to the page, wait until every answer is home, and say who answered and how well."""
        for image, label in zip(drawn.images, drawn.labels, strict=True):
            self.truth[to_wire(image)["data"]] = int(label)
        given: list[dict[str, Any]] = []
        for start in range(0, len(drawn), self.plot.at_once):
            few = slice(start, start + self.plot.at_once)
            given += self.page.call(
                "askMany", _plain(drawn.images[few]), {"audit": audited[few].tolist(), "show": True}
            )
            self.page.await_all_answered(self.check)
        for result, label, audit in zip(given, drawn.labels, audited, strict=True):
            if result["sequence"] is not None:
                self.asked[result["sequence"]] = (int(label), bool(audit))
        home = {answer["sequence"]: answer for answer in self.page.call("answers", 0)["answers"]}
        came_from = dict.fromkeys(_PLACES, 0)
        right = 0
        for result, label in zip(given, drawn.labels, strict=True):
            answer = home.get(result["sequence"])
            said = result["prediction"]["label_index"] if result["sequence"] is None else _label_of(answer)
            came_from["device" if result["sequence"] is None else _place_of(answer)] += 1
            right += said == label
        shares = {f"{place}_share": count / len(drawn) for place, count in came_from.items()}
        return {**shares, "system_accuracy": right / len(drawn)}

    def learn(self, number: int) -> None:
        """The nodes retrain and release, the page takes the device's new base and fine-tunes it in the tab."""
        self.cloud.retrain("cloud")
        self.site.retrain("site")
        self.site.retrain("device")
        self.page.await_version(self.site.version("device"), self.check)
        self.page.call("pythonReady")
        tuned = self.page.call("learn", self.plot.tune.to_json(self.seed + number))
        self.fine_tunes_ms.append(tuned["train_ms"])

    def facts(self, ready: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON of the story."""
        timings = self.page.call("timings")
        gates = [*self.site.gates(), *self.cloud.gates()]
        return {
            "rounds": self.rounds,
            "lost": self.count_lost(),
            "first_prediction_ms": ready["first_prediction_ms"],
            "python_ready_ms": timings["python_ready_ms"] or None,
            "fine_tune_ms": statistics.median(self.fine_tunes_ms) if self.fine_tunes_ms else None,
            "round_trip_ms": self.round_trip_ms(),
            "releases": sum(gate["decision"] == "released" for gate in gates),
            "refused": sum(gate["decision"] == "refused" for gate in gates),
            "seed": self.seed,
            "asked": len(self.asked),
            "audits": sum(audit for _, audit in self.asked.values()),
            "gates": [{key: gate[key] for key in ("name", "decision", "reason", "ms")} for gate in gates],
        }

    def round_trip_ms(self) -> float | None:
        """Median time from kept to answered of what site or cloud answered, on the page's clock."""
        home = {answer["sequence"]: answer for answer in self.page.call("answers", 0)["answers"]}
        trips = [
            row["answered_ms"] - row["asked_ms"]
            for row in self.page.call("ids")
            if row["answered_ms"] and _place_of(home.get(row["sequence"])) in ("site", "cloud")
        ]
        return statistics.median(trips) if trips else None

    def count_lost(self) -> int:
        """Questions that one end knows and the other does not, or that never came to an answer at either."""
        at_page = {row["sequence"]: row for row in self.page.call("ids")}
        lost = set(self.asked) ^ set(at_page)
        with httpx.Client(base_url=self.site.url, timeout=30) as client:
            for sequence, row in at_page.items():
                response = client.get(f"/v1/questions/{row['device']}/{sequence}")
                known = response.json() if response.status_code == 200 else {}
                if row["state"] != "answered" or known.get("state") != "answered":
                    lost.add(sequence)
        return len(lost)


def _plain(images: Images) -> list[list[float]]:
    rows: list[list[float]] = images.reshape(len(images), -1).tolist()
    return rows


def _label_of(answer: Mapping[str, Any] | None) -> int | None:
    return answer["label_index"] if answer else None


def _place_of(answer: Mapping[str, Any] | None) -> str:
    tier = answer["tier"] if answer else _PERSON_TIER
    return "person" if tier == _PERSON_TIER else _PLACES[tier]
