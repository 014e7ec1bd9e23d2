"""Sends the lines of a COPY, and tells which record PostgreSQL refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import psycopg

from streamhouse_connect import RejectedRecords
from streamhouse_postgres_sink._errors import culprit, reason, refuses

if TYPE_CHECKING:
    from streamhouse_postgres_sink._catalogue import Table
    from streamhouse_postgres_sink._connection import Connection
    from streamhouse_postgres_sink._loads import Load

__all__ = ["Copying"]


@attrs.frozen
class Copying:
    """Copies records over a connection, for one table."""

    connection: Connection
    table: Table
    shows_values: bool = attrs.field(kw_only=True)
    """What is said of a record that is refused may quote it."""

    async def send(self, load: Load, *, relation: str | None) -> None:
        """Send the lines; `relation` is what PostgreSQL calls the target, None if lines are no records.

        :raises RejectedRecords: for records that have no lines, or for the one that PostgreSQL names.
        """
        rejected: dict[int, str] = {}
        self.connection.has_sent.clear()

        try:
            async with self.connection.cursor() as cursor, cursor.copy(load.statement) as copy:
                for data, wrong in load.chunks():
                    rejected.update(wrong)

                    if not rejected:
                        await copy.write(data)

                if rejected:
                    raise RejectedRecords(rejected)

                self.connection.has_sent.set()
        except psycopg.Error as error:
            cause = culprit(error, relation=relation, columns=self.table.columns)

            if not refuses(error, cause) or cause.line is None or cause.line > len(load.indexes):
                raise

            why = reason(error, cause, with_values=self.shows_values)
            raise RejectedRecords({load.indexes[cause.line - 1]: why}) from None
