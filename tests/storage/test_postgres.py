"""The PostgreSQL body on a real server: what is its own besides the contract in test_ports.py."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import psycopg
import pytest
import sqlalchemy as sa

from py_edge.errors import StorageError
from py_edge.node.settings import Settings
from py_edge.storage import postgres as body
from py_edge.storage.ports import Reading, Transaction
from py_edge.storage.postgres import PostgresStore
from py_edge.storage.sql import METADATA
from py_edge.storage.tables import FACTS
from tests.node.asking import ask, first_value, question, until, work_desk
from tests.node.conftest import LiveNode
from tests.storage.postgres_server import PostgresServer

pytestmark = pytest.mark.slow


def test_the_migrations_make_the_declared_schema(postgres: PostgresServer) -> None:
    """Column by column, index by index, as on SQLite."""
    url = postgres.new_database()
    asyncio.run(PostgresStore(url).close())
    engine = sa.create_engine(url)
    found = sa.MetaData()
    found.reflect(engine)
    engine.dispose()
    assert set(found.tables) - {"alembic_version"} == set(METADATA.tables)
    for name, table in METADATA.tables.items():
        migrated = found.tables[name]
        assert [(c.name, c.nullable, c.primary_key) for c in migrated.columns] == [
            (c.name, c.nullable, c.primary_key) for c in table.columns
        ]
        assert {(i.name, *(c.name for c in i.columns)) for i in migrated.indexes} == {
            (i.name, *(c.name for c in i.columns)) for i in table.indexes
        }
        assert {c.type.collation for c in migrated.columns if isinstance(c.type, sa.Text)} <= {"C"}


def test_two_processes_take_turns_and_hear_each_other(postgres: PostgresServer) -> None:
    """Two stores on one database count without a gap or a double, and one is woken by the other's commit."""
    url = postgres.new_database()

    async def story() -> None:
        one, two = PostgresStore(url), PostgresStore(url)
        await two.read(lambda tx: tx.count(FACTS))
        with two.bus.listen("news") as waiter:
            await one.write(lambda tx: tx.notify("news"))
            assert await waiter.wait(5)
        both = [one, two] * 50
        numbers = await asyncio.gather(*[store.write(lambda tx: tx.next_number("n")) for store in both])
        assert sorted(numbers) == list(range(1, 101))
        await one.close()
        await two.close()

    asyncio.run(story())


def test_a_check_and_its_write_are_one(postgres: PostgresServer) -> None:
    """Ten writers in two processes each look whether nobody was first: exactly one finds it so."""
    url = postgres.new_database()

    async def story() -> None:
        stores = [PostgresStore(url), PostgresStore(url)]

        def be_first(tx: Transaction) -> bool:
            first = tx.count(FACTS) == 0
            time.sleep(0.02)
            if first:
                tx.put(FACTS, {"name": f"{tx.next_number('n')}", "value": ""})
            return first

        found = await asyncio.gather(*[store.write(be_first) for store in stores * 5])
        for store in stores:
            await store.close()
        assert sum(found) == 1

    asyncio.run(story())


def test_a_server_that_restarts_is_found_again(postgres: PostgresServer) -> None:
    """What was under way is refused, what follows is written; reading and hearing others go on too."""
    url = postgres.new_database()

    async def story() -> None:
        store, other = PostgresStore(url), PostgresStore(url)
        await store.write(lambda tx: tx.put(FACTS, {"name": "a", "value": "1"}))
        postgres.restart()
        with pytest.raises(StorageError):
            await store.write(lambda tx: tx.put(FACTS, {"name": "b", "value": "1"}))
        assert await store.read(lambda tx: [row["name"] for row in tx.select(FACTS)]) == ["a"]
        await store.write(lambda tx: tx.put(FACTS, {"name": "c", "value": "1"}))
        assert not store.trouble
        with store.bus.listen("news") as waiter, contextlib.suppress(StorageError):
            await waiter.wait(1)  # woken once: something may have been missed
            await other.write(lambda tx: tx.notify("news"))
        with store.bus.listen("news") as waiter:
            await other.write(lambda tx: tx.notify("news"))
            assert await waiter.wait(5)
        assert await other.read(lambda tx: [row["name"] for row in tx.select(FACTS)]) == ["a", "c"]
        await store.close()
        await other.close()

    asyncio.run(story())


