"""The process: killed without warning it loses nothing; what is wrong at the start is one sentence and a code."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from py_edge.records import Question
from tests.node.asking import DEVICE, ask, first_value, question, until, until_answers, work_desk

RUN = """
import json, sys
from py_edge.node.serve import serve
from py_edge.node.settings import Settings
sys.exit(serve(Settings(**json.loads(sys.argv[1])), on_ready=lambda url: print(url, flush=True)))
"""
ROOT = Path(__file__).resolve().parents[2]


class Process:
    """A node in its own process."""

    def __init__(self, settings: str) -> None:
        command = [sys.executable, "-c", RUN, settings]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        assert self.url, self.process.communicate(timeout=10)[1]
        self.http = httpx.Client(base_url=self.url, timeout=10, trust_env=False)

    def end(self, how: signal.Signals) -> tuple[int, str]:
        """Signal it and wait; gives exit code and what it complained about."""
        self.http.close()
        self.process.send_signal(how)
        _, complaints = self.process.communicate(timeout=15)
        return self.process.returncode, complaints


@pytest.fixture
def running() -> Iterator[list[Process]]:
    """Processes that are ended whatever happens."""
    processes: list[Process] = []
    yield processes
    for each in processes:
        each.http.close()
        if each.process.poll() is None:
            each.process.kill()
        each.process.communicate()


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_killed_node_loses_nothing(tmp_path: Path, running: list[Process]) -> None:
    """SIGKILL of the middle node with questions under way: every acknowledged one is answered, each once."""
    cloud_port, site_port = free_port(), free_port()
    cloud_settings = f'{{"name":"cloud","level":2,"data":"{tmp_path}/cloud","port":{cloud_port}}}'
    site_settings = f'{{"name":"site","data":"{tmp_path}/site","port":{site_port},"parent":"http://127.0.0.1:{cloud_port}"}}'
    running += [Process(cloud_settings), Process(site_settings)]
    cloud, site = running
    acknowledged = [n for n in range(1, 41) if ask(site.http, question(n)).status_code == 202]
    assert len(acknowledged) == 40
    site.end(signal.SIGKILL)
    until(lambda: cloud.http.get("/v1/status").json()["tasks_open"] > 0)
    work_desk(cloud.http, first_value)
    cloud.end(signal.SIGKILL)
    cloud, site = Process(cloud_settings), Process(site_settings)
    running += [cloud, site]
    assert {ask(site.http, question(n)).status_code for n in acknowledged} == {200}

    def all_answered() -> bool:
        work_desk(cloud.http, first_value)
        return bool(site.http.get("/v1/status").json()["questions"]["answered"] == 40)

    until(all_answered, 20)
    page = until_answers(site.http, DEVICE, 40)
    assert sorted(entry["answer"]["sequence"] for entry in page) == acknowledged
    assert {entry["answer"]["revision"] for entry in page} == {1}
    assert all(entry["answer"]["label_index"] == entry["answer"]["sequence"] % 10 for entry in page)
    assert cloud.http.get("/v1/status").json()["examples"] == 40
    assert site.http.get("/v1/status").json()["examples"] == 40


def test_sigterm_is_a_clean_stop(tmp_path: Path, running: list[Process]) -> None:
    """Exit code 0, no complaint, even while a stream is open."""
    node = Process(f'{{"data":"{tmp_path}/n","port":0}}')
    running.append(node)
    with node.http.stream("GET", f"/v1/answers/stream?device={DEVICE}") as response:
        assert response.status_code == 200
        node.process.send_signal(signal.SIGTERM)
        _, complaints = node.process.communicate(timeout=10)
    assert (node.process.returncode, complaints) == (0, "")


def test_a_port_in_use_is_one_sentence(tmp_path: Path) -> None:
    """Exit code 2, what is wrong and what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, complaints = run_once(f'{{"data":"{tmp_path}/n","port":{taken.getsockname()[1]}}}')
    assert code == 2
    assert complaints.count("\n") == 1
    assert "Address already in use" in complaints
    assert "--port" in complaints


def test_two_nodes_on_one_database_are_noticed(tmp_path: Path, running: list[Process]) -> None:
    """The second one says so and leaves."""
    running.append(Process(f'{{"data":"{tmp_path}/n","port":0}}'))
    code, complaints = run_once(f'{{"data":"{tmp_path}/n","port":0}}')
    assert (code, complaints.count("\n")) == (2, 1)
    assert "another node uses this database" in complaints


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    """Exit code 2 and a remedy."""
    (tmp_path / "file").write_text("not a folder")
    code, complaints = run_once(f'{{"data":"{tmp_path}/file/n","port":0}}')
    assert (code, complaints.count("\n")) == (2, 1)
    assert "writable" in complaints


@pytest.mark.skipif(
    not Path("/dev/full").exists() or os.geteuid() != 0, reason="needs root to mount a small disk"
)
def test_a_full_disk_acknowledges_nothing(tmp_path: Path, running: list[Process]) -> None:
    """When the disk is full a question is refused, readiness goes, and the process ends with code 3; once there is room
    again the next start is ready within seconds, has all that was acknowledged, and takes more."""
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(small)], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        (small / "ballast").write_bytes(bytes(1 << 20))
        settings = f'{{"data":"{small}/node","port":0}}'
        node = Process(settings)
        running.append(node)
        codes = ask_until_refused(node)
        accepted = codes.count(202)
        assert set(codes) <= {202, 503}
        assert accepted < 199
        _, complaints = node.process.communicate(timeout=10)
        assert node.process.returncode == 3
        assert "full" in complaints
        (small / "ballast").unlink()
        begin = time.monotonic()
        running.append(again := Process(settings))
        assert again.http.get("/readyz").status_code == 200
        assert time.monotonic() - begin < 60  # one or two seconds where nothing else runs
        known = [ask(again.http, large(n)).status_code for n in range(1, accepted + 1)]
        assert known == [200] * accepted
        assert ask(again.http, large(1000)).status_code == 202
    finally:
        for each in running:
            each.process.kill()
            each.process.wait()
        subprocess.run(["umount", str(small)], check=True)


def large(sequence: int) -> Question:
    """A question of some ten thousand bytes."""
    return question(sequence, *([0.5] * 2000), float(sequence))


def ask_until_refused(node: Process) -> list[int]:
    """Ask and ask; what each was told, silence left out."""
    codes: list[int] = []
    for sequence in range(1, 200):
        try:
            codes.append(ask(node.http, large(sequence)).status_code)
        except httpx.TransportError:
            break
        if codes[-1] != 202:
            break
    return codes


def run_once(settings: str) -> tuple[int, str]:
    """Start a node that should not start."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, settings],
        capture_output=True,
        text=True,
        timeout=20,
        cwd=ROOT,
        check=False,
    )
    return done.returncode, done.stderr
