"""The broker on Kafka, by the suite for all brokers, on librdkafka's mock cluster: in seconds, without Java."""

from collections.abc import Iterator
from typing import ClassVar, Final

import pytest

from mock_kafka import MockCluster, MockedKafkaBroker, mock_cluster
from streamhouse_connect import Broker, MemoryDefinitionStore
from streamhouse_connect.testing.brokers import BrokerConformance

LEFT_OUT: Final = {
    "test_topics_are_listed_by_name": "keeps no retention",
    "test_groups_do_not_know_each_other": "deletes no groups, and being asked to makes the library end the process",
}
"""What the mock cluster can't do. These run on a real Kafka, in test_kafka.py; so does all that needs topics to be made and
deleted by requests, which the mock cluster knows not: MockedKafkaBroker makes and deletes them in another way."""


class TestMockKafka(BrokerConformance):
    timestamps: ClassVar[tuple[int, int, int, int]] = (1, 1_000, 1_770_732_000_123, 1_770_732_000_124)

    @pytest.fixture(autouse=True)
    def leave_out(self, request: pytest.FixtureRequest) -> None:
        if (reason := LEFT_OUT.get(request.function.__name__)) is not None:
            pytest.skip(f"the mock cluster {reason}")

    @pytest.fixture
    def cluster(self) -> Iterator[MockCluster]:
        with mock_cluster() as cluster:
            yield cluster

    @pytest.fixture
    def broker(self, cluster: MockCluster) -> Broker:
        return MockedKafkaBroker(cluster)


class TestMockKafkaWithoutGroups(TestMockKafka):
    @pytest.fixture
    def broker(self, cluster: MockCluster) -> Broker:
        return MockedKafkaBroker(cluster, properties={"consumer.assignment": "manual"}, offsets=MemoryDefinitionStore())
