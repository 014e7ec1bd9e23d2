"""What a connector reads, of the topics that there are."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

import attrs

from streamhouse_connect.brokers import Subscription
from streamhouse_connect.errors import NotFoundError
from streamhouse_connect.runtime.progress import PartitionProgress

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamhouse_connect.brokers import Broker, Committed, Topic
    from streamhouse_connect.definitions import Definition
    from streamhouse_connect.records import TopicPartition
    from streamhouse_connect.runtime.plan import Plan

__all__ = ["Extent", "extents", "subscription_of"]


@attrs.frozen
class Extent:
    """The offsets of a partition's first record and behind its last, and the topic that it is of."""

    tp: TopicPartition
    topic_id: str
    start: int
    end: int

    def commit_in(self, committed: Mapping[TopicPartition, Committed]) -> Committed | None:
        """Return the commit of this partition; one that was made in another topic of that name is none."""
        commit = committed.get(self.tp)
        return commit if commit and PartitionProgress.was_made_in(commit, self.topic_id) else None

    def lag(self, committed: Mapping[TopicPartition, Committed]) -> int:
        """Return how many offsets are still to be delivered."""
        commit = self.commit_in(committed)
        return max(0, self.end - max(self.start, commit.offset if commit else 0))


def subscription_of(definition: Definition, plan: Plan | None) -> Subscription:
    """Return what a connector reads; without a plan, what it seems to read where another worker can load it."""
    if plan is not None:
        return plan.subscription(definition.topics)

    pattern = definition.config.get("topics.regex")

    with suppress(re.error):
        return Subscription(definition.topics, pattern=re.compile(str(pattern)) if pattern else None)

    return Subscription(definition.topics)


async def extents(subscription: Subscription, broker: Broker) -> list[Extent]:
    """Return the present partitions of what is read; a topic that does not exist yet is waited for."""
    found = []

    for topic in await _topics(subscription, broker):
        with suppress(NotFoundError):  # it is gone by now
            watermarks = await broker.watermarks(topic.name)
            found += [Extent(tp, topic.id, start, end) for tp, (start, end) in sorted(watermarks.items())]

    return found


async def _topics(subscription: Subscription, broker: Broker) -> list[Topic]:
    if subscription.pattern is not None:
        return [topic for topic in await broker.topics() if subscription.includes(topic.name)]

    found = []

    for name in subscription.topics:
        with suppress(NotFoundError):
            found.append(await broker.topic(name))

    return found
