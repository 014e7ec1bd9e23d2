"""Which fields of a record go to columns, and under which names; and what is written of it beside them.

    value → fields.include, fields.exclude → fields.rename │ key │ metadata.columns

Knows the options, and nothing of tables. A field that is renamed wins over one that has the column's name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import msgspec

from streamhouse_postgres_sink._cells import NOW, holds_escapes, moment
from streamhouse_postgres_sink._rows import NULL, Fields

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from streamhouse_connect import Batch
    from streamhouse_postgres_sink._rows import Decoded
    from streamhouse_postgres_sink._table_config import TableConfig

__all__ = ["gathered", "mapped", "with_metadata", "with_nulls"]


def mapped(decoded: Decoded, config: TableConfig) -> Decoded:
    """Keep the fields that are to be written, under the names of their columns."""
    columns: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    records: list[Fields] = []

    for record in decoded.records:
        order = tuple(record)

        if order not in columns:
            columns[order] = _columns(order, config)

        records.append({column: record[field] for field, column in columns[order]})

    return attrs.evolve(decoded, records=records)


def with_metadata(decoded: Decoded, batch: Batch, columns: Mapping[str, str]) -> Decoded:
    """Add what is known of the records beside their values; a tombstone has nothing but its key."""
    records = list(decoded.records)
    escapes: set[int] = set()

    for span in batch.spans:
        topic = msgspec.json.encode(span.tp.topic)
        same = _named(
            columns,
            {
                "topic": msgspec.Raw(topic),
                "partition": msgspec.Raw(b"%d" % span.tp.partition),
                "ingested_at": NOW,
            },
        )
        indexes = range(span.start, span.stop)

        if "topic" in columns and holds_escapes(topic):
            escapes.update(indexes)

        for index, own in zip(indexes, _own(batch, indexes, columns), strict=True):
            if index not in decoded.tombstones:
                records[index] = records[index] | same | own

    return attrs.evolve(decoded, records=records, escapes=decoded.escapes | escapes)


def with_nulls(decoded: Decoded, columns: Collection[str]) -> Decoded:
    """Make null what records lack of these columns."""
    nulls = dict.fromkeys(columns, NULL)
    return _changed(decoded, lambda record: nulls | record)


def gathered(decoded: Decoded, *, known: Collection[str], column: str) -> Decoded:
    """Put all the fields that are not known into one, as a JSON object, if there are any.

    It is a field like others then, which is missing where there are none; one that has its name already goes inside.
    """
    kept = set(known) - {column}

    def gather(record: Fields) -> Fields:
        if record.keys() <= kept:
            return record

        inside = b",".join(
            msgspec.json.encode(name) + b":" + bytes(cell) for name, cell in record.items() if name not in kept
        )
        return {name: cell for name, cell in record.items() if name in kept} | {column: msgspec.Raw(b"{%b}" % inside)}

    return _changed(decoded, gather)


def _changed(decoded: Decoded, change: Callable[[Fields], Fields]) -> Decoded:
    records = [
        record if index in decoded.tombstones else change(record) for index, record in enumerate(decoded.records)
    ]
    return attrs.evolve(decoded, records=records)


def _columns(order: Sequence[str], config: TableConfig) -> list[tuple[str, str]]:
    renames = config.renames
    fields = [
        field
        for field in order
        if (not config.fields_include or field in config.fields_include) and field not in config.fields_exclude
    ]
    renamed = {renames[field] for field in fields if field in renames}
    return [(field, renames.get(field, field)) for field in fields if field in renames or field not in renamed]


def _own(batch: Batch, indexes: range, columns: Mapping[str, str]) -> Iterator[Fields]:
    timestamps = batch.timestamps if "timestamp" in columns else ()

    for index in indexes:
        yield _named(
            columns,
            {
                "offset": msgspec.Raw(b"%d" % batch.offsets[index]),
                "timestamp": (moment(timestamps[index]) if timestamps else None) or NULL,
            },
        )


def _named(columns: Mapping[str, str], cells: Mapping[str, msgspec.Raw]) -> Fields:
    return {columns[name]: cell for name, cell in cells.items() if name in columns}
