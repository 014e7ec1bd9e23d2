"""The broker on Kafka, by the suite for all brokers."""

from typing import ClassVar, Final

import pytest

from services import Kafka
from streamhouse_connect import Broker, KafkaBroker, MemoryDefinitionStore
from streamhouse_connect.testing.brokers import BrokerConformance

# A seek waits for the read under way, and that one for records.
_QUICK: Final = {"fetch.wait.max.ms": "50"}


class TestKafka(BrokerConformance):
    # librdkafka takes 0 for the present and has no record without a time; brokers refuse times that are far ahead.
    timestamps: ClassVar[tuple[int, int, int, int]] = (1, 1_000, 1_770_732_000_123, 1_770_732_000_124)

    @pytest.fixture
    def broker(self, kafka_server: Kafka) -> Broker:
        kafka_server.delete_everything()
        return KafkaBroker(kafka_server.bootstrap, properties=_QUICK)


class TestKafkaWithoutGroups(TestKafka):
    @pytest.fixture
    def broker(self, kafka_server: Kafka) -> Broker:
        kafka_server.delete_everything()
        properties = {**_QUICK, "consumer.assignment": "manual"}
        return KafkaBroker(kafka_server.bootstrap, properties=properties, offsets=MemoryDefinitionStore())
