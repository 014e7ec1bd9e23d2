"""Where reading starts in a partition, and how a poll is shared between partitions.

Each gets its part of a poll, and what others leave of theirs; that runs in a thread of the storage.

Knows nothing of groups, rebalances or event loops.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from streamhouse_connect.brokers._blobs import decode
from streamhouse_connect.brokers.subscription import start_in
from streamhouse_connect.errors import DeliveryError

if TYPE_CHECKING:
    from collections.abc import Collection

    from streamhouse_connect.brokers._storage import Reader
    from streamhouse_connect.brokers._topics import TopicLog
    from streamhouse_connect.brokers.subscription import Subscription
    from streamhouse_connect.records import Batch, TopicPartition

__all__ = ["Place", "Wish", "read_fairly", "start_of"]

_POLL_BYTES: Final = 8 * 2**20

# With many partitions each gets this much of a poll, and others wait for the next one: a blob is decoded as a whole.
_SHARE_RECORDS: Final = 1_000
_SHARE_BYTES: Final = 2**18


@attrs.define(eq=False)
class Place:
    """Where reading stands in a partition."""

    log: TopicLog
    position: int
    paused: bool = False


@attrs.frozen
class Wish:
    """A read of one partition up to `end`; it is void if the place or the log has moved when it returns.

    The storage may hold more than has been published: to read it would put the position beyond the log's end.
    """

    tp: TopicPartition
    place: Place
    position: int
    end: int


def start_of(subscription: Subscription, tp: TopicPartition, log: TopicLog, wanted: int | None) -> int:
    """Return where to read on, if `wanted` is where one would like to."""
    return start_in(subscription, tp, wanted, start=log.starts[tp.partition], end=log.ends[tp.partition])


def read_fairly(
    reader: Reader, wishes: Collection[Wish], max_records: int
) -> tuple[list[tuple[Wish, Batch]], DeliveryError | None]:
    """Read each partition's share of a poll, and what others leave of theirs; the error is that of the last one tried."""
    read: list[tuple[Wish, Batch]] = []
    records, nbytes = max_records, _POLL_BYTES

    for index, wish in enumerate(wishes):
        waiting = len(wishes) - index
        share = min(records, max(_SHARE_RECORDS, records // waiting))
        share_bytes = min(nbytes, max(_SHARE_BYTES, nbytes // waiting))

        if share <= 0 or share_bytes <= 0:
            break

        end = min(wish.end, wish.position + share)

        try:
            stored = reader.blobs(wish.place.log, wish.tp.partition, wish.position, end=end, max_bytes=share_bytes)
            batch = decode(wish.tp, wish.position, stored, end=end)
        except DeliveryError as error:
            return read, error

        # Retention may have been faster: what comes after the gap waits until the listener has been told of it.
        if len(batch) and batch.offsets[0] == wish.position:
            read.append((wish, batch))
            records -= len(batch)
            nbytes -= batch.nbytes

    return read, None
