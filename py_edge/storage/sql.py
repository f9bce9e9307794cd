"""The verbs of a transaction as SQLAlchemy Core statements, shared by every SQL body.

Each statement is built and compiled once per shape and dialect; what runs in the hot path is its text with marks on
the driver's cursor. Rows whose fate nobody must know at once are held back and written together: one statement for
a whole group of transactions, at the latest when somebody looks at their table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ClauseElement

from py_edge.storage.ports import Row, Where
from py_edge.storage.tables import ALL, COUNTERS, Table

# Text is ordered by code point everywhere, as Python does it.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_KINDS: dict[str, sa.types.TypeEngine[Any]] = {
    "text": TEXT,
    "integer": sa.BigInteger(),
    "real": sa.Double(),
}


def make_metadata() -> sa.MetaData:
    """The declared tables as SQLAlchemy tables."""
    metadata = sa.MetaData()
    for table in ALL:
        columns = [
            sa.Column(name, _KINDS[kind], primary_key=name in table.key, nullable=False, autoincrement=False)
            for name, kind in table.columns.items()
        ]
        indexes = [sa.Index(f"ix_{table.name}_{'_'.join(index)}", *index) for index in table.indexes]
        sa.Table(table.name, metadata, *columns, *indexes, sqlite_with_rowid=True)
    return metadata


METADATA = make_metadata()
_COMPARE = {
    "=": "__eq__", "!=": "__ne__", "<": "__lt__", "<=": "__le__", ">": "__gt__", ">=": "__ge__",
}  # fmt: skip


class Statement(NamedTuple):
    """A text with marks, and the function that puts named values in the order of the marks."""

    text: str
    values: Callable[[Mapping[str, Any]], tuple[Any, ...]]


class TakenError(Exception):
    """A row that was held back as new is not: its transaction must run again, alone."""


class Statements:
    """Statements of one dialect, which must be positional; made when first asked for."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._insert = postgresql.insert if dialect.name == "postgresql" else sqlite.insert
        self._made: dict[Any, Statement] = {}

    def insert(self, table: Table) -> Statement:
        """Add a row unless its key is taken."""
        return self._once(("insert", table.name), lambda: self._insert(_sql(table)).on_conflict_do_nothing())

    def put(self, table: Table) -> Statement:
        """Add or replace a row."""
        return self._once(("put", table.name), lambda: self._upsert(table))

    def update(self, table: Table, columns: tuple[str, ...]) -> Statement:
        """Change some columns of the row with a key; key parameters are called key_*."""
        return self._once(("update", table.name, columns), lambda: self._update(table, columns))

    def delete(self, table: Table, where: tuple[Where, ...]) -> Statement:
        """Remove rows."""
        return self._once(
            ("delete", table.name, _shape(where)),
            lambda: sa.delete(_sql(table)).where(*_conditions(table, where)),
        )

    def select(
        self, table: Table, where: tuple[Where, ...], order: tuple[str, ...], limited: bool
    ) -> Statement:
        """Find rows."""
        key = ("select", table.name, _shape(where), order, limited)
        return self._once(key, lambda: _select(table, where, order, limited))

    def exists(self, table: Table, where: tuple[Where, ...]) -> Statement:
        """Whether there is such a row: 1 or 0, or what the dialect takes for true and false."""

        def build() -> ClauseElement:
            return sa.select(sa.exists().select_from(_sql(table)).where(*_conditions(table, where)))

        return self._once(("exists", table.name, _shape(where)), build)

    def tally(self, table: Table, column: str, where: tuple[Where, ...]) -> Statement:
        """Count rows by a column; by nothing when it is empty."""

        def build() -> ClauseElement:
            by = [_sql(table).c[column]] if column else []
            return (
                sa.select(*by, sa.func.count())
                .where(*_conditions(table, where))
                .group_by(*by)
                .select_from(_sql(table))
            )

        return self._once(("tally", table.name, column, _shape(where)), build)

    def next_number(self) -> Statement:
        """Count a counter up and give its new value."""

        def build() -> ClauseElement:
            counters = _sql(COUNTERS)
            insert = self._insert(counters).values(name=sa.bindparam("name"), value=sa.literal_column("1"))
            counted = insert.on_conflict_do_update(
                index_elements=["name"], set_={"value": counters.c.value + sa.literal_column("1")}
            )
            return counted.returning(counters.c.value)

        return self._once(("next_number",), build)

    def _upsert(self, table: Table) -> ClauseElement:
        insert = self._insert(_sql(table))
        rest = {name: insert.excluded[name] for name in table.columns if name not in table.key}
        if not rest:
            return insert.on_conflict_do_nothing()
        return insert.on_conflict_do_update(index_elements=list(table.key), set_=rest)

    def _update(self, table: Table, columns: tuple[str, ...]) -> ClauseElement:
        sql = _sql(table)
        keys = [sql.c[name] == sa.bindparam(f"key_{name}", type_=sql.c[name].type) for name in table.key]
        return sa.update(sql).where(*keys).values({name: sa.bindparam(name) for name in columns})

    def _once(self, key: Any, build: Callable[[], ClauseElement]) -> Statement:
        made = self._made.get(key)
        if made is None:
            compiled: Any = build().compile(dialect=self._dialect)
            made = self._made[key] = Statement(str(compiled), _picker(compiled.positiontup))
        return made


