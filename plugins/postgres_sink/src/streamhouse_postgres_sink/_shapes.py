"""Which fields a record has, and which records can so be loaded by one statement.

A field that is missing is not null: the column's default applies, or, where a row is updated, the column keeps its value.
So records are grouped by their fields; a batch of uniform records, the common case, is one group. Where a column has no
default, a row that is only inserted gets NULL either way, and no groups are made for its sake.

    update=True      {"id":1,"a":1}  {"id":2,"b":1}  {"id":3,"a":null}     →  (id, a): 0, 2 · (id, b): 1
    update=False     the same, only b has a default                        →  (id, a): 0, 2 · (id, a, b): 1

Knows nothing of SQL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamhouse_postgres_sink._rows import Fields
    from streamhouse_postgres_sink._types import Column

__all__ = ["Group", "Plan", "Shapes"]

_MAX_KNOWN: Final = 1024
"""Bounds what records with ever new fields can make us remember."""


@attrs.frozen
class Group:
    """Records that one statement loads."""

    columns: tuple[Column, ...]
    """In the order of the table, those that are verbatim last; may be none, then rows are made of defaults."""
    indexes: Sequence[int]
    is_ragged: bool = False
    """Some of the records lack some of the columns: NULL stands for what they lack."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(column.name for column in self.columns)


@attrs.frozen
class Plan:
    """How a batch is to be loaded."""

    groups: tuple[Group, ...]
    unknown: int
    """The number of fields that no column takes."""
    rejected: dict[int, str]


@attrs.frozen
class _Shape:
    present: frozenset[str]
    group: frozenset[str]
    unknown: int
    lacks: tuple[str, ...]


class Shapes:
    """Recognises the shapes of records by the order and names of their fields."""

    def __init__(self, columns: Sequence[Column], *, key: Sequence[str], update: bool) -> None:
        """`key` are the fields that each record must have; `update` if missing fields keep what a row has."""
        writable = (column for column in columns if column.is_writable)
        self._columns = tuple(sorted(writable, key=lambda column: column.is_verbatim))
        self._writable = frozenset(column.name for column in self._columns)
        self._all = frozenset(column.name for column in columns)
        self._grouping = frozenset(column.name for column in self._columns if update or column.has_default)
        self._key = tuple(key)
        self._known: dict[tuple[str, ...], _Shape] = {}

    def plan(self, records: Sequence[Fields]) -> Plan:
        """Group the records; groups are in the order of their first records, indexes ascend."""
        orders = list(map(tuple, records))

        if orders and orders.count(orders[0]) == len(orders):
            shape = self._shape(orders[0])
            indexes = range(len(orders))
            group = Group(self._in_order(shape.present), indexes)
            return Plan((group,), shape.unknown * len(orders), {i: _lack(shape) for i in indexes if shape.lacks})

        shapes = [self._shape(order) for order in orders]
        members: dict[frozenset[str], list[int]] = {}
        present: dict[frozenset[str], set[frozenset[str]]] = {}

        for index, shape in enumerate(shapes):
            members.setdefault(shape.group, []).append(index)
            present.setdefault(shape.group, set()).add(shape.present)

        groups = tuple(
            Group(self._in_order(frozenset().union(*present[k])), members[k], is_ragged=len(present[k]) > 1)
            for k in members
        )
        rejected = {index: _lack(shape) for index, shape in enumerate(shapes) if shape.lacks}
        return Plan(groups, sum(shape.unknown for shape in shapes), rejected)

    def union(self, groups: Sequence[Group]) -> tuple[Column, ...]:
        """Return the columns of all the groups, in the order of the table."""
        return self._in_order(frozenset(column.name for group in groups for column in group.columns))

    def _in_order(self, names: frozenset[str]) -> tuple[Column, ...]:
        return tuple(column for column in self._columns if column.name in names)

    def _shape(self, order: tuple[str, ...]) -> _Shape:
        if order in self._known:
            return self._known[order]

        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()

        fields = frozenset(order)
        present = fields & self._writable
        shape = _Shape(
            present=present,
            group=present & self._grouping,
            unknown=len(fields - self._all),
            lacks=tuple(name for name in self._key if name not in fields),
        )
        self._known[order] = shape
        return shape


def _lack(shape: _Shape) -> str:
    return f"lacks the field {', '.join(shape.lacks)}, which every record must have (pk.fields, upsert.guard.column)"
