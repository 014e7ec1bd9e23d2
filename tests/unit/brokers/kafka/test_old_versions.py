"""Brokers whose negotiation of versions is poor: the library speaks Kafka 0.9 to them, and is told so by its properties."""

from __future__ import annotations

import pytest

from mock_kafka import MockCluster, MockedKafkaBroker
from streamhouse_connect import (
    NO_TIMESTAMP,
    Committed,
    FatalError,
    KafkaBroker,
    MemoryDefinitionStore,
    NewRecords,
    Subscription,
    Topic,
    TopicPartition,
)
from streamhouse_connect.brokers.kafka._properties import asks_for_versions, consumer_properties
from streamhouse_connect.testing.brokers import RecordingListener
from streamhouse_connect.testing.consumers import poll, values_of

FETCH, OFFSET_COMMIT, JOIN_GROUP, API_VERSIONS, INIT_PRODUCER_ID = 1, 8, 11, 18, 22
OLD = {
    "consumer.assignment": "manual",
    "api.version.request": "false",
    "broker.version.fallback": "0.9.0.1",
    "max.partition.fetch.bytes": "4096",
}
T0 = TopicPartition("orders", 0)
SUBSCRIPTION = Subscription(["orders"], isolation_level="read_uncommitted")


@pytest.fixture
def broker(cluster: MockCluster) -> MockedKafkaBroker:
    """A broker, not open yet, that does without versions and groups."""
    return MockedKafkaBroker(cluster, properties=OLD, offsets=MemoryDefinitionStore())


async def test_reading_goes_on_where_it_was_committed(cluster: MockCluster, broker: KafkaBroker):
    """Also after the broker was closed; neither versions nor a group are asked for."""
    cluster.create_topic("orders", partitions=2)
    values = [b"%d" % number + b"x" * 1000 for number in range(20)]

    async with MockedKafkaBroker(
        cluster
    ) as writer:  # the mock cluster takes no batches of old versions, but gives them
        for value in values:
            await writer.append("orders", NewRecords(values=[value], partitions=[0]))

    before = cluster.requests()

    async with broker:
        consumer = broker.consumer("g", SUBSCRIPTION, RecordingListener())
        assert values_of(await poll(consumer, 20)) == values
        await consumer.commit({T0: Committed(7, "marks")})
        await consumer.close()

    async with broker:
        assert await broker.committed("g") == {T0: Committed(7, "marks")}
        consumer = broker.consumer("g", SUBSCRIPTION, RecordingListener())
        assert values_of(await poll(consumer, 13)) == values[7:]
        await consumer.close()

    requests = cluster.requests() - before
    assert requests[FETCH]
    assert not requests.keys() & {API_VERSIONS, JOIN_GROUP, OFFSET_COMMIT}


async def test_a_topic_is_found_by_its_name(cluster: MockCluster, broker: KafkaBroker):
    """While a consumer waits for it; its id is its name."""
    async with broker:
        consumer = broker.consumer("g", SUBSCRIPTION, RecordingListener())
        assert await consumer.poll(max_records=1, timeout=0.1) == []
        cluster.create_topic("orders")
        assert await broker.topics() == [Topic("orders", "orders", 1)]
        await broker.append("orders", NewRecords(values=[b"new"]))
        assert await broker.watermarks("orders") == {T0: (0, 1)}
        assert values_of(await poll(consumer, 1)) == [b"new"]
        await consumer.close()


async def test_what_the_versions_can_not_hold_is_left_out(cluster: MockCluster, broker: KafkaBroker):
    """Records have no headers and no timestamps: they were invented later."""
    cluster.create_topic("orders")

    async with broker:
        await broker.append("orders", NewRecords(values=[b"v"], keys=[b"k"], headers=[(("a", b"1"),)]))
        (record,) = await broker.read(T0, 0, max_records=1)
        assert (record.key, record.value, record.headers, record.timestamp) == (b"k", b"v", (), NO_TIMESTAMP)

    assert not cluster.requests()[INIT_PRODUCER_ID]


async def test_topics_are_not_made_or_deleted(cluster: MockCluster):
    """The error says why, at once, and what to do."""
    async with KafkaBroker(cluster.bootstrap, properties=OLD, offsets=MemoryDefinitionStore()) as broker:
        with pytest.raises(FatalError, match=r"create the topic 'new': with api\.version\.request=false .* own tools"):
            await broker.create_topic("new")

        cluster.create_topic("old")

        with pytest.raises(FatalError, match="delete the topic 'old'"):
            await broker.delete_topic("old")


def test_the_properties_reach_the_consumer() -> None:
    """None of them is ours to choose, apart from the isolation, which is the connector's."""
    given = {key: value for key, value in OLD.items() if key != "consumer.assignment"}
    found = consumer_properties(given, "g", SUBSCRIPTION)
    assert given.items() <= found.items()
    assert found["isolation.level"] == "read_uncommitted"


@pytest.mark.parametrize(
    ("properties", "asks"),
    [
        ({}, True),
        ({"broker.version.fallback": "0.9.0.1"}, True),
        ({"api.version.request": "true"}, True),
        ({"api.version.request": "False"}, False),
        ({"api.version.request": "0"}, False),
    ],
)
def test_the_property_says_whether_versions_are_asked_for(properties: dict[str, str], asks: bool) -> None:
    """In each of the library's spellings; the version to fall back on is for brokers that do not answer."""
    assert asks_for_versions(properties) is asks