def test_a_node_survives_its_database_server(postgres: PostgresServer, tmp_path: Path) -> None:
    """Asked without a pause over a restart: 503 with Retry-After meanwhile, then 202 again, and nothing acknowledged is lost."""
    node = LiveNode(Settings(data=str(tmp_path), port=0, database=postgres.new_database()))
    acknowledged: list[tuple[int, httpx.Response]] = []
    refused: list[tuple[int, httpx.Response]] = []
    over = threading.Event()

    def keep_asking() -> None:
        with httpx.Client(base_url=node.url, trust_env=False, timeout=30) as http:
            for sequence in itertools.count(1):
                if over.is_set():
                    return
                answer = ask(http, question(sequence))
                (acknowledged if answer.status_code == 202 else refused).append((sequence, answer))

    asking = threading.Thread(target=keep_asking)
    asking.start()
    try:
        until(lambda: len(acknowledged) > 20, 60)
        postgres.restart()
        so_far = len(acknowledged)
        until(lambda: len(acknowledged) > so_far + 20, 90)
        over.set()
        asking.join(30)
        assert refused
        assert {answer.status_code for _, answer in refused} == {503}
        assert {answer.headers["retry-after"] for _, answer in refused} == {"1"}
        for sequence, _ in acknowledged:
            assert ask(node.http, question(sequence)).status_code == 200
        assert {ask(node.http, question(n)).status_code for n, _ in refused} <= {200, 202}
        assert node.http.get("/readyz").status_code == 200
    finally:
        over.set()
        asking.join(30)
        node.stop()


def test_a_newer_schema_is_refused(postgres: PostgresServer) -> None:
    """One sentence, before anything is written."""
    url = postgres.new_database()
    asyncio.run(PostgresStore(url).close())
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StorageError, match="newer than this py_edge"):
        PostgresStore(url)


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes"])
def test_a_server_that_may_forget_is_refused(postgres: PostgresServer, setting: str) -> None:
    """Switched off in its configuration: no node starts on it, and the sentence says what to turn on."""
    url = postgres.new_database()
    with postgres.configured(**{setting: "off"}), pytest.raises(StorageError, match=setting) as caught:
        PostgresStore(url)
    assert (caught.value.got, caught.value.want) == ("off", "on")
    asyncio.run(PostgresStore(url).close())


def test_a_commit_waits_for_the_disk_whatever_the_server_says(postgres: PostgresServer) -> None:
    """With synchronous_commit off for everybody our connections have it on, and their timeouts."""
    shown = ("synchronous_commit", "statement_timeout", "idle_in_transaction_session_timeout")

    async def story() -> None:
        store = PostgresStore(postgres.new_database())

        def read(tx: Reading) -> list[str]:
            cursor = tx._cursor._cursor  # type: ignore[attr-defined]
            return [cursor.execute(f"SHOW {name}").fetchone()[0] for name in shown]

        assert await store.write(read) == await store.read(read) == ["on", "30s", "1min"]
        await store.close()

    with postgres.configured(synchronous_commit="off"):
        asyncio.run(story())


