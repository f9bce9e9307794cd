"""A node lost with its disk and set up anew under its name: what the chain gives back by itself."""

from __future__ import annotations

import shutil
from pathlib import Path

from py_edge.chain.outbox import FORGOTTEN_MS
from py_edge.node.node import Parts, SystemClock
from py_edge.retrain.learner import Owned
from py_edge.storage.backup import make_backup, restore_backup
from tests.node.asking import (
    DEVICE,
    ask,
    first_value,
    question,
    until,
    until_answers,
    until_status,
    work_desk,
)
from tests.node.conftest import Start
from tests.node.test_learning import STALE, gold
from tests.retrain.centroids import CentroidAnswerer, CentroidLearner, model_files


def test_releases_come_back_and_a_question_sent_again_has_its_answer(start: Start, tmp_path: Path) -> None:
    """The site's folder is gone: it follows the parent's release again; what its devices ask again, the parent knows."""
    owned = Owned("site", CentroidLearner(), 1, (model_files(STALE), {"labels": list("0123")}), gold())
    cloud = start("cloud", level=2, parts=Parts(owned=(owned,)))
    first = CentroidAnswerer()
    site = start("site", cloud, Parts(answerer=first, answerer_model="site", load=first.load))
    until(lambda: first.version == 1)
    for sequence in (1, 2):
        assert ask(site.http, question(sequence, 21.0 + sequence)).json()["state"] == "queued"
    until_status(cloud.http, "tasks_open", 2)
    site.stop()
    shutil.rmtree(tmp_path / "site")
    assert work_desk(cloud.http, first_value) == 2

    again = CentroidAnswerer()
    site = start("site", cloud, Parts(answerer=again, answerer_model="site", load=again.load))
    until(lambda: again.version == 1)
    assert site.http.get("/v1/models/site").json() == cloud.http.get("/v1/models/site").json()
    for sequence in (1, 2):  # a device keeps what was not answered and sends it again
        ask(site.http, question(sequence, 21.0 + sequence))
    found = until_answers(site.http, DEVICE, 2)
    assert {each["answer"]["source"] for each in found} == {"person"}
    assert cloud.http.get("/v1/status").json()["votes"] == 2


class Later(SystemClock):
    """The clock of this machine, some time ahead."""

    ahead_ms = 0

    def now_ms(self) -> int:
        """Now, and then some."""
        return super().now_ms() + self.ahead_ms


def test_a_parent_without_its_disk_is_asked_again(start: Start, tmp_path: Path) -> None:
    """What the site had handed up and the cloud then lost goes up again after an hour, equal questions once; all come home."""
    clock = Later()
    cloud = start("cloud", level=2)
    site = start("site", cloud, Parts(clock=clock))
    for sequence, value in ((1, 21.0), (2, 22.0), (3, 21.0)):
        ask(site.http, question(sequence, value))
    until_status(cloud.http, "tasks_open", 2)
    cloud.stop()
    shutil.rmtree(tmp_path / "cloud")

    cloud = start("cloud", level=2, port=cloud.port)
    assert cloud.http.get("/v1/status").json()["tasks_open"] == 0
    clock.ahead_ms = FORGOTTEN_MS + 60_000
    until_status(cloud.http, "tasks_open", 2, seconds=20)
    assert sum(cloud.http.get("/v1/status").json()["questions"].values()) == 2
    assert work_desk(cloud.http, first_value) == 2
    assert len(until_answers(site.http, DEVICE, 3, seconds=20)) == 3


def test_a_site_restored_from_an_old_backup_has_every_answer_again(start: Start, tmp_path: Path) -> None:
    """Asked before the backup, asked after it, answered since: the devices ask again, an hour later the site does too, and
    nobody at the desk sees anything twice."""
    clock = Later()
    cloud = start("cloud", level=2)
    site = start("site", cloud, Parts(clock=clock))
    ask(site.http, question(1, 21.0))
    until_status(cloud.http, "tasks_open", 1)
    until_status(site.http, "outbox", 0)
    make_backup(tmp_path / "site", tmp_path / "backup")
    ask(site.http, question(2, 22.0))
    until_status(cloud.http, "tasks_open", 2)
    assert work_desk(cloud.http, first_value) == 2
    until_answers(site.http, DEVICE, 2)
    until_status(cloud.http, "unacknowledged", 0)
    site.stop()
    shutil.rmtree(tmp_path / "site")
    assert restore_backup(tmp_path / "backup", tmp_path / "site").states == {"queued": 1}

    clock.ahead_ms = FORGOTTEN_MS + 60_000
    site = start("site", cloud, Parts(clock=clock))
    ask(site.http, question(2, 22.0))  # as a device does that has no answer
    found = until_answers(site.http, DEVICE, 2, seconds=20)
    assert {each["answer"]["sequence"]: each["answer"]["label_index"] for each in found} == {1: 1, 2: 2}
    assert cloud.http.get("/v1/status").json()["votes"] == 2


