"""Sends the lines of a COPY, and tells which record PostgreSQL refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from streamhouse_connect import RejectedRecords
from streamhouse_postgres_sink._errors import culprit, reason, refuses

if TYPE_CHECKING:
    from psycopg import AsyncConnection, sql

    from streamhouse_postgres_sink._catalogue import Table
    from streamhouse_postgres_sink._loads import Load

__all__ = ["send"]


async def send(
    connection: AsyncConnection, statement: sql.Composed, load: Load, *, table: Table, relation: str | None
) -> None:
    """Send the lines; `relation` is what PostgreSQL calls the target, None if lines are no records.

    :raises RejectedRecords: for records that have no lines, or for the one that PostgreSQL names.
    """
    rejected: dict[int, str] = {}

    try:
        async with connection.cursor() as cursor, cursor.copy(statement) as copy:
            for data, wrong in load.chunks():
                rejected.update(wrong)

                if not rejected:
                    await copy.write(data)

            if rejected:
                raise RejectedRecords(rejected)
    except psycopg.Error as error:
        cause = culprit(error, relation=relation, columns=table.columns)

        if not refuses(error, cause) or cause.line is None or cause.line > len(load.indexes):
            raise

        raise RejectedRecords({load.indexes[cause.line - 1]: reason(error, cause)}) from None
