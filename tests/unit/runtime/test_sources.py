"""What a connector reads and writes at the broker, where its configuration can't be loaded too."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import attrs
import pytest

from streamhouse_connect import Definition, MemoryBroker, Subscription, Topic
from streamhouse_connect.runtime import sources
from streamhouse_connect.runtime.sources import Patience, Seen, dead_letter_topic_of, see


@pytest.mark.parametrize(
    ("config", "topic"),
    [
        ({}, None),
        ({"errors.deadletterqueue.topic.name": "letters"}, None),
        ({"errors.tolerance": "all"}, "c-dlq"),
        ({"errors.tolerance": "all", "errors.deadletterqueue.topic.name": "letters"}, "letters"),
    ],
)
def test_dead_letters_are_guarded_where_their_connector_can_not_be_loaded(
    config: dict[str, object], topic: str | None
) -> None:
    """Another worker may have its plugin, and be at it."""
    now = datetime.now(UTC)
    definition = Definition(
        name="c", connector_class="gone", topics=(), config=config, uid="u", created_at=now, updated_at=now
    )
    assert dead_letter_topic_of(definition, None) == topic


class MuteBroker(MemoryBroker):
    """Does not answer while it is mute."""

    def __init__(self) -> None:
        super().__init__()
        self.is_mute = False
        self.asked = 0

    async def topic(self, name: str) -> Topic:
        self.asked += 1

        if self.is_mute:
            await asyncio.Event().wait()

        return await super().topic(name)


@attrs.define
class Looks:
    """Looks at one connector, at times that a test sets."""

    broker: MuteBroker
    now: float = 100.0
    patience: Patience = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.patience = Patience(lambda: self.now)

    async def look(self, last: Seen | None = None) -> Seen:
        subscription = Subscription(["orders"])
        return await see("c", "u", subscription, self.broker, last=last or Seen(), patience=self.patience)


@pytest.fixture
async def looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    monkeypatch.setattr(sources, "_PATIENCE_SECONDS", 0.01)
    broker = MuteBroker()
    await broker.create_topic("orders")
    return Looks(broker)


async def test_a_broker_that_was_waited_for_is_not_asked_again_at_once(looks: Looks) -> None:
    """The next ones are shown what is known, marked stale with the same reason."""
    known = await looks.look()
    looks.broker.is_mute = True
    first = await looks.look(known)
    asked = looks.broker.asked
    later = await looks.look(known)

    assert looks.broker.asked == asked
    assert later == first
    assert (later.extents, later.stale) == (known.extents, "the broker did not answer within 0 s")


async def test_one_at_a_time_tries_a_broker_that_was_mute(looks: Looks) -> None:
    """While somebody waits for it, others do not."""
    looks.broker.is_mute = True
    await looks.look()
    looks.now += 3
    asked = looks.broker.asked
    found = await asyncio.gather(*(looks.look() for _ in range(5)))

    assert looks.broker.asked == asked + 1
    assert all(each.stale for each in found)


async def test_a_broker_that_answers_again_is_asked_as_before(looks: Looks) -> None:
    """By itself: after a few seconds somebody tries it."""
    looks.broker.is_mute = True
    await looks.look()
    looks.broker.is_mute = False
    looks.now += 3

    assert [(await looks.look()).stale for _ in range(2)] == [None, None]
