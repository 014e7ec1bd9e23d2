"""Tables as the catalogue would have them."""

from __future__ import annotations

from typing import Any

from streamhouse_postgres_sink._catalogue import Table
from streamhouse_postgres_sink._names import TableName
from streamhouse_postgres_sink._types import Column


def table(schema: str, name: str, *columns: str, **rest: Any) -> Table:
    """Make a table of columns of type text that anybody may write to."""
    return Table(
        name=TableName(schema, name),
        kind="table",
        columns=tuple(Column(column, "text") for column in columns),
        unique=frozenset(),
        lacking=(),
        has_row_security=False,
        can_stage=True,
        can_delete=True,
        **rest,
    )
