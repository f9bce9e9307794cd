"""A real PostgreSQL of this machine on a temporary folder and a Unix socket, run by a user without rights."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg


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
        self._user = _plain_user()
        self._count = 0

    def __enter__(self) -> PostgresServer:
        if os.geteuid() == 0:
            entry = pwd.getpwnam(self._user)
            os.chown(self._folder, entry.pw_uid, entry.pw_gid)
        self._run("initdb", "-D", self._data, "-A", "trust", "-U", "py_edge", "--no-sync", "-E", "UTF8")
        options = f"-c listen_addresses='' -c unix_socket_directories={self._folder} -c max_connections=50"
        self._run("pg_ctl", "-D", self._data, "-w", "-s", "-l", f"{self._folder}/log", "-o", options, "start")
        return self

    def __exit__(self, *error: object) -> None:
        self._run("pg_ctl", "-D", self._data, "-m", "immediate", "-s", "stop")
        shutil.rmtree(self._folder, ignore_errors=True)

    def new_database(self) -> str:
        """The URL of a new empty database."""
        self._count += 1
        name = f"test_{self._count}"
        with psycopg.connect(self._plain_url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql+psycopg://{self._plain_url(name).removeprefix('postgresql://')}"

    def restart(self) -> None:
        """Cut every connection, as a crash of the server does."""
        self._run(
            "pg_ctl", "-D", self._data, "-m", "immediate", "-s", "-w", "restart", "-l", f"{self._folder}/log"
        )

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self._folder / ".s.PGSQL.5432"

    @property
    def _data(self) -> str:
        return f"{self._folder}/data"

    def _plain_url(self, name: str) -> str:
        return f"postgresql://py_edge@/{name}?host={self._folder}"

    def _run(self, program: str, *words: str) -> None:
        user = {"user": self._user, "group": pwd.getpwnam(self._user).pw_gid} if os.geteuid() == 0 else {}
        done = subprocess.run(
            [self._binaries / program, *words], cwd=self._folder, stdin=subprocess.DEVNULL, check=False,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60, **user,  # type: ignore[call-overload]
        )  # fmt: skip
        assert done.returncode == 0, f"{program} {' '.join(words)}: {done.returncode}"


def _plain_user() -> str:
    """PostgreSQL refuses to run as root."""
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
