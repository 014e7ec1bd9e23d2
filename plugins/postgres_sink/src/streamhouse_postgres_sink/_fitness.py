"""Whether records can be written to a table as the configuration says, and what is promised of them there. Pure: no SQL is run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs
from psycopg import sql

from streamhouse_connect import FatalError, Problem
from streamhouse_postgres_sink._deletes import mark_of
from streamhouse_postgres_sink._statements import listed
from streamhouse_postgres_sink._types import Kind
from streamhouse_postgres_sink._uniqueness import index_remedy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from streamhouse_postgres_sink._catalogue import Table
    from streamhouse_postgres_sink._modes import Mode
    from streamhouse_postgres_sink._names import TableName

__all__ = ["Needs", "absence", "check", "problems_with", "weakness"]

_TYPES_OF: Final = {
    Kind.JSONB: ("jsonb", {Kind.JSONB, Kind.JSON}),
    Kind.INSTANT: ("timestamptz", {Kind.INSTANT, Kind.TIMESTAMP}),
}
"""The type to make a column of, and the kinds that do as well."""


@attrs.frozen
class Needs:
    """What a table has to offer beside what the mode needs."""

    columns: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)
    """The columns that it must have, by the options that name them."""
    kinds: Mapping[str, tuple[str, Kind]] = attrs.field(factory=dict)
    """The kinds that columns must have if they are there, by column, with the options that name these."""
    changes: bool = False
    """It must be possible to change it."""


def absence(name: TableName) -> str:
    """Say that there is no such table."""
    return f"table {name} does not exist; create it, or correct table.name, or set auto.create=true"


def weakness(table: Table, *, keeps_offsets: bool) -> str | None:
    """Say why less is promised of rows in this table than of others."""
    if table.kind == "foreign table" and keeps_offsets:
        return f"{table.name} is a foreign table, whose rows are not committed together with offsets"

    if not table.is_logged:
        return f"{table.name} is an unlogged table, which PostgreSQL empties after a crash"

    return None


def check(table: Table, *, mode: Mode, needs: Needs) -> None:
    """Verify that rows can be written in this mode.

    :raises FatalError: naming everything that is wrong.
    """
    if problems := list(problems_with(table, mode=mode, needs=needs)):
        raise FatalError("; ".join(problem.message for problem in problems))


def problems_with(table: Table, *, mode: Mode, needs: Needs) -> Iterator[Problem]:
    """Yield why rows can't be written in this mode, by the options to correct."""
    if not table.is_relation:
        yield Problem("table.name", f"{table.name} is {table.kind}; give a table or a view as table.name")
        return

    yield from _troubles(table, mode, needs)
    yield from _wrong_types(table, needs)


def _troubles(table: Table, mode: Mode, needs: Needs) -> Iterator[Problem]:
    user = sql.Identifier(table.user).as_string(None)
    lacking = (*table.lacking, *(() if table.can_delete else ("DELETE",)))

    if missing := [privilege for privilege in mode.privileges if privilege in lacking]:
        grant = f"GRANT {', '.join(missing)} ON {table.name} TO {user}"
        yield Problem("connection.url", f"the user lacks privileges: {grant}")

    if (mode.is_staged or not table.is_copyable) and not table.can_stage:
        grant = f"GRANT TEMP ON DATABASE … TO {user}"
        yield Problem("connection.url", f"the user lacks the privilege TEMP: {grant}")

    columns = {column.name: column for column in table.columns}

    if needs.changes and table.kind in ("view", "foreign table"):
        yield Problem(
            "auto.evolve",
            f"{table.name} is a {table.kind}, which gets no columns by itself: auto.evolve has to be none",
        )

    for option, names in (*mode.columns.items(), *needs.columns.items()):
        if absent := [name for name in names if name not in columns]:
            yield Problem(option, f"{table.name} has no column {', '.join(absent)}; correct {option}")

        if generated := [name for name in names if name in columns and not columns[name].is_writable]:
            yield Problem(
                option,
                f"column {', '.join(generated)} of {table.name} is GENERATED ALWAYS or computed and can't be written; correct {option}",
            )

    if mode.soft_column and (soft := columns.get(mode.soft_column)) and mark_of(soft) is None:
        yield Problem(
            "delete.soft.column",
            f"column {soft.name} of {table.name} is of type {soft.type}, and can't say whether a row is deleted; name one of "
            "type boolean, timestamp or timestamptz as delete.soft.column",
        )

    key = frozenset(mode.key)

    if mode.needs_index and columns.keys() >= key and table.kind != "view" and key not in table.unique:
        remedy = index_remedy(str(table.name), mode.key, kind=table.kind, partition_key=table.partition_key)
        yield Problem(
            "pk.fields", f"{table.name} has no unique index on exactly {listed(mode.key).as_string(None)}: {remedy}"
        )


def _wrong_types(table: Table, needs: Needs) -> Iterator[Problem]:
    for column in table.columns:
        if column.name not in needs.kinds:
            continue

        option, kind = needs.kinds[column.name]
        type_, kinds = _TYPES_OF[kind]

        if column.is_array or column.kind not in kinds:
            yield Problem(
                option,
                f"column {column.name} of {table.name} is of type {column.type}; {option} needs {type_}",
            )
