"""Names as SQL reads them: `orders`, `sales.orders`, `"Sales 1"."T""x"`, and patterns of them: `sales.raw_{topic}`.

Decides what a name means and whether PostgreSQL can hold it; knows nothing of options or connections.
"""

from __future__ import annotations

import re
import string
from typing import Final

import attrs
from psycopg import sql

__all__ = ["InvalidName", "TableName", "TablePattern", "parse_table_name", "trouble_with"]

MAX_BYTES: Final = 63
"""NAMEDATALEN - 1: PostgreSQL cuts longer names, and two long names may so become one."""

_TOPIC: Final = "{topic}"
_PART: Final = re.compile(
    r"""\s*(?:"(?P<quoted>(?:[^"]|"")*)"|"""
    r"""(?P<plain>(?:[A-Za-z_\u0080-\U0010ffff]|\{topic\})(?:[A-Za-z0-9_$\u0080-\U0010ffff]|\{topic\})*))\s*"""
)
# PostgreSQL folds the letters of ASCII only, whatever the locale, in a database of UTF-8.
_FOLD: Final = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_MAX_PARTS: Final = 2


class InvalidName(ValueError):  # noqa: N818 - it is the name that is invalid
    """A text is not the name of a table; `reasons` holds everything that is wrong with it."""

    def __init__(self, reasons: list[str]) -> None:
        self.reasons = reasons
        super().__init__("; ".join(reasons))


@attrs.frozen
class TableName:
    """A table, as PostgreSQL stores the name; without `schema` the search path decides."""

    schema: str | None
    name: str

    @property
    def identifier(self) -> sql.Identifier:
        """The name for a statement."""
        return sql.Identifier(self.name) if self.schema is None else sql.Identifier(self.schema, self.name)

    def __str__(self) -> str:
        return self.identifier.as_string(None)


@attrs.frozen
class TablePattern:
    """The tables of topics: `{topic}` in the name of the table stands for the topic.

    It stands for it letter by letter, as if it were quoted: `a.b` is a table `"a.b"`, never a schema.
    """

    name: TableName

    @property
    def is_single(self) -> bool:
        """All topics have the same table."""
        return _TOPIC not in self.name.name

    def table(self, topic: str) -> TableName:
        """Return the table of a topic.

        :raises InvalidName: if PostgreSQL can't have a table of that name.
        """
        table = TableName(self.name.schema, self.name.name.replace(_TOPIC, topic))

        if reason := trouble_with(table.name):
            raise InvalidName([f"{reason} (topic {topic})"])

        return table


def parse_table_name(text: str) -> TableName:
    """Read a name that may have a schema, parts that may be quoted; what is not quoted is folded to lower case.

    The name of the table, not that of the schema, may hold `{topic}`; see `TablePattern`.

    :raises InvalidName: with every reason.
    """
    parts = _parts(text)

    if parts is None:
        quoted = "" if trouble_with(text) else f"; if it is one, quote it: {sql.Identifier(text).as_string(None)}"
        raise InvalidName([f"is not the name of a table: {text!r}{quoted}"])

    reasons = [trouble for part in parts if (trouble := trouble_with(part.replace(_TOPIC, "t")))]

    if any(_TOPIC in part for part in parts[:-1]):
        reasons.append(
            f"has {_TOPIC} in a schema: {text!r}; offsets are kept in one, only the table may go by the topic"
        )

    if len(parts) > _MAX_PARTS:
        reasons.append(f"has {len(parts)} parts: {text!r}; give schema.table, connection.url names the database")

    if reasons:
        raise InvalidName(reasons)

    return TableName(parts[0] if len(parts) == _MAX_PARTS else None, parts[-1])


def trouble_with(name: str) -> str | None:
    """Return why PostgreSQL can have nothing of this name; None if it can."""
    if not name:
        return "holds an empty name"

    if "\x00" in name:
        return f"holds a NUL character: {name!r}"

    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return f"holds half a surrogate pair: {name!r}"

    if size > MAX_BYTES:
        return f"holds a name of {size} bytes, {name!r}; names in PostgreSQL have at most {MAX_BYTES}"

    return None


def _parts(text: str) -> list[str] | None:
    parts = []
    at = 0

    while match := _PART.match(text, at):
        quoted = match["quoted"]
        parts.append(match["plain"].translate(_FOLD) if quoted is None else quoted.replace('""', '"'))
        at = match.end()

        if at == len(text):
            return parts

        if text[at] != ".":
            return None

        at += 1

    return None
