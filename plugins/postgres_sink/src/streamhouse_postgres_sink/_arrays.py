"""What the cell of a column becomes: of an array's, each element by the rules of its kind, in PostgreSQL's notation.

[1,null,"x"]     →  {"1",NULL,"x"}
[[1,2],[3,4]]    →  {{"1","2"},{"3","4"}}
"{1,2}"          →  {1,2}        PostgreSQL's own notation, if none of its elements would have to be converted
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from streamhouse_postgres_sink._cells import Unstorable, escaped, is_text, literal, text_of, without_nulls
from streamhouse_postgres_sink._contents import content, refuse_changed
from streamhouse_postgres_sink._loose import loosen, restored
from streamhouse_postgres_sink._types import Kind

if TYPE_CHECKING:
    from streamhouse_postgres_sink._cells import Rules
    from streamhouse_postgres_sink._types import Column

__all__ = ["converted"]

_MAX_DIMENSIONS: Final = 6
"""PostgreSQL's MAXDIM."""
_DOCUMENTS: Final = {Kind.JSON, Kind.JSONB}
_OWN: Final = {Kind.TEXT, *_DOCUMENTS}
"""Kinds of elements that PostgreSQL reads rightly in its own notation."""

_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


def converted(column: Column, cell: msgspec.Raw, rules: Rules) -> bytes | msgspec.Raw:
    """Return what COPY is to be given for the cell of a special column; Raw if its JSON text will do.

    :raises Unstorable: and says why.
    """
    raw = bytes(cell)

    if raw == b"null":
        return cell

    if not column.is_array:
        made = content(column, raw, rules)
        return cell if made is None else literal(made)

    if raw.startswith(b"{"):  # {} would be an empty array
        raise Unstorable("22P02", "is an object, not a list")

    if raw.startswith(b"["):
        return escaped(_array(column, raw, rules))

    if not is_text(raw):
        return cell

    text = text_of(raw, rules)

    if column.kind not in _OWN:
        refuse_changed(column, text, rules, separators=b"{}" + column.delimiter.encode())

    return literal(text)


def _array(column: Column, raw: bytes, rules: Rules, depth: int = 1) -> bytes:
    if depth > _MAX_DIMENSIONS:
        raise Unstorable("54000", f"is nested deeper than {_MAX_DIMENSIONS} lists")

    elements = _elements(raw)

    if depth > 1 and not elements:
        raise Unstorable("2202E", "has an empty list inside a list, which no array can")

    made = [_element(column, bytes(element), rules, depth) for element in elements]
    return b"{" + column.delimiter.encode().join(made) + b"}"


def _elements(raw: bytes) -> list[msgspec.Raw]:
    try:
        return _list(raw)
    except msgspec.DecodeError:
        return [restored(element) for element in _list(loosen(raw))]


def _element(column: Column, raw: bytes, rules: Rules, depth: int) -> bytes:
    if raw == b"null":
        return b"NULL"

    if column.kind in _DOCUMENTS:
        made = raw if column.kind is Kind.JSON else without_nulls(raw, rules)
    elif raw.startswith(b"["):
        return _array(column, raw, rules, depth + 1)
    else:
        found = content(column, raw, rules)
        made = text_of(raw, rules) if found is None else found

    return b'"' + made.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
