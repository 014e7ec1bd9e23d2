"""Changes tables, each in a transaction of its own, while nobody else does.

That is before the transaction of a batch: a change that was made for a batch which is then not written does no harm, for the
batch comes again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg
from psycopg import errors, sql

from streamhouse_connect import FatalError, RetriableError
from streamhouse_postgres_sink._catalogue import find_table
from streamhouse_postgres_sink._errors import Meaning, culprit, meaning, reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg.sql import Composed

    from streamhouse_postgres_sink._catalogue import Table
    from streamhouse_postgres_sink._connection import Connection
    from streamhouse_postgres_sink._names import TableName

__all__ = ["change"]

_ALONE: Final = "SELECT pg_advisory_xact_lock(hashtextextended('streamhouse_connect ' || %s, 0))"
_LOCK: Final = "LOCK TABLE {} IN ACCESS EXCLUSIVE MODE"
_GONE: Final = (errors.UndefinedTable, errors.InvalidSchemaName)


async def change(
    connection: Connection, name: TableName, decide: Callable[[Table | None], Composed | None]
) -> Composed | None:
    """Run what `decide` says of the table as it is once nobody else changes it; return that.

    :raises FatalError: the user may not, or PostgreSQL can't; with the statement.
    :raises RetriableError: somebody else did so at the same moment.
    """
    statement: Composed | None = None

    try:
        async with connection.transact():
            await connection.execute(_ALONE, [str(name)])
            table = await find_table(connection, name)
            statement = decide(table)

            if table is not None and statement is not None:
                # Others hold no lock of ours: what they have made wider until now must not become narrower again.
                await connection.execute(sql.SQL(_LOCK).format(table.name.identifier))
                statement = decide(await find_table(connection, name))

            if statement is not None:
                await connection.execute(statement)
    except (errors.DuplicateTable, errors.DuplicateColumn, errors.DuplicateObject, errors.UniqueViolation):
        raise RetriableError(f"somebody else has changed {name} at the same moment") from None
    except psycopg.Error as error:
        if statement is None or meaning(error) is Meaning.LATER or isinstance(error, _GONE):
            raise

        raise FatalError(_refusal(name, statement, error)) from None

    return statement


def _refusal(name: TableName, statement: Composed, error: psycopg.Error) -> str:
    text = statement.as_string(None)

    if isinstance(error, errors.InsufficientPrivilege):
        return (
            f"the user of connection.url may not change {name}, which auto.create and auto.evolve need; run {text} "
            "as a user who may, or make the user of connection.url the table's owner"
        )

    why = reason(error, culprit(error, relation=None, columns=()), with_values=meaning(error) is not Meaning.RECORD)
    return (
        f"{name} can't become what the records need, for which auto.create and auto.evolve were to run {text}. {why}; "
        "correct columns.types or what stands in its way, or do without these options: records that do not fit are rejected then"
    )
