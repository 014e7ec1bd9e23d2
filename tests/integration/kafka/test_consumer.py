"""Members of a group on a real Kafka: rebalances, transactions, gaps, and topics that are not what they were."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import pytest

from integration.kafka.conftest import Member, transact
from services import Topics
from streamhouse_connect import (
    Committed,
    FatalError,
    KafkaBroker,
    NewRecords,
    RetriableError,
    Subscription,
    Superseded,
    TopicPartition,
)

Join = Callable[[str, Subscription], Member]
PROTOCOLS = pytest.mark.parametrize("properties", [{}, {"group.protocol": "consumer"}], ids=["classic", "kip-848"])


async def produce(broker: KafkaBroker, topic: str, *values: bytes, partition: int = 0) -> None:
    await broker.append(topic, NewRecords(values=list(values), partitions=[partition] * len(values)))


@PROTOCOLS
async def test_partitions_are_shared_and_those_that_stay_are_not_disturbed(
    kafka: Topics, broker: KafkaBroker, join: Join, properties: dict[str, str]
):
    """A second member takes over a part; nothing is read twice or left out, by what is committed when it is let go."""
    topic = kafka.prefix + "t"
    await broker.create_topic(topic, partitions=4)
    subscription = Subscription([topic], properties=properties)
    first = join(kafka.prefix + "g", subscription)
    await first.until(lambda: len(first.assigned_now) == 4)

    for partition in range(4):
        await produce(broker, topic, b"%d-before" % partition, partition=partition)

    await first.until(lambda: len(first.records) == 4)
    second = join(kafka.prefix + "g", subscription)
    await second.until(lambda: len(second.assigned_now) == 2 and len(first.assigned_now) == 2)
    revoked = [partitions for event, partitions in first.events if event == "revoked"]
    assert [len(partitions) for partitions in revoked] == [2], "only what goes is let go"

    for partition in range(4):
        await produce(broker, topic, b"%d-after" % partition, partition=partition)

    await first.until(lambda: len(first.records) + len(second.records) == 8)
    assert sorted(first.values() + second.values()) == sorted(  # type: ignore[type-var]  # none is null
        b"%d-%s" % (partition, when) for partition in range(4) for when in (b"before", b"after")
    )


@PROTOCOLS
async def test_a_member_that_leaves_hands_its_partitions_over(
    kafka: Topics, broker: KafkaBroker, join: Join, properties: dict[str, str]
):
    """The one that stays goes on where the other one has committed."""
    topic = kafka.prefix + "t"
    await broker.create_topic(topic, partitions=2)
    subscription = Subscription([topic], properties=properties)
    members = [join(kafka.prefix + "g", subscription) for _ in range(2)]
    await members[0].until(lambda: all(len(member.assigned_now) == 1 for member in members))
    await produce(broker, topic, b"0", partition=0)
    await produce(broker, topic, b"1", partition=1)
    await members[0].until(lambda: all(len(member.records) == 1 for member in members))
    await members[1].leave()
    await members[0].until(lambda: len(members[0].assigned_now) == 2)
    await produce(broker, topic, b"2", partition=0)
    await produce(broker, topic, b"3", partition=1)
    await members[0].until(lambda: len(members[0].records) == 3)
    assert sorted(members[0].values()[1:]) == [b"2", b"3"]  # type: ignore[type-var]  # none is null


async def test_markers_and_aborted_transactions_are_passed_over(kafka: Topics, broker: KafkaBroker, join: Join):
    """What is read is covered up to the log's end, so that the lag reaches 0."""
    topic = kafka.prefix + "t"
    await broker.create_topic(topic)
    transact(kafka, topic, [b"1", b"2"], commit=True)
    transact(kafka, topic, [b"aborted"] * 3, commit=False)
    member = join(kafka.prefix + "g", Subscription([topic]))
    tp = TopicPartition(topic, 0)
    (end,) = {end for _, end in (await broker.watermarks(topic)).values()}
    assert end == 7, "three of the log's offsets are no records, and two are markers"
    await member.until(lambda: member.covered.get(tp) == end)
    assert member.values() == [b"1", b"2"]


async def test_read_uncommitted_gives_aborted_records_too(kafka: Topics, broker: KafkaBroker, join: Join):
    """As it was asked for."""
    topic = kafka.prefix + "t"
    await broker.create_topic(topic)
    transact(kafka, topic, [b"aborted"], commit=False)
    member = join(kafka.prefix + "g", Subscription([topic], isolation_level="read_uncommitted"))
    await member.until(lambda: member.values() == [b"aborted"])


