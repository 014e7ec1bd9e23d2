"""The options of the PostgreSQL sink."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs

from streamhouse_connect import Problem, SecretUrl, option
from streamhouse_postgres_sink._names import InvalidName, TableName, parse_table_name, trouble_with
from streamhouse_postgres_sink._url import troubles_with

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PostgresConfig"]


@attrs.frozen(kw_only=True)
class PostgresConfig:
    """Where the rows go, and how."""

    url: SecretUrl = option(
        "connection.url", doc="The database: postgresql://user:password@host:5432/database?sslmode=verify-full."
    )
    table_name: str = option(
        "table.name",
        doc='The table, read as SQL reads it: orders, sales.orders, "Sales 1"."T". What is not quoted is folded to '
        "lower case. Columns are filled from the fields of the same name; a field that is missing takes the column's "
        "default.",
    )
    insert_mode: Literal["upsert", "insert"] = option(
        "insert.mode",
        default="upsert",
        doc="upsert: a row whose key exists is updated, in the columns that the record has. insert: rows are added.",
    )
    pk_fields: tuple[str, ...] = option(
        "pk.fields",
        default=(),
        doc="The fields that are the key, separated by commas; required for upsert. The table needs a unique index on them.",
    )
    offsets_storage: Literal["target", "broker"] = option(
        "offsets.storage",
        default="target",
        doc="Where the offsets are kept that delivery goes on from. target: in the table streamhouse_offsets of the "
        "table's schema, which is made if it is missing, in one transaction with the rows: each record is written "
        "exactly once. broker: with the broker only.",
    )
    value_format: Literal["json"] = option("value.format", default="json", doc="How values are encoded: JSON objects.")
    write_timeout_ms: int = option(
        "write.timeout_ms",
        default=60_000,
        minimum=100,
        maximum=86_400_000,
        doc="How long one batch may take, waiting for locks included, before it is given up and tried again.",
    )

    @property
    def table(self) -> TableName:
        """The table; only once there are no problems."""
        return parse_table_name(self.table_name)

    @property
    def keeps_offsets(self) -> bool:
        """Whether the offsets are kept beside the rows."""
        return self.offsets_storage == "target"

    @property
    def key(self) -> tuple[str, ...]:
        """The columns of the key; none where rows are only inserted."""
        return self.pk_fields if self.insert_mode == "upsert" else ()

    def problems(self) -> Iterator[Problem]:
        """Yield what is wrong beyond the type of single options."""
        for trouble in troubles_with(self.url):
            yield Problem("connection.url", trouble)

        try:
            parse_table_name(self.table_name)
        except InvalidName as error:
            yield from (Problem("table.name", reason) for reason in error.reasons)

        if self.insert_mode == "upsert" and not self.pk_fields:
            yield Problem("pk.fields", "is required for insert.mode upsert: name the fields that are the key")

        for name in dict.fromkeys(self.pk_fields):
            if reason := trouble_with(name):
                yield Problem("pk.fields", reason)

            if self.pk_fields.count(name) > 1:
                yield Problem("pk.fields", f"names {name} twice")
