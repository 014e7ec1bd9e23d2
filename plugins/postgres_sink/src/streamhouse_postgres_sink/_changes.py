"""Changes tables, each in a transaction of its own, while no other worker of ours does.

That is before the transaction of a batch: a change that was made for a batch which is then not written does no harm, for the
batch comes again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from psycopg import errors

from streamhouse_connect import FatalError, RetriableError
from streamhouse_postgres_sink._catalogue import find_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg.sql import Composed

    from streamhouse_postgres_sink._catalogue import Table
    from streamhouse_postgres_sink._connection import Connection
    from streamhouse_postgres_sink._names import TableName

__all__ = ["change"]

_ALONE: Final = "SELECT pg_advisory_xact_lock(hashtextextended('streamhouse_connect ' || %s, 0))"


async def change(
    connection: Connection, name: TableName, decide: Callable[[Table | None], Composed | None]
) -> Composed | None:
    """Run what `decide` says of the table as it is once nobody else changes it; return that.

    :raises FatalError: the user may not; with the statement.
    :raises RetriableError: somebody else did so at the same moment.
    """
    statement: Composed | None = None

    try:
        async with connection.transact():
            await connection.execute(_ALONE, [str(name)])
            statement = decide(await find_table(connection, name))

            if statement is not None:
                await connection.execute(statement)
    except (errors.DuplicateTable, errors.DuplicateColumn, errors.DuplicateObject, errors.UniqueViolation):
        raise RetriableError(f"somebody else has changed {name} at the same moment") from None
    except errors.InsufficientPrivilege:
        text = statement.as_string(None) if statement else ""
        raise FatalError(
            f"the user of connection.url may not change {name}, which auto.create and auto.evolve need; run {text} "
            "as a user who may, or make the user of connection.url the table's owner"
        ) from None

    return statement
