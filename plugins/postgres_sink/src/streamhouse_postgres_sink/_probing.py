"""Asks PostgreSQL's planner what the catalogue does not tell: EXPLAIN says whether a statement can be, and runs nothing.

What ON CONFLICT finds below a view, which columns of a view can be written to, and whether the values of a type have an order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs
import psycopg
from psycopg import errors, sql

from streamhouse_connect import FatalError, Problem
from streamhouse_postgres_sink._errors import Meaning, culprit, meaning, reason
from streamhouse_postgres_sink._merges import Merges
from streamhouse_postgres_sink._statements import Statements, listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg.sql import Composed

    from streamhouse_postgres_sink._catalogue import Table
    from streamhouse_postgres_sink._connection import Connection
    from streamhouse_postgres_sink._modes import Mode

__all__ = ["probe", "refusal", "with_writable"]

_EXPLAIN: Final = "EXPLAIN {}"
_INTO: Final = "INSERT INTO {0} ({1}) SELECT {1} FROM {0}"
_ORDER: Final = "SELECT FROM {0} WHERE {1} >= {1} ORDER BY {1}"
_NUMBER: Final = -1
"""No table of a session has it: the stages that there are stay."""
_UNWRITABLE: Final = (errors.FeatureNotSupported, errors.GeneratedAlways)
_UNTOLD: Final = (errors.InsufficientPrivilege, errors.GeneratedAlways)
"""About columns that no record need have."""


async def with_writable(connection: Connection, table: Table) -> Table:
    """Find out which columns of a view are computed, or filled by PostgreSQL in the table below."""
    if table.kind != "view":
        return table

    return attrs.evolve(
        table,
        columns=tuple(
            [
                attrs.evolve(column, is_writable=await _is_writable(connection, table, column.name))
                for column in table.columns
            ]
        ),
    )


async def probe(connection: Connection, table: Table, *, mode: Mode) -> None:
    """Verify that PostgreSQL can run the statements of a mode.

    :raises FatalError: with what is in the way.
    """
    if problem := await refusal(connection, table, mode=mode):
        raise FatalError(problem.message)


async def refusal(connection: Connection, table: Table, *, mode: Mode) -> Problem | None:
    """Return why PostgreSQL can't run the statements of a mode, by the option to correct; None if it can."""
    if not mode.is_staged and table.is_copyable:
        return None

    statements = Statements(table, mode=mode, number=_NUMBER)
    option = "insert.mode"

    try:
        async with connection.transact():
            for statement in statements.create_stage(is_lasting=False):
                await connection.execute(statement)

            for option, statement in _statements(statements):  # noqa: B007 - used where it fails
                await connection.execute(sql.SQL(_EXPLAIN).format(statement))
    except psycopg.Error as error:
        if meaning(error) is Meaning.LATER:
            raise

        return None if isinstance(error, _UNTOLD) else _problem(error, table, mode, option)

    return None


def _statements(statements: Statements) -> Iterator[tuple[str, Composed]]:
    """Yield what writes records that have the required fields, and one more; with the options that are to blame."""
    mode = statements.mode
    merges = Merges(statements)
    required = [*dict.fromkeys((*mode.required, *((mode.soft_column,) if mode.soft_column else ())))]
    others = [name for name in statements.columns if name not in required]

    for option, names in (("pk.fields", mode.key), ("upsert.guard.column", (mode.guard,) if mode.guard else ())):
        for name in names:
            yield option, sql.SQL(_ORDER).format(statements.staged, sql.Identifier(name))

    if mode.updates:
        yield "insert.mode", merges.lock()

    if mode.deletes:
        yield "delete.enabled", merges.delete()

    if merge := merges.merge([*required, *others[:1]], shape=0):
        yield "insert.mode", merge


async def _is_writable(connection: Connection, table: Table, column: str) -> bool:
    statement = sql.SQL(_INTO).format(table.name.identifier, sql.Identifier(column))

    try:
        await connection.execute(sql.SQL(_EXPLAIN).format(statement))
    except _UNWRITABLE:
        return False
    except psycopg.Error as error:
        if meaning(error) is Meaning.LATER:
            raise

    return True


def _problem(error: psycopg.Error, table: Table, mode: Mode, option: str) -> Problem:
    key = listed(mode.key).as_string(None)
    why = reason(error, culprit(error, relation=None, columns=()), with_values=True)

    if not isinstance(error, errors.InvalidColumnReference):
        return Problem(option, f"{table.name} does not take it: correct {option} or table.name. {why}")

    if table.kind != "view":
        return Problem(
            "pk.fields",
            f"{table.name} has no unique index on exactly {key} that ON CONFLICT can use; correct pk.fields",
        )

    return Problem(
        "pk.fields",
        f"the table below {table.name} has no unique index on exactly {key}, or triggers write to the view. Create the index, or "
        "correct pk.fields; with triggers INSTEAD OF, insert.mode has to be insert or update",
    )
