"""The options that the formats of columns share. Knows nothing of any one of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Literal

import attrs

from streamhouse_connect.config import option
from streamhouse_connect.errors import Problem
from streamhouse_connect.formatters.envelopes import COLUMNS, Envelope, EnvelopeOption
from streamhouse_connect.formatters.schemafiles import read_schema_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamhouse_connect.formatters.declared import Columns

__all__ = ["ColumnsConfig"]


@attrs.frozen(kw_only=True)
class ColumnsConfig(ABC):
    """What can be chosen of columns in any format."""

    envelope: EnvelopeOption = option(
        "envelope",
        default="false",
        identity=True,
        doc=f"parquet, avro: what stands in columns. true: {', '.join(COLUMNS)} stand before those of the value; a record with a field of such a name "
        "is rejected. raw: the same before _value, which holds any bytes.",
    )
    schema_evolution: Literal["widen", "strict"] = option(
        "schema.evolution",
        default="widen",
        identity=True,
        doc="parquet, avro: widen: the columns become wider until they hold every record. strict: the first file makes them, and a record "
        "that does not fit is rejected.",
    )
    infer_timestamps: bool = option(
        "infer.timestamps",
        default=False,
        identity=True,
        doc="parquet, avro: columns in which every string is a time in ISO form with an offset, to the microsecond at most, become "
        "timestamps in UTC; the first other string makes them text for good.",
    )

    schema_file: str | None = option(
        "schema.file",
        default=None,
        identity=True,
        doc="parquet, avro: a file with the schema, as Arrow (IPC), Avro or JSON Schema. Its columns are those of the files; a "
        "record that does not fit is rejected; other fields are left out, or rejected with schema.evolution=strict.",
    )

    def problems(self) -> Iterator[Problem]:
        if self.schema_file is None:
            return

        if Envelope(self.envelope) is Envelope.RAW:
            yield Problem("schema.file", "has no use with envelope=raw, which does not look at values; leave it out")
            return

        try:
            columns = self.declared()
            self.check(columns)
        except ValueError as error:
            yield Problem("schema.file", f"{self.schema_file} {error}")
            return

        for name in sorted({column.name for column in columns.columns} & {*self.reserved}):
            yield Problem("schema.file", f"{self.schema_file} has a column {name}, and so has the envelope; rename it")

    @abstractmethod
    def check(self, columns: Columns) -> None:
        """Look whether the format has the types of these columns.

        :raises ValueError: if not.
        """

    def declared(self) -> Columns:
        """Return the columns of `schema.file`.

        :raises ValueError: if it can't be read.
        """
        return read_schema_file(self.schema_file or "").adapted(strict=self.is_strict)

    @property
    def is_strict(self) -> bool:
        """Whether a record that does not fit the columns is rejected."""
        return self.schema_evolution == "strict"

    @property
    def reserved(self) -> tuple[str, ...]:
        """Names that fields of records can't have."""
        return COLUMNS if Envelope(self.envelope) is Envelope.RECORD else ()
