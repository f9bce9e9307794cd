"""Bring a database to the schema this code knows, with Alembic; refuse one that is newer.

Migrations are additive and run in one transaction each, before the node answers. Alembic is only imported when
there is something to do.
"""

from __future__ import annotations

from importlib.resources import files

import sqlalchemy as sa

from py_edge.errors import StorageError

REVISIONS = ("0001",)  # oldest first; the last one is what this code speaks


def migrate(connection: sa.Connection) -> None:
    """Upgrade to the newest revision. Raises StorageError when the database is newer than the code."""
    current = current_revision(connection)
    if current == REVISIONS[-1]:
        return
    if current and current not in REVISIONS:
        raise StorageError(
            "the database is newer than this py_edge", where="alembic_version", got=current, want=REVISIONS[-1],
            remedy="upgrade py_edge, or restore a backup made by this version",
        )  # fmt: skip
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(files("py_edge.storage") / "migrations"))
    config.attributes["connection"] = connection
    # SQLite's driver begins nothing by itself: each table would be a commit of its own.
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    command.upgrade(config, "head")
    connection.commit()


def current_revision(connection: sa.Connection) -> str:
    """The revision a database is at; empty when it is new."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return ""
    found = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    return str(found or "")
