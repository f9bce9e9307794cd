"""Node processes and the person at the desk, for real."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import httpx
import pytest

from py_edge.demo.digits import Splits
from py_edge.demo.person import Person
from py_edge.demo.pictures import to_wire
from py_edge.demo.places import Place
from py_edge.demo.watch import Watch
from py_edge.errors import EnvironmentProblem, NetworkError
from py_edge.records import digest_of_content

DEVICE = "ab" * 16


def arguments(models: Path, data: Path, *more: str) -> list[str]:
    return ["cloud", "--models", str(models), "--data", str(data), *more]


def listens(url: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(url.rsplit(":", 1)[1]))) == 0


def test_a_question_is_answered_by_the_person_and_learnt(
    models: Path, splits: Splits, tmp_path: Path
) -> None:
    """A node without certificate asks the person over the desk's real interface; retraining ends in a decision."""
    images, labels = splits.stream.images[:60], splits.stream.labels[:60]
    truth = {to_wire(image)["data"]: int(label) for image, label in zip(images, labels, strict=True)}
    with Place("cloud", arguments(models, tmp_path)) as place, Person(place.url, truth) as person:
        with httpx.Client(base_url=place.url) as client:
            for sequence, image in enumerate(images, 1):
                content = to_wire(image)
                digest = digest_of_content(content, "device")
                body = {
                    "device": DEVICE,
                    "sequence": sequence,
                    "digest": digest,
                    "model": "device",
                    "input": content,
                }
                assert client.put(f"/v1/questions/{DEVICE}/{sequence}", json=body).status_code == 202
            end = time.monotonic() + 30
            while person.answered < len(images) and time.monotonic() < end:
                time.sleep(0.05)
            found = [
                client.get(f"/v1/questions/{DEVICE}/{n}").json()["answer"] for n in range(1, len(images) + 1)
            ]
        person.check()
        assert [answer["label_index"] for answer in found] == labels.tolist()
        watch = Watch(place.url)
        decision = watch.retrain("cloud")
        assert decision["decision"] in ("released", "refused")
        assert watch.version("cloud") == (2 if decision["decision"] == "released" else 1)
        with pytest.raises(NetworkError):
            watch.retrain("nobody")
        watch.close()
    assert not listens(place.url)


def test_a_used_port_is_one_sentence(models: Path, tmp_path: Path) -> None:
    """The node's own words reach the user, with the port and the remedy."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with pytest.raises(EnvironmentProblem, match=f"{port}.*choose another") as caught:
            Place("cloud", arguments(models, tmp_path, "--port", port)).__enter__()
    assert "\n" not in str(caught.value)


def test_a_dead_node_is_said(models: Path, tmp_path: Path) -> None:
    """When the process ends under us, the next check says so."""
    with Place("cloud", arguments(models, tmp_path)) as place:
        place.check()
        place._process.kill()
        place._process.wait()
        with pytest.raises(EnvironmentProblem, match="did not stay up"):
            place.check()
