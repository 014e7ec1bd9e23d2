"""Two members of a group on a mock cluster; what one lets go of, the other goes on with."""

from __future__ import annotations

from collections.abc import Collection

from integration.kafka.conftest import Member
from mock_kafka import MockCluster, MockedKafkaBroker
from streamhouse_connect import NewRecords, Subscription, TopicPartition
from streamhouse_connect.testing.brokers import RecordingListener


class EarlyMember(Member):
    """Commits before it lets go: unlike Kafka, the mock cluster refuses commits while a group is in a rebalance."""

    async def revoked(self, partitions: Collection[TopicPartition]) -> None:
        await RecordingListener.revoked(self, partitions)
        self.assigned_now -= set(partitions)


async def test_members_share_partitions_and_hand_them_over(cluster: MockCluster):
    """By what was committed before: nothing is read twice or left out, and what stays is not disturbed."""
    cluster.create_topic("t", partitions=2)
    places = {TopicPartition("t", 0), TopicPartition("t", 1)}

    async with MockedKafkaBroker(cluster) as broker:
        first, second = members = [EarlyMember(), EarlyMember()]

        async def produce(*values: bytes) -> None:
            await broker.append("t", NewRecords(values=values, partitions=[0, 1]))

        first.join(broker, "g", Subscription(["t"]))
        await first.until(lambda: first.assigned_now == places)
        await produce(b"0", b"1")
        await first.until(lambda: len(first.records) == 2)
        await first.commit(places)

        second.join(broker, "g", Subscription(["t"]))
        await second.until(lambda: [len(member.assigned_now) for member in members] == [1, 1])
        assert [len(tps) for event, tps in first.events if event == "revoked"] == [1]
        assert first.assigned_now | second.assigned_now == places
        await produce(b"2", b"3")
        await second.until(lambda: len(first.records) + len(second.records) == 4)

        for member in members:
            await member.commit(member.assigned_now)

        await first.leave()
        await second.until(lambda: second.assigned_now == places)
        await produce(b"4", b"5")
        await second.until(lambda: len(second.records) == 3)
        await second.leave()

    assert sorted(map(str, first.values() + second.values())) == [f"b'{number}'" for number in range(6)]
