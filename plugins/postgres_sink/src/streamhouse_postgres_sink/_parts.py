"""Which records of a batch go to which table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from streamhouse_connect import FatalError
from streamhouse_postgres_sink._names import InvalidName
from streamhouse_postgres_sink._offset_statements import NAME as OFFSETS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streamhouse_connect import Batch
    from streamhouse_postgres_sink._names import TableName, TablePattern
    from streamhouse_postgres_sink._rows import Decoded

__all__ = ["Part", "parts", "table_of"]


@attrs.frozen
class Part:
    """The records of a batch that go to one table."""

    table: TableName
    decoded: Decoded
    indexes: Sequence[int]
    """Record → index in the batch."""

    def located(self, reasons: Mapping[int, str]) -> dict[int, str]:
        """Return reasons by the indexes in the batch."""
        return {self.indexes[index]: reason for index, reason in reasons.items()}


def table_of(topic: str, tables: TablePattern) -> TableName:
    """Return the table of a topic.

    :raises FatalError: if PostgreSQL can have no such table.
    """
    try:
        table = tables.table(topic)
    except InvalidName as error:
        raise FatalError(
            f"table.name {error}; take the topic out of the connector, or choose another table.name"
        ) from None

    if table.name == OFFSETS:
        raise FatalError(
            f"table.name {tables.name} makes {table} of topic {topic}, where offsets are kept; take the topic out of the "
            "connector, or choose another table.name"
        )

    return table


def parts(batch: Batch, decoded: Decoded, tables: TablePattern) -> list[Part]:
    """Split the records of a batch, in the order in which tables are to be locked.

    :raises FatalError: see `table_of`.
    """
    every = range(len(decoded.records))

    if tables.is_single:
        return [Part(tables.name, decoded, every)]

    indexes: dict[TableName, list[int]] = {}

    for span in batch.spans:
        indexes.setdefault(table_of(span.tp.topic, tables), []).extend(range(span.start, span.stop))

    if len(indexes) == 1:
        return [Part(table, decoded, every) for table in indexes]

    return [Part(table, _selected(decoded, indexes[table]), indexes[table]) for table in sorted(indexes, key=str)]


def _selected(decoded: Decoded, indexes: Sequence[int]) -> Decoded:
    return attrs.evolve(
        decoded,
        records=[decoded.records[index] for index in indexes],
        escapes=frozenset(at for at, index in enumerate(indexes) if index in decoded.escapes),
        tombstones={at: decoded.tombstones[index] for at, index in enumerate(indexes) if index in decoded.tombstones},
    )