async def test_an_open_transaction_holds_back_what_follows(kafka: Topics, broker: KafkaBroker, join: Join):
    """Until it ends; then all comes in order."""
    topic = kafka.prefix + "t"
    await broker.create_topic(topic)
    writer = transact(kafka, topic, [b"1"], commit=True, hold=True)
    await produce(broker, topic, b"2")
    member = join(kafka.prefix + "g", Subscription([topic]))
    await member.until(lambda: member.assigned_now)
    await asyncio.sleep(0.5)
    assert member.records == []
    await asyncio.to_thread(writer.commit_transaction)
    await member.until(lambda: member.values() == [b"1", b"2"])


async def test_what_was_deleted_before_it_was_read_is_told(kafka: Topics, broker: KafkaBroker, join: Join):
    """A commit below the log's start: the first record that there is comes first, and the listener hears of the gap."""
    topic, tp = kafka.prefix + "t", TopicPartition(kafka.prefix + "t", 0)
    await broker.create_topic(topic)
    await produce(broker, topic, *(b"%d" % n for n in range(10)))
    earlier = join(kafka.prefix + "g", Subscription([topic]))
    await earlier.until(lambda: len(earlier.records) == 10)
    earlier.covered[tp] = 3
    await earlier.leave()
    kafka.server.delete_records(topic, before=7)
    member = join(kafka.prefix + "g", Subscription([topic]))
    await member.until(lambda: member.values() == [b"7", b"8", b"9"])
    assert member.gaps == [(tp, 3, 7)]


@pytest.mark.parametrize(("reset", "values"), [("earliest", [b"7", b"8", b"9", b"new"]), ("latest", [b"new"])])
async def test_a_position_that_was_deleted_while_reading_waits_is_reset(
    kafka: Topics, broker: KafkaBroker, join: Join, reset: str, values: list[bytes]
):
    """By `offset_reset`; the gap is told."""
    topic, tp = kafka.prefix + "t", TopicPartition(kafka.prefix + "t", 0)
    await broker.create_topic(topic)
    subscription = Subscription([topic], offset_reset=reset)  # type: ignore[arg-type]  # one of the two
    member = join(kafka.prefix + "g", subscription)
    await member.until(lambda: member.assigned_now)
    member.consumer.pause([tp])
    await member.consumer.committed([tp])  # served after the pause
    await produce(broker, topic, *(b"%d" % n for n in range(10)))
    kafka.server.delete_records(topic, before=7)
    member.consumer.resume([tp])
    await member.until(lambda: member.gaps)
    await produce(broker, topic, b"new")
    await member.until(lambda: member.values() == values)
    assert member.gaps == [(tp, 0, 7 if reset == "earliest" else 10)]


async def test_compacted_records_leave_gaps_and_stall_nothing(kafka: Topics, broker: KafkaBroker, join: Join):
    """Spans cover the offsets of records that compaction has removed."""
    topic, tp = kafka.prefix + "t", TopicPartition(kafka.prefix + "t", 0)
    settings = {
        "cleanup.policy": "compact",
        "segment.ms": "50",
        "min.cleanable.dirty.ratio": "0.001",
        "min.compaction.lag.ms": "0",
    }
    kafka.server.create_topic(topic, settings=settings)
    await broker.append(topic, NewRecords(values=[b"old", b"old", b"other"], keys=[b"a", b"a", b"b"]))

    async with asyncio.timeout(30):
        while (await broker.read(tp, 0, max_records=10)).offsets[0] < 2:
            await broker.append(topic, NewRecords(values=[b"new"], keys=[b"a"]))  # closes the segment before it
            await asyncio.sleep(0.5)

    (end,) = {end for _, end in (await broker.watermarks(topic)).values()}
    member = join(kafka.prefix + "g", Subscription([topic]))
    await member.until(lambda: member.covered.get(tp) == end)
    assert set(member.values()) == {b"other", b"new"}
    assert member.records[0][1] == 2


async def test_a_topic_made_again_while_it_is_read_begins_anew(kafka: Topics, broker: KafkaBroker, join: Join):
    """Also if it has more records by then than had been read: none is passed over, though some may come twice."""
    topic = kafka.prefix + "t"
    await broker.create_topic(topic)
    member = join(kafka.prefix + "g", Subscription([topic]))
    await produce(broker, topic, b"old-1", b"old-2")
    await member.until(lambda: len(member.records) == 2)
    await broker.delete_topic(topic)
    await broker.create_topic(topic)
    await produce(broker, topic, *(b"new-%d" % n for n in range(5)))
    await member.until(lambda: member.values()[-5:] == [b"new-%d" % n for n in range(5)])
    assert [event for event, _ in member.events] == ["assigned", "lost", "assigned"]


