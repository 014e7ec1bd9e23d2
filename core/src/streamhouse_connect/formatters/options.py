"""The options that the formats of columns share. Knows nothing of any one of them."""

from __future__ import annotations

from typing import Literal

import attrs

from streamhouse_connect.config import option
from streamhouse_connect.formatters.envelopes import COLUMNS, Envelope, EnvelopeOption

__all__ = ["ColumnsConfig"]


@attrs.frozen(kw_only=True)
class ColumnsConfig:
    """What can be chosen of columns in any format."""

    envelope: EnvelopeOption = option(
        "envelope",
        default="false",
        doc=f"parquet, avro: what stands in columns. true: {', '.join(COLUMNS)} stand before those of the value; a record with a field of such a name "
        "is rejected. raw: the same before _value, which holds any bytes.",
    )
    schema_evolution: Literal["widen", "strict"] = option(
        "schema.evolution",
        default="widen",
        doc="parquet, avro: widen: the columns become wider until they hold every record. strict: the first file makes them, and a record "
        "that does not fit is rejected.",
    )
    infer_timestamps: bool = option(
        "infer.timestamps",
        default=False,
        doc="parquet, avro: columns in which every string is a time in ISO form with an offset, to the microsecond at most, become "
        "timestamps in UTC; the first other string makes them text for good.",
    )

    @property
    def reserved(self) -> tuple[str, ...]:
        """Names that fields of records can't have."""
        return COLUMNS if Envelope(self.envelope) is Envelope.RECORD else ()
