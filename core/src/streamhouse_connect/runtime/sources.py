"""What a connector reads, of the topics that there are."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from streamhouse_connect.brokers import Subscription
from streamhouse_connect.errors import NotFoundError

if TYPE_CHECKING:
    from streamhouse_connect.brokers import Broker, Topic
    from streamhouse_connect.definitions import Definition
    from streamhouse_connect.records import TopicPartition
    from streamhouse_connect.runtime.plan import Plan

__all__ = ["ends", "existing_topics", "subscription_of", "watermarks"]


def subscription_of(definition: Definition, plan: Plan | None) -> Subscription:
    """Return what a connector reads; without a plan, what it seems to read where another worker can load it."""
    if plan is not None:
        return plan.subscription(definition.topics)

    pattern = definition.config.get("topics.regex")

    with suppress(re.error):
        return Subscription(definition.topics, pattern=re.compile(str(pattern)) if pattern else None)

    return Subscription(definition.topics)


async def existing_topics(subscription: Subscription, broker: Broker) -> list[Topic]:
    """Return the topics that are read now; one that does not exist yet is waited for."""
    if subscription.pattern is not None:
        return [topic for topic in await broker.topics() if subscription.includes(topic.name)]

    found = []

    for name in subscription.topics:
        with suppress(NotFoundError):
            found.append(await broker.topic(name))

    return found


async def watermarks(topic: Topic, broker: Broker) -> list[tuple[TopicPartition, int, int]]:
    """Return each partition with its first offset and the one after its last; none if the topic is gone by now."""
    with suppress(NotFoundError):
        return sorted((tp, start, end) for tp, (start, end) in (await broker.watermarks(topic.name)).items())

    return []


async def ends(subscription: Subscription, broker: Broker) -> dict[TopicPartition, int]:
    """Return the present ends of the partitions that hold any record."""
    marks = [await watermarks(topic, broker) for topic in await existing_topics(subscription, broker)]
    return {tp: end for each in marks for tp, start, end in each if end > start}