async def test_a_partition_that_was_lost_while_paused_is_read_when_it_is_given_again(
    kafka: Topics, broker: KafkaBroker, join: Join
):
    """The library remembers a pause longer than the assignment that it was meant for."""
    topic, tp = kafka.prefix + "t", TopicPartition(kafka.prefix + "t", 0)
    await broker.create_topic(topic)
    first = join(kafka.prefix + "g", Subscription([topic]))
    await first.until(lambda: first.assigned_now)
    first.consumer.pause([tp])
    await first.consumer.committed([tp])  # served after the pause
    await broker.delete_topic(topic)
    await broker.create_topic(topic)
    await produce(broker, topic, b"new")
    await first.until(lambda: first.values() == [b"new"])


async def test_new_partitions_are_taken_up(kafka: Topics, broker: KafkaBroker, join: Join):
    """Their first records included."""
    topic = kafka.prefix + "t"
    await broker.create_topic(topic)
    member = join(kafka.prefix + "g", Subscription([topic]))
    await member.until(lambda: member.assigned_now)
    kafka.server.add_partitions(topic, 3)
    await member.until(lambda: len(member.assigned_now) == 3)
    await produce(broker, topic, b"new", partition=2)
    await member.until(lambda: member.values() == [b"new"])


async def test_topics_that_match_later_are_taken_up(kafka: Topics, broker: KafkaBroker, join: Join):
    """Without disturbing those that are read; one that is excluded is left alone."""
    pattern = re.compile(re.escape(kafka.prefix) + ".*")
    dead_letters = kafka.prefix + "dlq"
    await broker.create_topic(kafka.prefix + "a")
    member = join(kafka.prefix + "g", Subscription(pattern=pattern, excluded=frozenset({dead_letters})))
    await member.until(lambda: member.assigned_now)
    await broker.create_topic(dead_letters)
    await broker.create_topic(kafka.prefix + "b")
    await produce(broker, dead_letters, b"dead")
    await produce(broker, kafka.prefix + "b", b"alive")
    await member.until(lambda: member.values() == [b"alive"])
    assert {event for event, _ in member.events} == {"assigned"}


async def test_a_commit_of_partitions_that_are_not_held_is_refused(kafka: Topics, broker: KafkaBroker, join: Join):
    """Those that are held are committed all the same."""
    topic = kafka.prefix + "t"
    await broker.create_topic(topic)
    member = join(kafka.prefix + "g", Subscription([topic]))
    await member.until(lambda: member.assigned_now)
    ours, foreign = TopicPartition(topic, 0), TopicPartition(topic, 7)

    with pytest.raises(Superseded) as caught:
        await member.consumer.commit({ours: Committed(0, "kept"), foreign: Committed(0)})

    assert caught.value.partitions == {foreign}
    assert await broker.committed(kafka.prefix + "g") == {ours: Committed(0, "kept")}


async def test_a_group_with_members_is_not_deleted(kafka: Topics, broker: KafkaBroker, join: Join, monkeypatch):
    """Offsets of a connector that somebody else still runs must not be taken from under it."""
    monkeypatch.setattr("streamhouse_connect.brokers.kafka.broker._GROUP_SECONDS", 0.0)
    topic = kafka.prefix + "t"
    await broker.create_topic(topic)
    member = join(kafka.prefix + "g", Subscription([topic]))
    await member.until(lambda: member.assigned_now)

    with pytest.raises(RetriableError, match="not empty"):
        await broker.delete_group(kafka.prefix + "g")

    await member.leave()
    await broker.delete_group(kafka.prefix + "g")


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({"no.such.property": "1"}, "no.such.property"),
        ({"enable.auto.commit": "true"}, "enable.auto.commit: not to be set"),
        ({"group.id": "other"}, "group.id: not to be set"),
    ],
)
async def test_properties_that_would_break_delivery_are_refused(
    broker: KafkaBroker, properties: dict[str, str], said: str
):
    """And those that do not exist; both are named."""
    with pytest.raises(FatalError, match=re.escape(said)):
        broker.consumer("g", Subscription(["t"], properties=properties), Member())
