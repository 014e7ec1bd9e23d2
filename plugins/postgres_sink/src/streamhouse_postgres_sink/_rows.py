"""From JSON to the lines of COPY, a column at a time.

JSON and COPY's text format are close: between two tabs, a JSON number is PostgreSQL's number, and a JSON string without
escapes is PostgreSQL's text once its quotes are gone. So values are split into their fields' JSON texts, not decoded; fields
are joined by tabs, lines by newlines, and then all quotes that touch a separator are taken away at once. Escapes, and types
whose text differs (see `_types`), are handled cell by cell before that.

This module knows nothing of SQL or connections.
"""

from __future__ import annotations

from operator import add, itemgetter, or_
from typing import TYPE_CHECKING, Final

import attrs
import msgspec

from streamhouse_postgres_sink._types import GUARD, Unstorable, converted, escaped, is_plain, literal, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from streamhouse_postgres_sink._types import Column

__all__ = ["NULL", "Decoded", "Fields", "Lines", "decode", "holds_escapes"]

Fields = dict[str, msgspec.Raw]
"""A record: the JSON text of each field."""

NULL: Final = msgspec.Raw(b"null")

_decode = msgspec.json.Decoder(Fields).decode
_NOT_PLAIN: Final = (b"\\", b"\n", b"\t", b"\r")
_FIRST_BYTES: Final = {b"[": "a list", b'"': "text", b"t": "a boolean", b"f": "a boolean", b"n": "null"}


@attrs.frozen
class Decoded:
    """The records of a batch, as far as they are JSON objects."""

    records: list[Fields]
    escapes: frozenset[int]
    """The indexes of the records that hold escapes, or white space that COPY takes for its own."""
    rejected: dict[int, str]
    """Index → reason; if there is any, `records` does not matter."""
    tombstones: Mapping[int, int] = attrs.field(factory=dict)
    """Index → timestamp of the records that delete, which have the fields of their keys only."""

    def joined_by(self, other: Decoded) -> Decoded:
        """Add the fields of others, one to one, which count where both have one."""
        if rejected := {**self.rejected, **other.rejected}:
            return Decoded([], frozenset(), dict(sorted(rejected.items())))

        records = list(map(or_, self.records, other.records))
        return Decoded(records, self.escapes | other.escapes, {}, self.tombstones)

    def folded(self, runs: Sequence[Sequence[int]]) -> Decoded:
        """Make one record of each run of records: of the values of a field the last counts."""
        records = []

        for run in runs:
            fields: Fields = {}

            for index in run:
                fields.update(self.records[index])

            records.append(fields)

        escapes = frozenset(at for at, run in enumerate(runs) if not self.escapes.isdisjoint(run))
        return Decoded(records, escapes, {})


def decode(values: Sequence[bytes | None]) -> Decoded:
    """Split the values into their fields."""
    try:
        joined = b" ".join(values)  # type: ignore[arg-type]  # a tombstone is found out here
        joined.decode()  # Raw does not look
        records = list(map(_decode, values))  # type: ignore[arg-type]  # as before
    except (TypeError, UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        rejected = {i: why for i, value in enumerate(values) if (why := _trouble_with(value))}

        if not rejected:
            raise

        return Decoded([], frozenset(), rejected)

    escapes = frozenset[int]()

    if holds_escapes(joined):
        escapes = frozenset(i for i, value in enumerate(values) if value and holds_escapes(value))

    return Decoded(records, escapes, {})


def holds_escapes(text: bytes) -> bool:
    """Return whether a JSON text holds escapes, or white space that COPY takes for its own."""
    return any(mark in text for mark in _NOT_PLAIN)


class Lines:
    """The form of the lines of one COPY: which columns, in which order."""

    def __init__(self, columns: Sequence[Column], *, fill: bool = False) -> None:
        """Take the columns, of which there is at least one. `fill` if records may lack some: NULL stands for them."""
        names = [column.name for column in columns]
        self._columns = columns
        self._cells: Callable[[Fields], tuple[msgspec.Raw, ...]] = (
            itemgetter(*names) if len(names) > 1 else lambda fields: (fields[names[0]],)
        )
        self._nulls: Fields | None = dict.fromkeys(names, NULL) if fill else None

    def encode(
        self, records: Sequence[Fields], *, escapes: Sequence[int] = (), tails: Sequence[bytes] = ()
    ) -> tuple[bytes, dict[int, str]]:
        """Return the lines for COPY, and a reason for each record that has none.

        `escapes` are the indexes of records with escapes, `tails` what follows each line, from its tab on.
        """
        filled = map(self._nulls.__or__, records) if self._nulls is not None else records
        rows: list[tuple[bytes | msgspec.Raw, ...]] = list(map(self._cells, filled))
        rejected: dict[int, str] = {}

        for position, column in enumerate(self._columns):
            if column.is_special:
                self._convert(position, column, rows, rejected)

        for index in escapes:
            self._escape(index, rows, rejected)

        lines = map(b"\t".join, rows)
        return _lines(map(add, lines, tails) if tails else lines), rejected

    def _convert(
        self, position: int, column: Column, rows: list[tuple[bytes | msgspec.Raw, ...]], rejected: dict[int, str]
    ) -> None:
        if is_plain(column, b"\n".join([b"", *map(itemgetter(position), rows)])):
            return

        for index, row in enumerate(rows):
            cell = row[position]

            try:
                new = converted(column, cell) if isinstance(cell, msgspec.Raw) else cell
            except Unstorable as error:
                rejected[index] = _about(column, error)
                continue

            rows[index] = (*row[:position], new, *row[position + 1 :])

    def _escape(self, index: int, rows: list[tuple[bytes | msgspec.Raw, ...]], rejected: dict[int, str]) -> None:
        cells = []

        for column, cell in zip(self._columns, rows[index], strict=True):
            try:
                cells.append(_plain(cell))
            except Unstorable as error:
                rejected[index] = _about(column, error)
                return

        rows[index] = tuple(cells)


def _plain(cell: bytes | msgspec.Raw) -> bytes | msgspec.Raw:
    if not isinstance(cell, msgspec.Raw):  # converted, and so escaped, before
        return cell

    raw = bytes(cell)

    if not holds_escapes(raw):
        return cell

    return literal(text_of(raw)) if raw.startswith(b'"') else escaped(raw)


def _lines(lines: Iterable[bytes]) -> bytes:
    text = b"\n".join([b"", *lines, b""])  # every cell now stands between two separators

    if b'"null"' in text:  # the text, which would be taken for NULL without its quotes
        text = text.replace(b'\n"null"', b"\nnul\\l").replace(b'\t"null"', b"\tnul\\l")

    text = text.replace(b'\n"', b"\n").replace(b'\t"', b"\t").replace(b'"\t', b"\t").replace(b'"\n', b"\n")
    return (text.replace(GUARD, b"") if GUARD in text else text)[1:]


def _about(column: Column, error: Unstorable) -> str:
    return f'field "{column.name}" {error} (column of type {column.type})'


def _trouble_with(value: bytes | None) -> str | None:
    if value is None:
        return "has no value"

    try:
        value.decode()
        _decode(value)
    except UnicodeDecodeError as error:
        return f"is not UTF-8: byte {error.start}"
    except RecursionError:
        return "is nested too deeply"
    except msgspec.ValidationError:
        return f"is not a JSON object, but {_FIRST_BYTES.get(value.lstrip()[:1], 'a number')}"
    except msgspec.DecodeError as error:
        return f"is not JSON: {error}"

    return None
