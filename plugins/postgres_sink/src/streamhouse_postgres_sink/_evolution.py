"""What a table has to become for records to fit in, and the SQL text of it. Pure: nothing is run here.

create   all columns of the first records, with the key as primary key
add      columns for fields that have none; a field of nulls only needs none
widen    smallint → integer → bigint → numeric, varchar(n) → text, NOT NULL → nullable; nothing ever becomes narrower
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import attrs
import msgspec
from psycopg import sql

from streamhouse_postgres_sink._inference import integer_size, joined, type_of
from streamhouse_postgres_sink._names import trouble_with

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from streamhouse_postgres_sink._catalogue import Table
    from streamhouse_postgres_sink._names import TableName
    from streamhouse_postgres_sink._rows import Fields
    from streamhouse_postgres_sink._types import Column

__all__ = ["Additions", "add_columns", "additions", "create_table", "widen"]

_SYSTEM: Final = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})
_SIZES: Final = {"smallint": 2, "integer": 4, "bigint": 8}
_INTEGERS: Final = {size: name for name, size in _SIZES.items()}
_ANY_SIZE: Final = "numeric"
"""What no identity can be."""
_INTEGER: Final = re.compile(rb"-?[0-9]+")
_FRACTION: Final = re.compile(rb"-?[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?")
_VARCHAR: Final = re.compile(r"character varying\((?P<length>\d+)\)")

_text = msgspec.json.Decoder(str).decode


@attrs.frozen
class Additions:
    """Columns that a table lacks."""

    columns: Mapping[str, str]
    """Name → type."""
    rejected: Mapping[int, str]
    """Index → why a record can't have its columns."""


def additions(
    records: Iterable[tuple[int, Fields]], *, known: Collection[str], types: Mapping[str, str], room: int
) -> Additions:
    """Return the columns for fields that are not known, in the order of their first values.

    `records` come with their indexes, `types` are given for some columns, and there is room for so many.
    """
    columns: dict[str, str] = {}
    rejected: dict[int, str] = {}

    for index, record in records:
        new: dict[str, str] = {}

        for name, cell in record.items():
            if name in known or (found := joined(columns.get(name), type_of([bytes(cell)]))) is None:
                continue

            new[name] = types.get(name, found)

        if why := _refusal(new.keys() - columns.keys(), room=room - len(columns)):
            rejected[index] = why
        else:
            columns.update(new)

    return Additions(columns, rejected)


def create_table(name: TableName, columns: Mapping[str, str], *, key: Sequence[str]) -> sql.Composed:
    """Make a table; the columns of the key come first."""
    ordered = {**{name: columns[name] for name in key}, **columns}
    parts = [sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(type_)) for name, type_ in ordered.items()]

    if key:
        parts.append(sql.SQL("PRIMARY KEY ({})").format(sql.SQL(", ").join(map(sql.Identifier, key))))

    return sql.SQL("CREATE TABLE IF NOT EXISTS {} ({})").format(name.identifier, sql.SQL(", ").join(parts))


def add_columns(name: TableName, columns: Mapping[str, str]) -> sql.Composed:
    """Add columns, as far as nobody else has."""
    return _altered(
        name,
        [
            sql.SQL("ADD COLUMN IF NOT EXISTS {} {}").format(sql.Identifier(column), sql.SQL(type_))
            for column, type_ in columns.items()
        ],
    )


def widen(table: Table, records: Sequence[Fields], *, key: Collection[str], inserts: bool) -> sql.Composed | None:
    """Make columns as wide as the records need, as far as that can be; None if they are, or if nothing would help.

    `inserts` if a field that a record lacks is null.
    """
    changes = []

    for column in table.columns:
        name = sql.Identifier(column.name)

        if (wider := _wider(column, records)) and not (wider == _ANY_SIZE and column.name in table.identities):
            changes.append(sql.SQL("ALTER COLUMN {} TYPE {}").format(name, sql.SQL(wider)))

        if column.name in table.not_null - {*table.never_null, *key} and _lacks(column, records, inserts=inserts):
            changes.append(sql.SQL("ALTER COLUMN {} DROP NOT NULL").format(name))

    return _altered(table.name, changes) if changes else None


def _altered(name: TableName, changes: Sequence[sql.Composed]) -> sql.Composed:
    return sql.SQL("ALTER TABLE {} {}").format(name.identifier, sql.SQL(", ").join(changes))


def _refusal(new: Collection[str], *, room: int) -> str | None:
    if len(new) > room:
        return f"has {len(new)} fields without a column, and the table has room for {max(room, 0)} (max.columns)"

    for name in new:
        if reason := trouble_with(name):
            return f"has a field that can't be a column: it {reason}"

        if name in _SYSTEM:
            return f"has the field {name}, which is what PostgreSQL calls a column of its own"

    return None


def _wider(column: Column, records: Sequence[Fields]) -> str | None:
    cells = (bytes(record[column.name]) for record in records if column.name in record)

    if size := _SIZES.get(column.type):
        needed = max((_size(cell) for cell in cells), default=0)
        return _INTEGERS.get(needed, _ANY_SIZE) if needed > size else None

    if varchar := _VARCHAR.fullmatch(column.type):
        return "text" if any(_length(cell) > int(varchar["length"]) for cell in cells) else None

    return None


def _size(cell: bytes) -> int:
    """Return the bytes that a number takes as an integer; 0 for what is no number, and poison in any column of numbers."""
    text = cell.strip(b'"')

    if _INTEGER.fullmatch(text):
        return integer_size(text)

    return 16 if _FRACTION.fullmatch(text) else 0


def _length(cell: bytes) -> int:
    try:
        return len(_text(cell) if cell.startswith(b'"') else cell)
    except msgspec.DecodeError:
        return 0  # half of a surrogate pair, which no column of text can hold


def _lacks(column: Column, records: Sequence[Fields], *, inserts: bool) -> bool:
    absent = b"null" if inserts and not column.has_default else b""
    return any(bytes(record.get(column.name, absent)) == b"null" for record in records)
