"""Every body of the Store port, each new and empty."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from py_edge.storage.in_memory import MemoryStore
from py_edge.storage.ports import Store
from py_edge.storage.sqlite import SqliteStore
from tests.storage.postgres_server import PostgresServer, find_binaries


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A running PostgreSQL."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed")
    with PostgresServer(binaries) as server:
        yield server


@pytest.fixture(params=["memory", "sqlite", "sqlite_one_thread", "postgres"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    """Opens the same store each time it is called; memory forgets."""
    if request.param == "memory":
        return MemoryStore
    if request.param.startswith("sqlite"):
        return lambda: SqliteStore(tmp_path / "node.db", threaded=request.param == "sqlite")
    from py_edge.storage.postgres import PostgresStore

    url = request.getfixturevalue("postgres").new_database()
    return lambda: PostgresStore(url)
