"""From JSON to the lines of COPY, a column at a time.

JSON and COPY's text format are close: between two tabs, a JSON number is PostgreSQL's number, and a JSON string without
escapes is PostgreSQL's text once its quotes are gone. So values are split into their fields' JSON texts, not decoded; fields
are joined by tabs, lines by newlines, and then all quotes are taken away at once. Documents keep theirs: they are put behind
the others' cells after that. Escapes, and types whose text differs (see `_contents`), are handled cell by cell before all that.

This module knows nothing of SQL or connections.
"""

from __future__ import annotations

from operator import add, itemgetter, or_
from typing import TYPE_CHECKING, Any, Final

import attrs
import msgspec

from streamhouse_connect import FatalError
from streamhouse_postgres_sink._arrays import converted
from streamhouse_postgres_sink._cells import (
    Forbidden,
    Unstorable,
    escaped,
    escaping,
    holds_escapes,
    is_text,
    literal,
    text_of,
    without_nulls,
)
from streamhouse_postgres_sink._contents import is_plain
from streamhouse_postgres_sink._loose import loosen, restored
from streamhouse_postgres_sink._types import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from streamhouse_postgres_sink._cells import Rules
    from streamhouse_postgres_sink._types import Column

__all__ = ["NULL", "Decoded", "Fields", "Lines", "decode"]

Fields = dict[str, msgspec.Raw]
"""A record: the JSON text of each field."""

NULL: Final = msgspec.Raw(b"null")

_decode = msgspec.json.Decoder(Fields).decode
_NESTED: Final = (b"\n{", b"\t{", b"\n[", b"\t[")
_tabbed = b"\t".join
_Cell = bytes | msgspec.Raw
_Row = tuple[_Cell, ...]
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
        attempts = [_attempt(value) for value in values]
        rejected = {index: found for index, found in enumerate(attempts) if isinstance(found, str)}

        if rejected:
            return Decoded([], frozenset(), rejected)

        joined = b" ".join(filter(None, values))
        records = [found for found in attempts if not isinstance(found, str)]

    return Decoded(records, escaping(values, joined), {})  # type: ignore[arg-type]  # none is None


class Lines:
    """The form of the lines of one COPY: which columns, in which order."""

    def __init__(self, columns: Sequence[Column], rules: Rules, *, fill: bool = False) -> None:
        """Take the columns, of which there is at least one, those that are verbatim last.

        `fill` if records may lack some: NULL stands for them.
        """
        bare = [column for column in columns if not column.is_verbatim]

        if any(column.is_verbatim for column in columns[: len(bare)]):
            raise ValueError("columns that are verbatim come last")

        self._bare = _Cells(bare, rules) if bare else None
        self._verbatim = _Cells(columns[len(bare) :], rules) if len(bare) < len(columns) else None
        self._nulls: Fields | None = dict.fromkeys((column.name for column in columns), NULL) if fill else None

    def encode(
        self, records: Sequence[Fields], *, escapes: Sequence[int] = (), tails: Sequence[bytes] = ()
    ) -> tuple[bytes, dict[int, str]]:
        """Return the lines for COPY, or a reason for each record that can have none.

        `escapes` are the indexes of records with escapes, `tails` what follows each line, from its tab on.

        :raises FatalError: a value is one that the rules want to fail for.
        """
        filled = list(map(self._nulls.__or__, records)) if self._nulls is not None else records
        rejected: dict[int, str] = {}
        bare = self._bare.rows(filled, escapes, rejected) if self._bare else None
        verbatim = self._verbatim.rows(filled, escapes, rejected) if self._verbatim else None

        if rejected or not records:
            return b"", rejected

        lines: Iterable[bytes] = map(_tabbed, bare or verbatim or ())

        if bare and verbatim:
            lines = map(_tabbed, zip(_stripped(lines)[:-1].split(b"\n"), *zip(*verbatim, strict=True), strict=True))

        if tails:
            lines = map(add, lines, tails)

        return (b"\n".join([*lines, b""]) if verbatim else _stripped(lines)), rejected


