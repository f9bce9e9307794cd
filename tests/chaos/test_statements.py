"""A node on PostgreSQL, or the server's process that works for it, is killed at every statement of an erasure.

Before the statement is sent, or after it was answered, for statement N from 1 until the run no longer reaches it; a
COMMIT is one of them. By default every thirtieth N; `make chaos` takes every one.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from py_edge.storage.postgres import PostgresStore
from py_edge.storage.tables import ALL
from tests.chaos.erasing import ASKED, ask_four, erasing_script, whole_erasures
from tests.chaos.scale import SCALE
from tests.storage.postgres_server import PostgresServer

ROOT = Path(__file__).resolve().parents[2]
EVERY = 1 if SCALE.every == 1 else 6 * SCALE.every
FIRST = min(EVERY, 9)  # the ninth stands in the middle of the first erasure
DIE = """
    import itertools, psycopg, signal
    numbers = itertools.count(1)
    def dies_at(method):
        def run(cursor, *rest, **details):
            now = next(numbers) == int(sys.argv[4])
            def die():
                os.write(1, b"hit\\n")
                os.kill(os.getpid() if sys.argv[2] == "node" else cursor.connection.info.backend_pid, signal.SIGKILL)
            if now and sys.argv[3] == "before":
                die()
            done = method(cursor, *rest, **details)
            if now and sys.argv[3] == "after":
                die()
            return done
        return run
    for name in ("execute", "executemany"):
        setattr(psycopg.Cursor, name, dies_at(getattr(psycopg.Cursor, name)))
"""
SCRIPT = erasing_script("PostgresStore(sys.argv[1])", DIE.strip())

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def asked(postgres: PostgresServer) -> str:
    """A database with four waiting questions."""
    url = postgres.new_database()
    ask_four(lambda: PostgresStore(url))
    return url


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("who", ["node", "server"])
def test_what_was_erased_stays_erased(who: str, moment: str, postgres: PostgresServer, asked: str) -> None:
    """At each point: what was acknowledged is gone and its wish waits to go up, no question is half there, a whole
    device's erasure that was begun is ended by the next start, and then no row has anything of it."""
    reached = 0
    for point in range(FIRST, 400, EVERY):
        url = postgres.new_database(like=asked)
        acknowledged, hit = run_and_die(url, who, moment, point)
        postgres.until_ready()
        gone = whole_erasures(lambda: PostgresStore(url))  # noqa: B023
        assert set(acknowledged) <= gone, f"{who} {moment} {point}"
        rows = all_rows(url)
        found = {each.sequence for each in ASKED if each.input["data"] in rows or each.digest[:32] in rows}
        assert found == {each.sequence for each in ASKED} - gone, f"{who} {moment} {point}"
        postgres.drop_database(url)
        if not hit:
            break
        reached += 1
    assert reached >= 3


def run_and_die(url: str, who: str, moment: str, point: int) -> tuple[list[int], bool]:
    """Run the script; gives what it acknowledged, and whether it came to the point."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, url, who, moment, str(point)], capture_output=True, text=True, cwd=ROOT,
        check=False, timeout=60,
    )  # fmt: skip
    words = [line.split() for line in done.stdout.splitlines()]
    hit = ["hit"] in words
    assert hit or done.returncode == 0, done.stderr
    return [int(word[1]) for word in words if word[0] == "ack"], hit


def all_rows(url: str) -> str:
    """Every row of every table, for searching."""
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        return str([connection.execute(f"SELECT * FROM {table.name}").fetchall() for table in ALL])
