"""External versions of documents: Elasticsearch refuses one that is older than the one that it has.

Versions by offset compare records of one partition. They begin anew, above all earlier ones, where offsets do: when they were
reset (the epoch), when a topic was made again, and when partitions were added, which moves keys to other partitions.

    version = (epoch + generation of the topic) << 48 | offset
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import attrs
import msgspec

from streamhouse_connect import NO_TIMESTAMP, FatalError
from streamhouse_elasticsearch_sink._agreements import Agreement
from streamhouse_elasticsearch_sink._fields import JsonField

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamhouse_connect import SinkContext, TopicPartition
    from streamhouse_elasticsearch_sink._templates import Rows

__all__ = [
    "Claim",
    "FieldVersion",
    "OffsetVersion",
    "TimestampVersion",
    "Version",
    "agreed",
    "known_topics",
    "next_claim",
]

OFFSET_BITS: Final = 48
_MAX: Final = (1 << 63) - 1


class Version(Protocol):
    """Gives records their documents' versions."""

    def of(self, rows: Rows, tp: TopicPartition, at: int) -> int:
        """Return the version of the record at the index `at`.

        :raises ValueError: with the reason why it has none.
        """


class Claim(msgspec.Struct, frozen=True):
    """What documents of a topic are versioned by."""

    topic_id: str
    partitions: int
    generation: int = 0


_CLAIMS: Final = Agreement("elasticsearch.versions", dict[str, Claim])


@attrs.frozen
class OffsetVersion:
    """Versions by offset, which no two records of a key share."""

    epoch: int
    claims: Mapping[str, Claim]
    _first: Mapping[str, int] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        first = {topic: self.epoch + claim.generation << OFFSET_BITS for topic, claim in self.claims.items()}
        object.__setattr__(self, "_first", first)

    def of(self, rows: Rows, tp: TopicPartition, at: int) -> int:
        first, offset = self._first[tp.topic], rows.offsets[at]

        # A wrong version would be a silent loss, and Elasticsearch refuses whole requests for one that is no long.
        if first > _MAX or offset >> OFFSET_BITS:
            raise FatalError(
                f"{tp.topic}, partition {tp.partition}: the offset {offset} in epoch {first >> OFFSET_BITS} makes no version: they end at "
                "2^48 and 2^15; choose version.source=timestamp, field:NAME or none"
            )

        return first | offset


@attrs.frozen
class TimestampVersion:
    """Versions by the records' time."""

    def of(self, rows: Rows, tp: TopicPartition, at: int) -> int:  # noqa: ARG002 - as all versions
        timestamp = rows.timestamps[at]

        if timestamp < 0:
            unknown = timestamp == NO_TIMESTAMP
            raise ValueError(
                "version.source=timestamp, but the record has no timestamp"
                if unknown
                else f"version.source=timestamp, but the record's is {timestamp}, before 1970"
            )

        return timestamp


@attrs.frozen
class FieldVersion:
    """Versions by an integer of the value."""

    field: JsonField

    def of(self, rows: Rows, tp: TopicPartition, at: int) -> int:  # noqa: ARG002 - as all versions
        value = rows.values[at]
        raw = None if value is None else self.field.raw(value)

        if raw is None:
            raise ValueError(f"version.source field {self.field.path} is missing or null")

        digits = raw.strip(b'"')

        if not digits.isdigit() or len(digits) > len(str(_MAX)) or int(digits) > _MAX:
            raise ValueError(f"version.source field {self.field.path} is no integer from 0 to {_MAX}")

        return int(digits)


def next_claim(topic: str, known: Claim | None, now: Claim, acknowledged: int | None, *, epoch: int = 0) -> Claim:
    """Return the claim that counts from now on for a topic as the broker has it `now`.

    :raises FatalError: if partitions were added, and that was not acknowledged by their number.
    """
    if known is None:
        return now

    if known.topic_id != now.topic_id:
        return msgspec.structs.replace(now, generation=known.generation + 1)

    if now.partitions <= known.partitions:
        return known

    if acknowledged != now.partitions:
        # Only the versions of the first epoch and generation are below all times in milliseconds.
        elsewhere = " and another index.name" if epoch or known.generation else ""
        raise FatalError(
            f"topic {topic} has {now.partitions} partitions, and had {known.partitions} when documents were first versioned by its offsets: "
            "keys have moved to partitions where offsets are others, so that new records could be taken for old ones. If all records "
            f"from before were written by then, set version.partitions={topic}:{now.partitions}. If not, choose version.source=timestamp"
            f"{elsewhere}: by their offsets, what is left of them can't be told from newer records any more"
        )

    return msgspec.structs.replace(now, generation=known.generation + 1)


async def known_topics(context: SinkContext) -> Mapping[str, Claim]:
    """Return what documents of the connector were versioned by so far."""
    return await _CLAIMS.read(context.state)


async def agreed(context: SinkContext, acknowledged: Mapping[str, int]) -> Mapping[str, Claim]:
    """Return the claims of the context's topics, and of all that the connector has read; keep what is new about them.

    :raises FatalError: see `next_claim`.
    """

    def added(known: dict[str, Claim]) -> dict[str, Claim]:
        claims = dict(known)

        for topic, topic_id in context.topic_ids.items():
            now = Claim(topic_id, context.topic_partitions.get(topic, 0))
            claims[topic] = next_claim(topic, known.get(topic), now, acknowledged.get(topic), epoch=context.epoch)

        return claims

    return await _CLAIMS.change(context.state, added)
