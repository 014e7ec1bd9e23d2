"""The options of the PostgreSQL sink."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import attrs

from streamhouse_connect import Problem, Secret, SecretUrl, option
from streamhouse_postgres_sink._cells import Rules
from streamhouse_postgres_sink._modes import InsertMode, Mode
from streamhouse_postgres_sink._names import trouble_with
from streamhouse_postgres_sink._table_config import TableConfig
from streamhouse_postgres_sink._url import certificates, connection_parameters, has_password, troubles_with

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PostgresConfig"]

_KAFKA_COLUMNS: Final = ("__connect_topic", "__connect_partition", "__connect_offset")


def _own_first(cls: type, fields: list[attrs.Attribute[Any]]) -> list[attrs.Attribute[Any]]:
    """Describe the connection before the tables."""
    return sorted(fields, key=lambda field: field.name not in cls.__annotations__)


@attrs.frozen(kw_only=True, field_transformer=_own_first)
class PostgresConfig(TableConfig):
    """Where the rows go, and how."""

    url: SecretUrl = option(
        "connection.url",
        doc="The database: postgresql://user:password@host:5432/database?sslmode=verify-full. Of several hosts, "
        "host1:5432,host2:5432, the first is used that can be written to. Certificates and keys (sslrootcert, sslcert, sslkey) "
        "are files of one directory of the worker's: ~/.postgresql, or what STREAMHOUSE_CONNECT_CERTIFICATES names.",
    )
    password: Secret | None = option(
        "connection.password", default=None, doc="The user's password, where connection.url holds none."
    )
    # How records become rows
    insert_mode: InsertMode = option(
        "insert.mode",
        default="upsert",
        doc="upsert: a row whose key exists is updated, in the columns that the record has. insert: rows are added. "
        "insert_ignore: rows are added unless their key exists. update: only rows whose key exists are written.",
    )
    pk_mode: Literal["record_value", "record_key", "kafka"] = option(
        "pk.mode",
        default="record_value",
        doc="Where the key is. record_value: in fields of the value. record_key: in fields of the record's key, a JSON object, "
        "or in the key itself if there is one field. kafka: it is the record's topic, partition and offset.",
    )
    pk_fields: tuple[str, ...] = option(
        "pk.fields",
        default=(),
        doc="The columns of the key, separated by commas; required for upsert and update. Upsert needs a unique index on them. "
        "With pk.mode=kafka three columns, by default __connect_topic, __connect_partition and __connect_offset.",
    )
    delete_enabled: bool = option(
        "delete.enabled",
        default=False,
        doc="A tombstone, a record without a value, deletes the row with its key; needs pk.mode=record_key and "
        "insert.mode=upsert.",
    )
    delete_soft_column: str | None = option(
        "delete.soft.column",
        default=None,
        doc="A column that a tombstone sets instead of deleting the row: a boolean to true, a timestamp to the tombstone's. A "
        "record with a value sets it to false, or to null.",
    )
    null_values: Literal["ignore", "dead-letter", "fail"] = option(
        "null.values",
        default="ignore",
        doc="What becomes of a tombstone if it does not delete: it is passed over and counted (ignore), made a dead letter whatever "
        "errors.tolerance is (dead-letter), or stops the connector (fail).",
    )
    guard_column: str | None = option(
        "upsert.guard.column",
        default=None,
        doc="A column such as updated_at, of which every record has a value: a row is not updated by a record whose value is "
        "less. Null is less than all others.",
    )
    skip_unchanged: bool = option(
        "upsert.skip_unchanged",
        default=False,
        doc="Leave rows alone that have the very values of the record already, so that a replay makes no dead tuples.",
    )

    offsets_storage: Literal["target", "broker"] = option(
        "offsets.storage",
        default="target",
        doc="Where the offsets are kept that delivery goes on from. target: in the table streamhouse_offsets of the "
        "table's schema, which is made if it is missing, in one transaction with the rows: each record is written "
        "exactly once. broker: with the broker only.",
    )
    value_format: Literal["json"] = option("value.format", default="json", doc="How values are encoded: JSON objects.")
    timestamps_unit: Literal["auto", "s", "ms", "us", "ns"] = option(
        "timestamps.unit",
        default="auto",
        doc="What numbers count in columns of date and time: seconds, milliseconds, microseconds or nanoseconds since 1970 "
        "(in columns of time: since midnight). auto: goes by the magnitude; see docs/postgres.md.",
    )
    bytea_encoding: Literal["base64", "hex"] = option(
        "bytea.encoding",
        default="base64",
        doc="How text for a bytea column is encoded. What starts with \\x is always hex.",
    )
    null_characters: Literal["dead-letter", "strip", "fail"] = option(
        "null.characters",
        default="dead-letter",
        doc="What becomes of a record with the character \\u0000 in a column that can't hold it, which is all but json: "
        "it is rejected (dead-letter; see errors.tolerance), it is written without the character (strip), or the "
        "connector fails whatever it tolerates (fail).",
    )
    numeric_rounding: Literal["reject", "round"] = option(
        "numeric.rounding",
        default="reject",
        doc="What becomes of a record with a number that has more digits behind the point than its column, numeric(p,s) or money, "
        "keeps: it is rejected (reject), or the number is rounded by PostgreSQL (round).",
    )
    write_timeout_ms: int = option(
        "write.timeout_ms",
        default=60_000,
        minimum=100,
        maximum=86_400_000,
        doc="How long one batch may take, waiting for locks included, before it is given up and tried again.",
    )
    shows_values: bool = option(
        "errors.log.include.messages",
        default=False,
        doc="Whether the reasons of rejected records may quote them: PostgreSQL's message and its detail are added to "
        "SQLSTATE, column and constraint.",
    )

    @property
    def parameters(self) -> dict[str, str]:
        """What libpq is told; only once there are no problems."""
        password = {"password": self.password.reveal()} if self.password else {}
        return {**connection_parameters(self.url, directory=certificates()), **password}

    @property
    def rules(self) -> Rules:
        """How values are read."""
        return Rules(
            unit=self.timestamps_unit,
            encoding=self.bytea_encoding,
            nulls=self.null_characters,
            rounds=self.numeric_rounding == "round",
        )

    @property
    def keeps_offsets(self) -> bool:
        """Whether the offsets are kept beside the rows."""
        return self.offsets_storage == "target"

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The columns that the key of a record goes to."""
        return self.pk_fields or (_KAFKA_COLUMNS if self.pk_mode == "kafka" else ())

    @property
    def mode(self) -> Mode:
        """How records become rows."""
        key = () if self.insert_mode == "insert" else self.key_columns
        added = () if self.pk_mode == "record_value" else self.key_columns

        return Mode(
            insert=self.insert_mode,
            key=key,
            key_fields=key or added,
            guard=self.guard_column,
            skip_unchanged=self.skip_unchanged,
            deletes=self.delete_enabled,
            soft_column=self.delete_soft_column,
            is_partial=self.missing_fields == "keep",
        )

    def problems(self) -> Iterator[Problem]:
        """Yield what is wrong beyond the type of single options."""
        troubles = list(troubles_with(self.url, directory=certificates()))
        yield from (Problem("connection.url", trouble) for trouble in troubles)

        if self.password and not troubles and has_password(self.url):
            yield Problem("connection.password", "is given in connection.url as well; leave it out there")

        key_is_in_value = self.pk_mode == "record_value"
        key = self.key_columns if self.pk_mode == "record_key" else ()
        yield from self.table_problems(
            taken=[name for name in (*key, self.delete_soft_column) if name],
            value_key=self.mode.key if key_is_in_value else (),
            guard=self.guard_column,
        )
        yield from self._key_problems()
        yield from self._delete_problems()
        yield from self._update_problems()

    def _key_problems(self) -> Iterator[Problem]:
        if self.mode.updates and not self.key_columns:
            yield Problem(
                "pk.fields", f"is required for insert.mode {self.insert_mode}: name the fields that are the key"
            )
        elif self.pk_mode == "record_key" and not self.pk_fields:
            yield Problem("pk.fields", "is required for pk.mode record_key: name the columns that the key goes to")

        if self.pk_mode == "kafka" and len(self.key_columns) != len(_KAFKA_COLUMNS):
            yield Problem("pk.fields", f"takes three columns for pk.mode kafka, as in {','.join(_KAFKA_COLUMNS)}")

        for name in dict.fromkeys(self.pk_fields):
            if reason := trouble_with(name):
                yield Problem("pk.fields", reason)

            if self.pk_fields.count(name) > 1:
                yield Problem("pk.fields", f"names {name} twice")

    def _delete_problems(self) -> Iterator[Problem]:
        if self.delete_enabled and self.pk_mode != "record_key":
            yield Problem("delete.enabled", "needs pk.mode=record_key: a tombstone has nothing but its key")

        if self.delete_enabled and self.insert_mode != "upsert":
            yield Problem("delete.enabled", "needs insert.mode=upsert")

        if self.delete_soft_column is None:
            return

        if not self.delete_enabled:
            yield Problem("delete.soft.column", "needs delete.enabled=true")

        if reason := trouble_with(self.delete_soft_column):
            yield Problem("delete.soft.column", reason)

        if self.delete_soft_column in (*self.key_columns, self.guard_column):
            yield Problem("delete.soft.column", f"{self.delete_soft_column} has another use: name a column of its own")

    def _update_problems(self) -> Iterator[Problem]:
        if self.skip_unchanged and not self.mode.updates:
            yield Problem("upsert.skip_unchanged", f"needs insert.mode upsert or update, not {self.insert_mode}")

        if self.missing_fields == "default" and self.insert_mode == "update":
            yield Problem("missing.fields", "default needs another insert.mode than update, which may keep or null")

        if self.skip_unchanged and "ingested_at" in self.metadata:
            yield Problem(
                "upsert.skip_unchanged", "has no effect with ingested_at in metadata.columns: it is never the same"
            )

        if self.guard_column is None:
            return

        if not self.mode.updates:
            yield Problem("upsert.guard.column", f"needs insert.mode upsert or update, not {self.insert_mode}")

        if reason := trouble_with(self.guard_column):
            yield Problem("upsert.guard.column", reason)

        if self.guard_column in self.key_columns:
            yield Problem("upsert.guard.column", f"{self.guard_column} is in the key, and so never another")