def test_a_connection_that_would_forget_is_refused(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Should our own wish not be heeded, it is noticed."""
    monkeypatch.setattr(body, "TIMEOUTS", "-c synchronous_commit=off")
    with pytest.raises(StorageError, match="synchronous_commit"):
        PostgresStore(postgres.new_database())


def test_who_waits_too_long_for_its_turn_is_refused_and_may_ask_again(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process holds the turn for longer than a statement may take: that write is refused, the node lives on."""
    url = postgres.new_database()
    monkeypatch.setattr(
        body, "TIMEOUTS", body.TIMEOUTS.replace("statement_timeout=30000", "statement_timeout=300")
    )

    async def story() -> None:
        store = PostgresStore(url)
        with psycopg.connect(url.replace("+psycopg", "")) as other:
            other.execute(f"SELECT pg_advisory_xact_lock({body.TURN})")
            with pytest.raises(StorageError, match="statement timeout"):
                await store.write(lambda tx: tx.put(FACTS, {"name": "a", "value": "1"}))
        assert not store.trouble
        await store.write(lambda tx: tx.put(FACTS, {"name": "b", "value": "1"}))
        assert await store.read(lambda tx: [row["name"] for row in tx.select(FACTS)]) == ["b"]
        await store.close()

    asyncio.run(story())


def test_a_writer_that_stands_still_loses_its_turn(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Idle inside of a transaction for too long: the server ends it, so another process has its turn."""
    url = postgres.new_database()
    timeout = "idle_in_transaction_session_timeout="
    monkeypatch.setattr(body, "TIMEOUTS", body.TIMEOUTS.replace(f"{timeout}60000", f"{timeout}300"))

    def stand_still(tx: Transaction) -> None:
        tx.put(FACTS, {"name": "a", "value": "1"})
        time.sleep(3)

    async def story() -> None:
        one, two = PostgresStore(url), PostgresStore(url)
        still = asyncio.create_task(one.write(stand_still))
        await asyncio.sleep(0.1)
        await two.write(lambda tx: tx.put(FACTS, {"name": "b", "value": "1"}))
        assert not still.done()
        with pytest.raises(StorageError):
            await still
        await one.write(lambda tx: tx.put(FACTS, {"name": "c", "value": "1"}))
        assert await two.read(lambda tx: [row["name"] for row in tx.select(FACTS)]) == ["b", "c"]
        await one.close()
        await two.close()

    asyncio.run(story())


def test_a_password_is_never_shown() -> None:
    """Nobody listens there: the sentence names the place without the secret."""
    with pytest.raises(StorageError) as caught:
        PostgresStore("postgresql+psycopg://me:hush@127.0.0.1:9/db")
    assert "hush" not in str(caught.value)
    assert "127.0.0.1:9" in str(caught.value)


def test_a_server_that_does_not_answer_is_given_up_soon(postgres: PostgresServer, tmp_path: Path) -> None:
    """Whoever asks is refused within seconds, later ones at once, with 503 and Retry-After; with the server all is well."""
    door = tmp_path / ".s.PGSQL.5432"
    door.symlink_to(postgres.socket)
    url = postgres.new_database().replace(str(postgres.socket.parent), str(tmp_path))
    node = LiveNode(Settings(data=str(tmp_path / "node"), port=0, database=url))
    try:
        assert ask(node.http, question(1)).status_code == 202
        door.unlink()
        with socket.socket(socket.AF_UNIX) as deaf:
            deaf.bind(str(door))
            deaf.listen()
            postgres.restart()
            replies = [ask(node.http, question(number)) for number in range(2, 9)]
        assert {(reply.status_code, reply.headers["retry-after"]) for reply in replies} == {(503, "1")}
        assert {reply.json()["code"] for reply in replies} == {"E_STORAGE"}
        took_s = sorted(reply.elapsed.total_seconds() for reply in replies)
        assert took_s[-1] < 8
        assert took_s[2] < 1
        door.unlink()
        door.symlink_to(postgres.socket)
        until(lambda: ask(node.http, question(9)).status_code == 202)
    finally:
        node.stop()


def test_erasing_leaves_no_row_with_the_content(postgres: PostgresServer, tmp_path: Path) -> None:
    """Answered at the desk, then erased, one question and all of a device with a restart of the server in between: no
    table of the database has a payload or its digest."""
    url = postgres.new_database()
    node = LiveNode(Settings(data=str(tmp_path), port=0, database=url))
    asked, others = question(1, 1234.5678), [question(number, 1234.5 + number) for number in range(2, 62)]
    try:
        for each in (asked, *others):
            ask(node.http, each)
        assert work_desk(node.http, first_value) == 61
        assert node.http.delete(f"/v1/questions/{asked.device}/1").json()["state"] == "erased"
        assert ask(node.http, asked).status_code == 410
        postgres.restart()
        device = f"/v1/devices/{asked.device}"
        done = until(lambda: (reply := node.http.delete(device)).status_code == 200 and reply, 30)
        assert done.json()["erased"] > 0
        assert node.http.delete(device).json() == {"erased": 0}
        assert {ask(node.http, each).status_code for each in others} == {410}
    finally:
        node.stop()
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        rows = [
            (table, row) for table in METADATA.tables for row in connection.execute(f"SELECT * FROM {table}")
        ]
    counts = Counter(table for table, _ in rows)
    assert (counts["questions"], counts["votes"]) == (61, 61)
    words = [word for each in (asked, *others) for word in (each.input["data"], each.digest[:32])]
    assert [row for row in rows if any(word in str(row) for word in words)] == []


def test_a_dump_is_a_backup(postgres: PostgresServer, tmp_path: Path) -> None:
    """pg_dump while the node runs, psql into a new database: a node on that one knows the question and goes on."""
    url = postgres.new_database()
    node = LiveNode(Settings(data=str(tmp_path / "node"), port=0, database=url))
    try:
        assert ask(node.http, question(1)).status_code == 202
        postgres.run_client("pg_dump", "--file", f"{tmp_path}/dump.sql", url)
    finally:
        node.stop()
    again = postgres.new_database()
    postgres.run_client("psql", "--quiet", "--set=ON_ERROR_STOP=1", "--file", f"{tmp_path}/dump.sql", again)
    node = LiveNode(Settings(data=str(tmp_path / "again"), port=0, database=again))
    try:
        assert ask(node.http, question(1)).status_code == 200
        assert ask(node.http, question(2)).status_code == 202
    finally:
        node.stop()
