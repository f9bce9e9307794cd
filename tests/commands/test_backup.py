"""Backup, restore and dead letters by one command each, on a node that runs."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from py_edge.cli import main
from tests.chaos.places import NodeProcess, free_port
from tests.node.asking import ask, question, until


def run(tmp_path: Path, name: str, **settings: object) -> NodeProcess:
    """A running node."""
    known = {"name": name, "data": tmp_path / name, "port": free_port(), **settings}
    node = NodeProcess(known, tmp_path / f"{name}.log")
    node.start()
    node.until_ready()
    return node


def test_a_dead_node_is_replaced_by_one_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Backed up while it runs; the folder is lost; restored, it knows every question of the backup."""
    node = run(tmp_path, "site")
    with httpx.Client(base_url=node.url, trust_env=False) as http:
        assert [ask(http, question(n)).status_code for n in range(1, 6)] == [202] * 5
        assert main(["backup", str(tmp_path / "site"), str(tmp_path / "copy")]) == 0
        node.kill()
    again = str(tmp_path / "again")
    assert main(["restore", str(tmp_path / "copy"), again]) == 0
    assert main(["restore", str(tmp_path / "copy"), again]) == 1
    assert "move that folder away" in capsys.readouterr().err
    new = run(tmp_path, "new", data=again)
    with httpx.Client(base_url=new.url, trust_env=False) as http:
        assert [ask(http, question(n)).status_code for n in range(1, 6)] == [200] * 5
    new.kill()


def test_dead_letters_are_listed_and_sent_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the parent refused is shown with its reason; replayed it is refused again and is back in the list."""
    cloud = run(tmp_path, "cloud", level=2)
    site = run(tmp_path, "site", parent=cloud.url)
    try:
        with (
            httpx.Client(base_url=cloud.url, trust_env=False) as top,
            httpx.Client(base_url=site.url, trust_env=False) as http,
        ):
            ask(top, question(1, 42.0))
            ask(http, question(1))
            until(lambda: http.get("/v1/dead-letters").json()["dead_letters"])
            assert main(["dead-letters", site.url]) == 0
            shown = capsys.readouterr()
            assert "409" in shown.out
            assert "1 dead letters" in shown.err
            assert main(["dead-letters", site.url, "--replay", "all"]) == 0
            until(lambda: http.get("/v1/dead-letters").json()["dead_letters"])
            assert main(["dead-letters", site.url, "--replay", "77"]) == 1
            assert "[E_NOT_FOUND]" in capsys.readouterr().err
    finally:
        cloud.kill()
        site.kill()
    assert main(["dead-letters", site.url]) == 1
    assert "did not answer" in capsys.readouterr().err
