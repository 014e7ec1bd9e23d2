"""What a connector leaves behind when it is changed so that it does not know again what it has written: it is told of, not lost.

A run that has flushed and committed leaves nothing. What one has not committed is read again by the connector as it is now, which
may write it a second time, under other names. Where no run has begun since the process started, a crash may have left something,
nobody knows how much: then all from the commits on is told of.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from streamhouse_connect.errors import DeliveryError
from streamhouse_connect.runtime.journal import tell
from streamhouse_connect.runtime.progress import Unsettled
from streamhouse_connect.runtime.sources import commits_of, extents

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamhouse_connect.brokers import Broker, Subscription
    from streamhouse_connect.definitions import Definition
    from streamhouse_connect.records import TopicPartition

__all__ = ["notes_of_change"]

_PATIENCE_SECONDS: Final = 3.0
_LISTED: Final = 20


async def notes_of_change(
    definition: Definition,
    unsettled: Mapping[TopicPartition, Unsettled] | None,
    subscription: Subscription,
    broker: Broker,
) -> tuple[str, ...]:
    """Return what somebody should know of a change that has raised the epoch, given what the last run has left; None: that is not known."""
    found: Mapping[TopicPartition, Unsettled] | None = unsettled

    if found is None:
        found = await _not_committed(definition, subscription, broker)

    if found is None:
        left = "what its former configuration had not committed, which is not known as the broker does not answer"
    elif found:
        each = [f"{tp} {left}" for tp, left in sorted(found.items())]
        left = ", ".join(each[:_LISTED]) + (f" and {len(each) - _LISTED:,} more" if len(each) > _LISTED else "")
    else:
        return ()

    tell(definition.name, "may_be_written_twice", {"left": left}, level=logging.WARNING)
    return (f"may be written twice, as the configuration was before it was changed and as it is now: {left}",)


async def _not_committed(
    definition: Definition, subscription: Subscription, broker: Broker
) -> dict[TopicPartition, Unsettled] | None:
    """Return what there is behind the commits; None: the broker does not tell."""
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            committed = await commits_of(definition.name, definition.uid, broker)
            present = await extents(subscription, broker)
    except (DeliveryError, ConnectionError, TimeoutError):
        return None

    commits = [(extent, extent.commit_in(committed)) for extent in present]
    return {
        e.tp: Unsettled(commit.offset, e.end) for e, commit in commits if commit is not None and commit.offset < e.end
    }