def _picker(names: Sequence[str]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """What takes these values out of a mapping, as a tuple."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda parameters: tuple(parameters[name] for name in names)


class _Held:
    """Rows to be inserted into one table, in the order they came."""

    def __init__(self, insert: Statement, all_new: bool) -> None:
        self.insert, self.all_new = insert, all_new
        self.rows: list[tuple[Any, ...]] = []


class SqlTransaction:
    """The verbs on one cursor of an open transaction."""

    def __init__(self, cursor: Any, statements: Statements) -> None:
        self._cursor = cursor
        self._statements = statements
        self._held: dict[str, _Held] = {}
        self.alone = False  # nothing is held back, for somebody waits to hear whether each row was new
        self.topics: list[str] = []

    def write_held(self) -> None:
        """Write what is held back; whoever began the transaction calls this before the commit. Raises TakenError."""
        while self._held:
            self._write_held_of(next(iter(self._held)))

    def forget(self) -> None:
        """Nothing was said and nothing is held back: what came so far is undone, or over."""
        self._held, self.topics = {}, []

    def get(self, table: Table, *key: Any) -> Row | None:
        """See ports.Reading."""
        rows = self.select(table, *[(name, "=", value) for name, value in zip(table.key, key, strict=True)])
        return rows[0] if rows else None

    def select(
        self, table: Table, *where: Where, order: tuple[str, ...] = (), limit: int | None = None
    ) -> list[Row]:
        """See ports.Reading."""
        parameters = _parameters(where)
        if limit is not None:
            parameters |= {"row_limit": limit, "no_offset": 0}
        statement = self._statements.select(table, where, order or table.key, limit is not None)
        self._run(table, statement, parameters)
        names = tuple(table.columns)
        return [dict(zip(names, values, strict=True)) for values in self._cursor.fetchall()]

    def exists(self, table: Table, *where: Where) -> bool:
        """See ports.Reading."""
        self._run(table, self._statements.exists(table, where), _parameters(where))
        return bool(self._cursor.fetchone()[0])

    def count(self, table: Table, *where: Where) -> int:
        """See ports.Reading."""
        self._run(table, self._statements.tally(table, "", where), _parameters(where))
        return int(self._cursor.fetchone()[0])

    def tally(self, table: Table, column: str, *where: Where) -> dict[Any, int]:
        """See ports.Reading."""
        self._run(table, self._statements.tally(table, column, where), _parameters(where))
        return dict(self._cursor.fetchall())

    def insert(self, table: Table, row: Row) -> bool:
        """See ports.Transaction."""
        self._write_row(self._statements.insert(table), table, row)
        return bool(self._cursor.rowcount == 1)

    def insert_new(self, table: Table, row: Row) -> bool:
        """See ports.Transaction."""
        if self.alone:
            return self.insert(table, row)
        self._hold(table, [row], all_new=True)
        return True

    def insert_all(self, table: Table, rows: Sequence[Row]) -> None:
        """See ports.Transaction."""
        self._hold(table, rows, all_new=False)

    def put(self, table: Table, row: Row) -> None:
        """See ports.Transaction."""
        self._write_row(self._statements.put(table), table, row)

    def update(self, table: Table, key: tuple[Any, ...], **changes: Any) -> bool:
        """See ports.Transaction."""
        keys = {f"key_{name}": value for name, value in zip(table.key, key, strict=True)}
        self._run(table, self._statements.update(table, tuple(changes)), changes | keys)
        return bool(self._cursor.rowcount == 1)

    def delete(self, table: Table, *where: Where) -> int:
        """See ports.Transaction."""
        self._run(table, self._statements.delete(table, where), _parameters(where))
        return int(self._cursor.rowcount)

    def next_number(self, name: str) -> int:
        """See ports.Transaction."""
        self._run(COUNTERS, self._statements.next_number(), {"name": name})
        return int(self._cursor.fetchone()[0])

    def notify(self, topic: str) -> None:
        """See ports.Transaction."""
        self.topics.append(topic)

    def _run(self, table: Table, statement: Statement, parameters: Mapping[str, Any]) -> None:
        self._execute(table, statement.text, statement.values(parameters))

    def _write_row(self, statement: Statement, table: Table, row: Row) -> None:
        self._execute(table, statement.text, _values(statement, table, row))

    def _execute(self, table: Table, text: str, values: tuple[Any, ...]) -> None:
        if table.name in self._held:
            self._write_held_of(table.name)
        self._cursor.execute(text, values)

    def _hold(self, table: Table, rows: Sequence[Row], all_new: bool) -> None:
        held = self._held.get(table.name)
        if held is not None and held.all_new != all_new:
            self._write_held_of(table.name)
            held = None
        if held is None:
            held = self._held[table.name] = _Held(self._statements.insert(table), all_new)
        for row in rows:
            held.rows.append(_values(held.insert, table, row))

    def _write_held_of(self, name: str) -> None:
        held = self._held.pop(name)
        self._cursor.executemany(held.insert.text, held.rows)
        if held.all_new and self._cursor.rowcount < len(held.rows):
            raise TakenError


def _values(statement: Statement, table: Table, row: Row) -> tuple[Any, ...]:
    """The row in the order of the marks. Raises StorageError when it does not fit its table."""
    if len(row) == len(table.columns):
        try:
            return statement.values(row)
        except KeyError:
            pass
    return statement.values(table.checked(row))


def _sql(table: Table) -> sa.Table:
    return METADATA.tables[table.name]


def _padded(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Of a length that is a power of two, so that there are few texts: the last one again and again."""
    return values + values[-1:] * ((1 << (len(values) - 1).bit_length()) - len(values)) if values else values


def _shape(where: tuple[Where, ...]) -> tuple[Any, ...]:
    return tuple(
        (column, operator, len(_padded(value)) if operator == "in" else 0)
        for column, operator, value in where
    )


def _conditions(table: Table, where: tuple[Where, ...]) -> list[Any]:
    found: list[Any] = []
    for place, (column, operator, value) in enumerate(where):
        target = _sql(table).c[column]
        if operator == "in":
            names = [
                sa.bindparam(f"w{place}_{index}", type_=target.type) for index in range(len(_padded(value)))
            ]
            found.append(sa.or_(sa.false(), *[target == name for name in names]))
        else:
            found.append(getattr(target, _COMPARE[operator])(sa.bindparam(f"w{place}", type_=target.type)))
    return found


def _parameters(where: tuple[Where, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for place, (_, operator, value) in enumerate(where):
        if operator == "in":
            found |= {f"w{place}_{index}": entry for index, entry in enumerate(_padded(value))}
        else:
            found[f"w{place}"] = value
    return found


def _select(table: Table, where: tuple[Where, ...], order: tuple[str, ...], limited: bool) -> ClauseElement:
    sql = _sql(table)
    by = [sql.c[name[1:]].desc() if name.startswith("-") else sql.c[name] for name in order]
    statement = sa.select(sql).where(*_conditions(table, where)).order_by(*by)
    if not limited:
        return statement
    rows, none = sa.bindparam("row_limit", type_=sa.Integer()), sa.bindparam("no_offset", type_=sa.Integer())
    return statement.limit(rows).offset(none)
