"""A real PostgreSQL of this machine on a temporary folder and a Unix socket, run by a user without rights."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa

START_S = 60.0


def find_binaries() -> Path | None:
    """The folder with initdb and pg_ctl; None when PostgreSQL is not installed."""
    known = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    found = shutil.which("pg_ctl")
    return known[-1] if known else Path(found).resolve().parent if found else None


class PostgresServer:
    """Started on entry, stopped and removed on exit."""

    def __init__(self, binaries: Path) -> None:
        self._binaries = binaries
        self._folder = Path(tempfile.mkdtemp(prefix="pyedge-pg-"))
        self._data = f"{self._folder}/data"
        plain = pwd.getpwnam(_plain_user())
        self._user: dict[str, Any] = (
            {"user": plain.pw_uid, "group": plain.pw_gid} if os.geteuid() == 0 else {}
        )
        self._count = 0

    def __enter__(self) -> PostgresServer:
        if self._user:
            os.chown(self._folder, self._user["user"], self._user["group"])
        made = self._run(
            "initdb", "-D", self._data, "-A", "trust", "-U", "py_edge", "--no-sync", "-E", "UTF8"
        )
        assert made.wait(60) == 0, (self._folder / "log").read_text()
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def new_database(self, like: str = "") -> str:
        """The URL of a new database: empty, or a copy of one that nobody uses."""
        self._count += 1
        name = f"test_{self._count}"
        with psycopg.connect(self._plain_url("postgres"), autocommit=True) as connection:
            template = sa.make_url(like).database if like else "template1"
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return f"postgresql+psycopg://{self._plain_url(name).removeprefix('postgresql://')}"

    def drop_database(self, url: str) -> None:
        """Nobody uses it any more."""
        with psycopg.connect(self._plain_url("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {sa.make_url(url).database}")

    def run_client(self, program: str, *words: str) -> None:
        """One of the programs that come with the server; its last word is one of our URLs."""
        words = (*words[:-1], words[-1].replace("+psycopg", ""))
        subprocess.run([self._binaries / program, *words], check=True, capture_output=True, timeout=60)

    def start(self) -> None:
        """Returns when it answers; after a kill it recovers first."""
        options = (
            "listen_addresses=", f"unix_socket_directories={self._folder}", "max_connections=50",
            "recovery_init_sync_method=syncfs",  # one call for all files, not one for each of thousands
        )  # fmt: skip
        self._process = self._run(
            "postgres", "-D", self._data, *(w for each in options for w in ("-c", each))
        )
        self.until_ready()

    def until_ready(self) -> None:
        """Wait until it answers."""
        end = time.monotonic() + START_S
        while True:
            try:
                psycopg.connect(self._plain_url("postgres")).close()
                return
            except psycopg.OperationalError:
                assert time.monotonic() < end, (self._folder / "log").read_text()[-2000:]
                time.sleep(0.1)

    def kill(self) -> None:
        """SIGKILL to every one of its processes."""
        first = self._process.pid
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        self._process.kill()
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
        self._process.wait(20)

    def restart(self) -> None:
        """Cut every connection, as a crash of the server does."""
        self._stop()
        self.start()

    @contextlib.contextmanager
    def configured(self, **settings: str) -> Iterator[None]:
        """With other settings, which do not need a restart, for new connections."""
        with psycopg.connect(self._plain_url("postgres"), autocommit=True) as connection:
            for name, value in settings.items():
                connection.execute(f"ALTER SYSTEM SET {name} = {value}")
            self._reload(settings)
            try:
                yield
            finally:
                connection.execute("ALTER SYSTEM RESET ALL")
                self._reload(dict.fromkeys(settings, "on"))

    def _reload(self, wanted: Mapping[str, str]) -> None:
        """Have the configuration read again; returns when a new connection shows it."""
        self._process.send_signal(signal.SIGHUP)
        end = time.monotonic() + START_S
        for name, value in wanted.items():
            while True:
                with psycopg.connect(self._plain_url("postgres")) as connection:
                    if connection.execute(f"SHOW {name}").fetchone() == (value,):
                        break
                assert time.monotonic() < end, name
                time.sleep(0.02)

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self._folder / ".s.PGSQL.5432"

    def _stop(self) -> None:
        """At once and without a checkpoint: the next start recovers."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(60)

    def _plain_url(self, name: str) -> str:
        return f"postgresql://py_edge@/{name}?host={self._folder}"

    def _run(self, program: str, *words: str) -> subprocess.Popen[bytes]:
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(
                [self._binaries / program, *words], cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, **self._user,
            )  # fmt: skip


def _plain_user() -> str:
    """PostgreSQL refuses to run as root."""
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
