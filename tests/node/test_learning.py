"""The loop over real nodes: answers become examples, a better model passes the gate and reaches every child."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from py_edge.confidence.policy import make_policy
from py_edge.node.node import Parts
from py_edge.records import Example, Release
from py_edge.retrain.learner import Owned
from tests.node.asking import DEVICE, ask, content, question, until, until_answers, until_status, work_desk
from tests.node.conftest import LiveNode, Start
from tests.retrain.centroids import CentroidAnswerer, CentroidLearner, model_files, numbers

TRUTH = {0: 0.0, 1: 10.0, 2: 20.0, 3: 30.0}
RIGHT = {0: 0.0, 1: 10.0, 2: 23.0, 3: 33.0}
STALE = {0: 0.0, 1: 10.0, 2: 33.0, 3: 43.0}  # what 20 and 30 are has drifted since it was trained


def gold() -> list[Example]:
    """Examples of the classes that have not drifted."""
    return [Example(DEVICE, 9_000 + n, "digits", content(TRUTH[n % 2] + n / 100), n % 2) for n in range(20)]


def label_of(task: dict[str, Any]) -> int:
    """What a person sees at once."""
    return round(numbers(task["input"])[0] / 10)


def test_the_next_time_the_site_knows(start: Start) -> None:
    """Unsure at first; taught by persons, retrained, gated, released, followed by the child; then it answers itself."""
    owned = Owned("site", CentroidLearner(), 1, (model_files(STALE), {"labels": list("0123")}), gold())
    answerer = CentroidAnswerer()
    cloud = start("cloud", level=2, parts=Parts(owned=(owned,)), retrain_after=60)
    parts = Parts(answerer=answerer, answerer_model="site", load=answerer.load)
    site = start("site", cloud, parts)
    until(lambda: answerer.version == 1)
    assert ask(site.http, question(1, 21.0)).json()["state"] == "queued"
    for sequence in range(2, 61):
        value = TRUTH[2 + sequence % 2] + sequence / 100
        assert ask(site.http, question(sequence, value)).json()["state"] == "queued"
    until_status(cloud.http, "tasks_open", 60)
    assert work_desk(cloud.http, label_of) == 60
    until_answers(site.http, DEVICE, 60)
    print(cloud.http.get("/v1/status").json()["gates"])
    until(lambda: answerer.version == 2)
    known = ask(site.http, question(100, 21.0, confidence=0.1)).json()
    assert known["answer"]["source"] == "person"  # the same input was asked before
    fresh = ask(site.http, question(101, 20.05)).json()
    assert (fresh["state"], fresh["answer"]["source"], fresh["answer"]["label_index"]) == (
        "answered",
        "site",
        2,
    )
    assert fresh["answer"]["model_version"] == 2
    status = cloud.http.get("/v1/status").json()
    assert [(gate["decision"], gate["version"]) for gate in status["gates"]] == [("released", 2)]
    assert status["gates"][0]["metrics"]["losses"] == 0
    check_files(site.http, cloud.http)


def check_files(child: httpx.Client, parent: httpx.Client) -> None:
    """A release is the same everywhere, file by file, with ranges and validators."""
    release = child.get("/v1/models/site").json()
    assert release == parent.get("/v1/models/site").json()
    assert [v["version"] for v in parent.get("/v1/models/site/versions").json()["versions"]] == [1, 2]
    file = release["files"][0]
    url = f"/v1/models/site/2/files/{file['path']}"
    whole = child.get(url)
    assert (len(whole.content), whole.headers["etag"]) == (file["size"], f'"{file["sha256"]}"')
    assert "immutable" in whole.headers["cache-control"]
    assert child.get(f"/v1/blobs/{file['sha256']}").content == whole.content
    part = child.get(url, headers={"range": "bytes=2-5"})
    assert (part.status_code, part.content) == (206, whole.content[2:6])
    assert child.get(url, headers={"range": "bytes=99999-"}).status_code == 416
    assert child.get(url, headers={"range": "bytes=0-1,3-4"}).status_code == 416
    assert child.get(url, headers={"if-none-match": whole.headers["etag"]}).status_code == 304
    etag = child.get("/v1/models/site").headers["etag"]
    assert child.get("/v1/models/site", headers={"if-none-match": etag}).status_code == 304


def test_going_back_is_a_new_version(start: Start) -> None:
    """A rollback releases the old files under a higher number, so children follow it too."""
    owned = Owned("site", CentroidLearner(), 1, (model_files(STALE), {}))
    cloud = start("cloud", level=2, parts=Parts(owned=(owned,)))
    site = start("site", cloud)
    first = until(lambda: site.http.get("/v1/models").json()["models"])[0]
    back = cloud.http.post("/v1/models/site/rollback", json={"to_version": 1, "reason": "it was better"})
    assert (back.status_code, back.json()["version"], back.json()["files"]) == (201, 2, first["files"])
    until(lambda: site.http.get("/v1/models/site").json()["version"] == 2)
    assert site.http.get("/v1/models/site").json()["metadata"]["rollback_to"] == 1


class Careful(CentroidLearner):
    """Promises what the product's own certificate allows."""

    def certify(
        self, files: Mapping[str, bytes], audits: Sequence[Example], gold: Sequence[Example]
    ) -> tuple[Mapping[str, bytes], dict[str, Any]]:
        """See Learner."""
        outputs = [guess.probabilities for guess in self.evaluate(files, audits)]
        return files, make_policy(outputs, [example.label_index for example in audits]).to_json()