class _Cells:
    """Some of the columns of a line, at least one."""

    def __init__(self, columns: Sequence[Column], rules: Rules) -> None:
        self._columns = columns
        self._rules = rules
        self._special = [(position, column) for position, column in enumerate(columns) if column.is_special]
        self._get: Callable[[Fields], Any] = itemgetter(*(column.name for column in columns))

    def rows(self, records: Sequence[Fields], escapes: Sequence[int], rejected: dict[int, str]) -> list[_Row]:
        """Return the cells of each record; what can't be stored is added to `rejected`."""
        found = map(self._get, records)
        rows: list[_Row] = list(found if len(self._columns) > 1 else zip(found, strict=True))

        for position, column in self._special:
            rows = self._converted(position, column, rows, rejected)

        for index in escapes:
            rows[index] = tuple(
                self._attempt(_final, column, cell, index, rejected)
                for column, cell in zip(self._columns, rows[index], strict=True)
            )

        return rows

    def _converted(self, position: int, column: Column, rows: list[_Row], rejected: dict[int, str]) -> list[_Row]:
        cells = tuple(map(itemgetter(position), rows))

        if is_plain(column, b"\n".join([b"", *cells])):
            return rows

        columns = list(zip(*rows, strict=True))
        columns[position] = tuple(
            self._attempt(converted, column, cell, index, rejected) for index, cell in enumerate(cells)
        )
        return list(zip(*columns, strict=True))

    def _attempt(
        self,
        convert: Callable[[Column, msgspec.Raw, Rules], _Cell],
        column: Column,
        cell: _Cell,
        index: int,
        rejected: dict[int, str],
    ) -> _Cell:
        """Convert a cell that is not final yet."""
        try:
            return convert(column, cell, self._rules) if isinstance(cell, msgspec.Raw) else cell
        except Forbidden as error:
            raise FatalError(_about(column, error)) from None
        except Unstorable as error:
            rejected[index] = _about(column, error)
            return cell


def _final(column: Column, cell: msgspec.Raw, rules: Rules) -> _Cell:
    raw = bytes(cell) if column.kind is not Kind.JSONB else without_nulls(bytes(cell), rules)

    if not holds_escapes(raw):
        return msgspec.Raw(raw)

    return literal(text_of(raw, rules)) if is_text(raw) and not column.is_verbatim else escaped(raw)


def _stripped(lines: Iterable[bytes]) -> bytes:
    """Join lines, and take away the quotes around their cells."""
    text = b"\n".join([b"", *lines, b""])  # every cell now stands between two separators

    if b'"null"' in text:  # the text, which would be taken for NULL without its quotes
        text = text.replace(b'\n"null"', b"\nnul\\l").replace(b'\t"null"', b"\tnul\\l")

    if (b"{" in text or b"[" in text) and any(mark in text for mark in _NESTED):  # with quotes of their own
        text = text.replace(b'\n"', b"\n").replace(b'\t"', b"\t").replace(b'"\t', b"\t").replace(b'"\n', b"\n")
    else:
        text = text.replace(b'"', b"")

    return text[1:]


def _about(column: Column, error: Unstorable) -> str:
    return f'{error.state}: field "{column.name}" {error} (column of type {column.type})'


def _attempt(value: bytes | None) -> Fields | str:
    """Return the fields of a record by itself, or why it has none."""
    if value is None:
        return "has no value"

    try:
        value.decode()

        try:
            return _decode(value)
        except msgspec.ValidationError:
            return f"is not a JSON object, but {_FIRST_BYTES.get(value.lstrip()[:1], 'a number')}"
        except msgspec.DecodeError as error:
            trouble = f"is not JSON: {error}"

        try:
            return {name: restored(cell) for name, cell in _decode(loosen(value)).items()}
        except (UnicodeDecodeError, msgspec.DecodeError):
            return trouble
    except UnicodeDecodeError as error:
        return f"is not UTF-8: byte {error.start}"
    except RecursionError:
        return "is nested too deeply"
