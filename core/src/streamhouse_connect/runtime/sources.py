"""What a connector reads, of the topics that there are, and how far it is, as far as the broker tells."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Final

import attrs

from streamhouse_connect.brokers import Subscription
from streamhouse_connect.errors import DeliveryError, NotFoundError
from streamhouse_connect.runtime.plan import default_dead_letter_topic
from streamhouse_connect.runtime.progress import PartitionProgress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from streamhouse_connect.brokers import Broker, Committed, Topic
    from streamhouse_connect.definitions import Definition
    from streamhouse_connect.records import TopicPartition
    from streamhouse_connect.runtime.plan import Plan

__all__ = [
    "Extent",
    "Patience",
    "Seen",
    "commits_of",
    "dead_letter_topic_of",
    "extents",
    "group_of",
    "see",
    "subscription_of",
]

_PATIENCE_SECONDS: Final = 3.0
_REST_SECONDS: Final = 3.0
"""So long nobody waits for a broker again that has not answered in time."""


@attrs.frozen
class Extent:
    """The offsets of a partition's first record and behind its last, and the topic that it is of."""

    tp: TopicPartition
    topic_id: str
    start: int
    end: int

    @property
    def has_topic_id(self) -> bool:
        """Whether the topic can be told from a later one of its name."""
        return self.topic_id != self.tp.topic

    def commit_in(self, committed: Mapping[TopicPartition, Committed]) -> Committed | None:
        """Return the commit of this partition; one that was made in another topic of that name is none."""
        commit = committed.get(self.tp)
        return commit if commit and PartitionProgress.was_made_in(commit, self.topic_id) else None

    def lag(self, committed: Mapping[TopicPartition, Committed]) -> int:
        """Return how many offsets are still to be delivered."""
        commit = self.commit_in(committed)
        return max(0, self.end - max(self.start, commit.offset if commit else 0))


@attrs.frozen
class Seen:
    """What the broker has told of a connector's partitions, and why that may be out of date."""

    extents: tuple[Extent, ...] = ()
    committed: Mapping[TopicPartition, Committed] = attrs.field(factory=dict)
    """What its group has committed; empty where only its own worker commits, which knows."""
    awaited: tuple[str, ...] = ()
    """Topics that are to be read, and that do not exist."""
    stale: str | None = None


@attrs.define
class Patience:
    """With a broker that has not answered in time: others do without it for a while, then one of them tries it."""

    clock: Callable[[], float] = monotonic
    _silence: str | None = attrs.field(default=None, init=False)
    _again_at: float = attrs.field(default=0.0, init=False)

    def why_not(self) -> str | None:
        """Return why the broker is better not asked now; None: ask it, and say what came of it."""
        if self._silence is not None:
            if self.clock() < self._again_at:
                return self._silence

            self._again_at = self.clock() + _REST_SECONDS

        return None

    def note(self, silence: str | None) -> None:
        """Note that the broker did not answer in time, or that it did."""
        self._silence = silence
        self._again_at = self.clock() + _REST_SECONDS


def group_of(connector: str) -> str:
    """Return the consumer group of a connector."""
    return f"connect-{connector}"


async def commits_of(connector: str, uid: str, broker: Broker) -> dict[TopicPartition, Committed]:
    """Return what a connector has committed, and nothing of a former one of the same name."""
    committed = await broker.committed(group_of(connector))
    return {tp: commit for tp, commit in committed.items() if PartitionProgress.was_made_by(commit, uid)}


def subscription_of(definition: Definition, plan: Plan | None) -> Subscription:
    """Return what a connector reads; without a plan, what it seems to read where another worker can load it."""
    if plan is not None:
        return plan.subscription(definition.topics)

    pattern = definition.config.get("topics.regex")

    with suppress(re.error):
        return Subscription(definition.topics, pattern=re.compile(str(pattern)) if pattern else None)

    return Subscription(definition.topics)


def dead_letter_topic_of(definition: Definition, plan: Plan | None) -> str | None:
    """Return where a connector puts its dead letters, if it makes any; without a plan, where it seems to."""
    if plan is not None:
        return plan.dead_letter_topic if plan.options.errors_tolerance == "all" else None

    if definition.config.get("errors.tolerance") != "all":
        return None

    return str(definition.config.get("errors.deadletterqueue.topic.name") or default_dead_letter_topic(definition.name))


async def extents(subscription: Subscription, broker: Broker) -> list[Extent]:
    """Return the present partitions of what is read; a topic that does not exist yet is waited for."""
    return await _extents(await _topics(subscription, broker), broker)


async def _extents(topics: Iterable[Topic], broker: Broker) -> list[Extent]:
    found = []

    for topic in topics:
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


async def see(
    connector: str, uid: str, subscription: Subscription, broker: Broker, *, last: Seen, patience: Patience
) -> Seen:
    """Ask the broker; while it does not answer, return what it told last, and why it is not new."""
    if (reason := patience.why_not()) is not None:
        return attrs.evolve(last, stale=reason)

    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            topics = await _topics(subscription, broker)
            found = await _extents(topics, broker)
            committed = await commits_of(connector, uid, broker) if broker.shares_partitions else {}
    except TimeoutError as error:
        reason = str(error) or f"the broker did not answer within {_PATIENCE_SECONDS:.0f} s"
        patience.note(reason)
        return attrs.evolve(last, stale=reason)
    except (DeliveryError, ConnectionError) as error:  # it may be about this connector's topics alone
        patience.note(None)
        return attrs.evolve(last, stale=str(error))

    patience.note(None)
    present = {topic.name for topic in topics}
    return Seen(tuple(found), committed, tuple(name for name in subscription.topics if name not in present))
