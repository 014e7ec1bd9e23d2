"""From the records of a batch to the fields that go to columns. Knows the options, and nothing of the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from streamhouse_postgres_sink._keys import from_keys, from_positions
from streamhouse_postgres_sink._mapping import mapped, with_metadata
from streamhouse_postgres_sink._rows import decode

if TYPE_CHECKING:
    from streamhouse_connect import Batch
    from streamhouse_postgres_sink._config import PostgresConfig
    from streamhouse_postgres_sink._rows import Decoded

__all__ = ["read"]


def read(batch: Batch, config: PostgresConfig) -> Decoded:
    """Split the values into their fields, and add those of the key and what else is known of the records."""
    decoded = _keyed(_values(batch, config), batch, config)
    metadata = config.metadata
    return with_metadata(decoded, batch, metadata) if metadata and not decoded.rejected else decoded


def _values(batch: Batch, config: PostgresConfig) -> Decoded:
    decoded = _decoded(batch, deletes=config.delete_enabled)
    return mapped(decoded, config) if config.maps_fields and not decoded.rejected else decoded


def _keyed(decoded: Decoded, batch: Batch, config: PostgresConfig) -> Decoded:
    match config.pk_mode:
        case "record_value":
            return decoded
        case "record_key":
            return decoded.joined_by(from_keys(batch.keys, config.key_columns))
        case "kafka":
            return decoded.joined_by(from_positions(batch, config.key_columns))


def _decoded(batch: Batch, *, deletes: bool) -> Decoded:
    values = batch.values

    if not deletes or None not in values:
        return decode(values)

    decoded = decode([b"{}" if value is None else value for value in values])
    timestamps = batch.timestamps
    return attrs.evolve(decoded, tombstones={i: timestamps[i] for i, value in enumerate(values) if value is None})