def test_a_correction_by_a_cloud_restored_from_an_old_backup_reaches_the_device(
    start: Start, tmp_path: Path
) -> None:
    """The person answered, and corrected it after the backup; what the restored cloud is told then has the number of that
    correction, and is news all the same."""
    cloud = start("cloud", level=2)
    site = start("site", cloud)

    def say(label: int) -> None:
        """A person's word at the cloud, in place of any before, and its way to the site."""
        vote = {"annotator": "ann", "verdict": "label", "label_index": label, "seconds": 1.0}
        cloud.http.post(f"/v1/desk/{task}/undo", json={"annotator": "ann"})
        cloud.http.post(f"/v1/desk/{task}/vote", json=vote).raise_for_status()
        until(lambda: f'"label_index":{label},' in site.http.get(f"/v1/answers?device={DEVICE}").text)
        until_status(cloud.http, "unacknowledged", 0)

    ask(site.http, question(1, 21.0))
    until_status(cloud.http, "tasks_open", 1)
    until_status(site.http, "outbox", 0)
    task = cloud.http.get("/v1/desk/next?annotator=ann").json()["task"]["task"]
    say(1)
    make_backup(tmp_path / "cloud", tmp_path / "backup")
    say(2)
    cloud.stop()
    shutil.rmtree(tmp_path / "cloud")
    restore_backup(tmp_path / "backup", tmp_path / "cloud")
    cloud = start("cloud", level=2, port=cloud.port)
    say(3)


def test_a_site_restored_from_an_old_backup_counts_what_it_knows_to_be_missing(
    start: Start, tmp_path: Path
) -> None:
    """Asked after the backup and answered while the site was away: each is counted until its device asks it again."""
    cloud = start("cloud", level=2)
    site = start("site", cloud)
    ask(site.http, question(1, 21.0))
    until_status(cloud.http, "tasks_open", 1)
    make_backup(tmp_path / "site", tmp_path / "backup")
    for sequence in (2, 3):
        ask(site.http, question(sequence, 20.0 + sequence))
    until_status(cloud.http, "tasks_open", 3)
    site.stop()
    shutil.rmtree(tmp_path / "site")
    restore_backup(tmp_path / "backup", tmp_path / "site")
    assert work_desk(cloud.http, first_value) == 3

    site = start("site", cloud)
    until_status(site.http, "missing", 2)
    assert "py_edge_missing 2\n" in site.http.get("/metrics").text
    ask(site.http, question(2, 22.0))
    until_status(site.http, "missing", 1)
    until_answers(site.http, DEVICE, 2)
    assert cloud.http.get("/v1/status").json()["missing"] == 0


def test_an_acknowledgement_from_before_a_restore_takes_nothing_of_what_came_after(
    start: Start, tmp_path: Path
) -> None:
    """What the node told after its backup had numbers, which are acknowledged late: what it tells now has others."""
    site = start("site")
    ask(site.http, question(1))
    work_desk(site.http, first_value)
    (first,) = until_answers(site.http, DEVICE)
    site.stop()
    make_backup(tmp_path / "site", tmp_path / "backup")
    site = start("site", port=site.port)
    ask(site.http, question(2, 22.0))
    work_desk(site.http, first_value)
    told = until_answers(site.http, DEVICE, 2)[1]
    site.stop()
    shutil.rmtree(tmp_path / "site")
    restore_backup(tmp_path / "backup", tmp_path / "site")

    site = start("site", port=site.port)
    ask(site.http, question(3, 23.0))
    work_desk(site.http, first_value)
    again, new = until_answers(site.http, DEVICE, 2)
    taken = {"device": DEVICE, "events": [told["event"]]}
    assert site.http.post("/v1/answers/ack", json=taken).json() == {"acknowledged": 0}
    assert again["event"] == first["event"] < told["event"] < new["event"]
