"""From the records of a batch to the fields that go to columns. Knows the options, and nothing of the table.

A batch is read a part at a time, so that others get their turn.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final

import attrs

from streamhouse_postgres_sink._keys import from_keys, from_positions
from streamhouse_postgres_sink._mapping import mapped, with_metadata
from streamhouse_postgres_sink._rows import Decoded, decode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamhouse_connect import Batch
    from streamhouse_postgres_sink._config import PostgresConfig

__all__ = ["Reading"]

_STEP: Final = 500


@attrs.define(eq=False)
class Reading:
    """The fields of one batch, which are read a part at a time."""

    batch: Batch
    _config: PostgresConfig
    _parts: dict[int, Decoded] = attrs.field(factory=dict, init=False)
    """By the index of their first record."""

    def step(self) -> bool:
        """Read the next part; return whether there was one."""
        start = len(self._parts) * _STEP

        if start >= len(self.batch):
            return False

        self._parts[start] = _decoded(self.batch[start : start + _STEP], self._config)
        return True

    @cached_property
    def decoded(self) -> Decoded:
        """All of it."""
        for _ in iter(self.step, False):
            pass

        return _joined(self._parts) if len(self._parts) > 1 else self._parts[0]


def _joined(parts: Mapping[int, Decoded]) -> Decoded:
    return Decoded(
        [record for part in parts.values() for record in part.records],
        frozenset(start + index for start, part in parts.items() for index in part.escapes),
        {start + index: reason for start, part in parts.items() for index, reason in part.rejected.items()},
        {start + index: at for start, part in parts.items() for index, at in part.tombstones.items()},
    )


def _decoded(batch: Batch, config: PostgresConfig) -> Decoded:
    """Split the values into their fields, and add those of the key and what else is known of the records."""
    decoded = _keyed(_values(batch, config), batch, config)
    metadata = config.metadata
    return with_metadata(decoded, batch, metadata) if metadata and not decoded.rejected else decoded


def _values(batch: Batch, config: PostgresConfig) -> Decoded:
    decoded = _split(batch, deletes=config.delete_enabled)
    return mapped(decoded, config) if config.maps_fields and not decoded.rejected else decoded


def _keyed(decoded: Decoded, batch: Batch, config: PostgresConfig) -> Decoded:
    match config.pk_mode:
        case "record_value":
            return decoded
        case "record_key":
            return decoded.joined_by(from_keys(batch.keys, config.key_columns))
        case "kafka":
            return decoded.joined_by(from_positions(batch, config.key_columns))


def _split(batch: Batch, *, deletes: bool) -> Decoded:
    values = batch.values

    if not deletes or None not in values:
        return decode(values)

    decoded = decode([b"{}" if value is None else value for value in values])
    timestamps = batch.timestamps
    return attrs.evolve(decoded, tombstones={i: timestamps[i] for i, value in enumerate(values) if value is None})
