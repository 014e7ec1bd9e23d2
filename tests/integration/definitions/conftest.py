"""Groups of Kafka definition stores, and their topics as somebody else sees and writes them."""

from collections.abc import Callable
from contextlib import closing
from typing import Any

import attrs
import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import ConfigResource, ResourceType  # type: ignore[attr-defined]  # no `as` there

from services import Kafka, Service, Topics
from streamhouse_connect import KafkaDefinitionStore

_SECONDS = 10.0


@attrs.frozen
class Group:
    """A group of stores on a cluster."""

    name: str
    server: Kafka

    @property
    def configs(self) -> str:
        return f"{self.name}-configs"

    @property
    def status(self) -> str:
        return f"{self.name}-status"

    def store(self, **more: Any) -> KafkaDefinitionStore:
        """Make a store, which is to be opened."""
        return KafkaDefinitionStore(self.server.bootstrap, group=self.name, **more)

    def writer(self) -> Producer:
        """Make a producer that does as the stores' do, up to where it is told to."""
        producer = Producer(
            {"bootstrap.servers": self.server.bootstrap, "transactional.id": self.configs, "log_level": 0}
        )
        producer.init_transactions(_SECONDS)
        producer.begin_transaction()
        return producer

    def produce(self, key: bytes | None, value: bytes | None) -> None:
        """Write into the topic of definitions, as no store would."""
        producer = Producer({"bootstrap.servers": self.server.bootstrap})
        producer.produce(self.configs, key=key, value=value)
        assert producer.flush(_SECONDS) == 0

    def records(self) -> list[tuple[bytes | None, bytes | None]]:
        """Return what is in the topic of definitions, aborted transactions included."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.server.bootstrap,
                "group.id": "look",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_uncommitted",
            }
        )
        found: list[tuple[bytes | None, bytes | None]] = []

        with closing(consumer):
            consumer.assign([TopicPartition(self.configs, 0, OFFSET_BEGINNING)])

            while True:
                message = consumer.poll(_SECONDS)
                assert message is not None
                error = message.error()

                if error is not None:
                    assert error.code() == KafkaError._PARTITION_EOF
                    return found

                found.append((message.key(), message.value()))

    def settings(self, topic: str) -> dict[str, str]:
        """Return a topic's configuration."""
        resource = ConfigResource(ResourceType.TOPIC, topic)
        admin = self.server.admin()
        entries = admin.describe_configs([resource])[resource].result(_SECONDS)
        return {name: str(entry.value) for name, entry in entries.items()}


@pytest.fixture
def group(kafka: Topics) -> Group:
    """A group of its own on the shared server."""
    return Group(f"{kafka.prefix}group", kafka.server)


@pytest.fixture
def lonely_group(start_service: Callable[[Service], None]) -> Group:
    """A group on a server of its own, which the test may kill."""
    server = Kafka()
    start_service(server)
    return Group("group", server)
