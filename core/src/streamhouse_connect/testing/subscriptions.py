"""What every broker keeps to, third part: what a subscription takes in, and where reading starts.

Used by way of `BrokerConformance`.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final

import pytest

from streamhouse_connect import Broker, FatalError, NewRecords, Subscription, TopicPartition
from streamhouse_connect.testing.consumers import RecordingListener, poll, values_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from streamhouse_connect import Consumer

__all__ = ["SubscriptionConformance"]

_SOON: Final = 10.0


class Seeking(RecordingListener):
    """Seeks each partition that is assigned to an offset; `consumer` has to be set."""

    consumer: Consumer

    def __init__(self, offset: int | None) -> None:
        super().__init__()
        self.offset = offset
        self.positions: list[int] = []
        self.sought = asyncio.Event()

    async def assigned(self, partitions: Collection[TopicPartition]) -> None:
        self.positions += [await self.consumer.seek(tp, self.offset) for tp in sorted(partitions)]
        self.sought.set()


class SubscriptionConformance:
    """The tests."""

    @pytest.fixture
    def broker(self) -> Broker:
        """Return the broker to be tested."""
        raise NotImplementedError

    async def test_a_pattern_takes_in_topics_that_match_as_a_whole(self, broker: Broker) -> None:
        """Present and future ones; those that are excluded, or only hold a match, are left out."""
        async with broker:
            for name in ("orders-a", "old-orders-a", "orders-dlq"):
                await broker.create_topic(name)
                await broker.append(name, NewRecords(values=[name.encode()]))

            subscription = Subscription(pattern=re.compile("orders-.*"), excluded=frozenset({"orders-dlq"}))
            consumer = broker.consumer("g", subscription, RecordingListener())
            assert values_of(await poll(consumer, 1)) == [b"orders-a"]
            await broker.create_topic("orders-b")
            await broker.append("orders-b", NewRecords(values=[b"later"]))
            assert values_of(await poll(consumer, 1)) == [b"later"]
            await consumer.close()

    async def test_latest_reads_what_comes_after_the_start(self, broker: Broker) -> None:
        """Without a commit, reading starts behind the last record."""
        async with broker:
            await broker.create_topic("t")
            await broker.append("t", NewRecords(values=[b"0", b"1"]))
            listener = Seeking(None)
            listener.consumer = broker.consumer("g", Subscription(["t"], offset_reset="latest"), listener)
            waiting = asyncio.create_task(poll(listener.consumer, 1))

            async with asyncio.timeout(_SOON):
                await listener.sought.wait()

            await broker.append("t", NewRecords(values=[b"2"]))
            assert values_of(await waiting) == [b"2"]
            assert listener.positions == [2]
            await listener.consumer.close()

    async def test_error_refuses_to_choose_a_start(self, broker: Broker) -> None:
        """Without a commit, the first poll fails and says what can be done; with one, reading goes on there."""
        async with broker:
            await broker.create_topic("t")
            await broker.append("t", NewRecords(values=[b"0", b"1"]))

            for offset in (None, 1):
                listener = Seeking(offset)
                listener.consumer = broker.consumer("g", Subscription(["t"], offset_reset="error"), listener)

                if offset is None:
                    with pytest.raises(FatalError, match=r"t-0 has no committed offset.*offset\.reset"):
                        await poll(listener.consumer, 1)
                else:
                    assert values_of(await poll(listener.consumer, 1)) == [b"1"]

                await listener.consumer.close()