class Bound(CentroidAnswerer):
    """As sure as its release allows."""

    def load(self, release: Release, files: Mapping[str, bytes]) -> None:
        """Take the threshold too."""
        self.threshold = release.metadata["threshold"]
        super().load(release, files)


def test_a_thing_of_an_unknown_kind_is_not_answered_for_long(start: Start) -> None:
    """The site takes it for a one and is sure; a few audits that fit no label, and it asks instead of answering."""
    first = (model_files({0: 0.0, 1: 10.0}), {"labels": list("01"), "threshold": 0.8})
    cloud = start(
        "cloud", level=2, parts=Parts(owned=(Owned("site", Careful(), 1, first),)), retrain_after=60
    )
    answerer = Bound()
    site = start("site", cloud, Parts(answerer=answerer, answerer_model="site", load=answerer.load))
    until(lambda: answerer.version == 1)
    ask(site.http, question(1, 4.0))
    until_status(cloud.http, "tasks_open", 1)
    work_desk(cloud.http, lambda task: 0)
    strange = [question(sequence, 10.0 + sequence / 1_000) for sequence in range(2, 11)]
    assert ask(site.http, strange[0]).json()["answer"]["confidence"] > 0.99
    for asked in strange[1:]:
        ask(site.http, asked.but(audit=True))
    until_status(cloud.http, "tasks_open", 8)
    while task := cloud.http.get("/v1/desk/next?annotator=ann").json()["task"]:
        cloud.http.post(
            f"/v1/desk/{task['task']}/vote", json={"annotator": "ann", "verdict": "none_of_these"}
        )
    until(lambda: answerer.version == 2)
    assert ask(site.http, question(99, 10.099)).json()["state"] == "queued"


@dataclass(frozen=True)
class Misled:
    """cloud -> region -> site; everybody was wrong, so the gate let a bad model out, and the site answers with it."""

    cloud: LiveNode
    region: LiveNode
    site: LiveNode
    answerer: CentroidAnswerer


@pytest.fixture
def misled(start: Start) -> Misled:
    """Persons take twos for threes and threes for twos, sixty times."""
    promised = {"labels": list("0123"), "threshold": 0.8}
    owned = Owned("site", CentroidLearner(), 1, (model_files(RIGHT), promised))
    cloud = start("cloud", level=3, parts=Parts(owned=(owned,)), retrain_after=60)
    region = start("region", cloud, level=2)
    answerer = CentroidAnswerer()
    site = start("site", region, Parts(answerer=answerer, answerer_model="site", load=answerer.load))
    until(lambda: answerer.version == 1)
    for sequence in range(1, 61):
        ask(site.http, question(sequence, 20.0 + 10 * (sequence % 2) + sequence / 100))
    until_status(cloud.http, "tasks_open", 60)
    assert work_desk(cloud.http, lambda task: 5 - label_of(task)) == 60
    until(lambda: answerer.version == 2)
    return Misled(cloud, region, site, answerer)


def test_a_bad_release_is_taken_back_down_the_whole_chain(misled: Misled) -> None:
    """One rollback at the top, and two tiers below it answers as before."""
    wrong = ask(misled.site.http, question(101, 20.05)).json()["answer"]
    assert (wrong["source"], wrong["label_index"]) == ("site", 3)
    wish = {"to_version": 1, "reason": "twos are threes"}
    assert misled.cloud.http.post("/v1/models/site/rollback", json=wish).status_code == 201
    until(lambda: misled.answerer.version == 3)
    assert misled.answerer.centroids == RIGHT
    assert misled.region.http.get("/v1/models/site").json()["metadata"]["rollback_to"] == 1
    right = ask(misled.site.http, question(102, 23.01)).json()["answer"]
    assert (right["source"], right["label_index"], right["model_version"]) == ("site", 2, 3)


def test_a_release_that_breaks_its_promise_goes_back_by_itself(misled: Misled) -> None:
    """Random audits find the error, nobody does anything, and the site answers as before."""
    for sequence in range(101, 109):
        ask(misled.site.http, question(sequence, 20.3 + sequence / 10_000, audit=True))
    until_status(misled.cloud.http, "tasks_open", 8)
    work_desk(misled.cloud.http, label_of)
    until(lambda: misled.answerer.version == 3)
    assert misled.answerer.centroids == RIGHT
    status = misled.cloud.http.get("/v1/status").json()
    assert (status["gates"][0]["decision"], status["gates"][0]["to_version"]) == ("rolled_back", 1)
    assert 'py_edge_rollbacks_total{name="site"} 1' in misled.cloud.http.get("/metrics").text
    assert misled.site.http.get("/v1/models/site").json()["metadata"]["rollback_to"] == 1
