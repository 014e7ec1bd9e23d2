"""Kafka 4 from Maven Central: a KRaft node, controller and broker in one process, and brokers that join it."""

import socket
import struct
import time
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Final, Self

import attrs
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions, NewTopic  # confluent_kafka.admin has it too, but not for type checkers

from services.base import Service, ServiceUnavailableError
from services.cache import cache_directory
from services.java import fetch_classpath, java_home
from services.ports import free_port

_VERSION: Final = "4.4.0"
_CLUSTER: Final = "AAAAAAAAAAAAAAAAAAAAAQ"
_JVM_OPTIONS: Final = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData", "-Djava.awt.headless=true")
_LOGGING: Final = """\
rootLogger.level = WARN
rootLogger.appenderRef.console.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %p %c{1} %m%n
"""
_METADATA_REQUEST: Final = struct.pack(">ihhihi", 14, 3, 1, 0, -1, 0)  # version 1, no client id, no topics
_METADATA_HEAD: Final = struct.Struct(">iii")  # size, correlation id, number of brokers
_METADATA_BROKER: Final = struct.Struct(">ih9sih")  # node, host ("127.0.0.1" and its length), port, no rack
_POLL_SECONDS: Final = 0.02
_TOPIC_SECONDS: Final = 30.0


class Kafka(Service):
    """A node without security, whose id is its port; `settings` are added to its server.properties.

    It is a cluster by itself, or one more broker of the cluster that it `joins`, whose first node stays the only
    controller. Ready means that the broker is a member of the cluster. Coordinators of groups may need a moment more
    after a restart: clients meet NOT_COORDINATOR and try again.
    """

    name: ClassVar[str] = "kafka"
    start_timeout: ClassVar[float] = 60.0
    stop_timeout: ClassVar[float] = 20.0

    def __init__(self, settings: Mapping[str, str | int] | None = None, *, joins: Self | None = None) -> None:
        super().__init__()
        self._settings = dict(settings or {})
        self._is_controller = joins is None
        self._controller: str = f"127.0.0.1:{free_port()}" if joins is None else joins._controller
        self._voter: str = f"{self.port}@{self._controller}" if joins is None else joins._voter
        self._jars = Path()
        self._java = Path()

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    @staticmethod
    def install() -> Path:
        """Download the server's jars unless an earlier run did; may take a minute the first time.

        :raises ServiceUnavailableError: they could not be downloaded.
        """
        return fetch_classpath(
            f"org.apache.kafka:kafka_2.13:{_VERSION}",
            "org.apache.logging.log4j:log4j-slf4j-impl:2.25.5",  # for slf4j 1.7
            into=cache_directory() / f"kafka-{_VERSION}",
        )

    def prepare(self) -> None:
        self._java = java_home(oldest=17, newest=21)
        self._jars = self.install()
        (self.directory / "tmp").mkdir()
        (self.directory / "log4j2.properties").write_text(_LOGGING)
        controller = f",CONTROLLER://{self._controller}" if self._is_controller else ""
        settings: dict[str, str | int] = {
            "process.roles": "broker,controller" if self._is_controller else "broker",
            "node.id": self.port,
            "controller.quorum.voters": self._voter,
            "listeners": f"PLAINTEXT://{self.bootstrap}{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": str(self.directory / "data"),
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 4,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "share.coordinator.state.topic.num.partitions": 1,
            "group.initial.rebalance.delay.ms": 0,
            "group.min.session.timeout.ms": 1000,
            "group.consumer.min.session.timeout.ms": 1000,
            "group.consumer.min.heartbeat.interval.ms": 200,
            "group.consumer.heartbeat.interval.ms": 500,
            "message.max.bytes": 16 * 1024 * 1024,
            "log.cleaner.backoff.ms": 500,
            "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
            # After a crash, the controller lets the broker in again when its old session has ended.
            "broker.session.timeout.ms": 2000,
            "broker.heartbeat.interval.ms": 500,
            **self._settings,
        }
        properties = self.directory / "server.properties"
        properties.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        self.run(*self._program("kafka.tools.StorageTool"), "format", "-t", _CLUSTER, "-c", str(properties))

    def command(self) -> list[str]:
        return [*self._program("kafka.Kafka"), str(self.directory / "server.properties")]

    def is_ready(self) -> bool:
        try:
            with (
                socket.create_connection(("127.0.0.1", self.port), timeout=1.0) as connection,
                connection.makefile("rb") as answers,
            ):
                connection.sendall(_METADATA_REQUEST)
                _, _, count = _METADATA_HEAD.unpack(answers.read(_METADATA_HEAD.size))
                brokers = answers.read(_METADATA_BROKER.size * count)
                return self.port in {node for node, *_ in _METADATA_BROKER.iter_unpack(brokers)}
        except (OSError, struct.error):
            return False

    def admin(self) -> AdminClient:
        """A client for the arrangement of tests."""
        return AdminClient({"bootstrap.servers": self.bootstrap})

    def create_topic(self, name: str, *, partitions: int = 1, settings: Mapping[str, str] | None = None) -> None:
        """Create a topic and wait until clients see it."""
        admin = self.admin()
        topic = NewTopic(name, num_partitions=partitions, config=dict(settings or {}))
        admin.create_topics([topic])[name].result(_TOPIC_SECONDS)
        deadline = time.monotonic() + _TOPIC_SECONDS

        while name not in admin.list_topics(timeout=_TOPIC_SECONDS).topics:
            if time.monotonic() > deadline:
                raise ServiceUnavailableError(f"{self.name}: topic {name} was created, but is not listed")

            time.sleep(_POLL_SECONDS)

    def delete_topics(self, prefix: str) -> None:
        """Delete the topics whose names begin with the prefix."""
        admin = self.admin()
        names = [
            name
            for name in admin.list_topics(timeout=_TOPIC_SECONDS).topics
            if name.startswith(prefix) and not name.startswith("__")
        ]

        if names:
            for deleted in admin.delete_topics(names).values():
                deleted.result(_TOPIC_SECONDS)

    def delete_records(self, topic: str, *, before: int) -> None:
        """Delete the records of partition 0 below an offset."""
        admin, place = self.admin(), TopicPartition(topic, 0, before)
        admin.delete_records([place])[place].result(_TOPIC_SECONDS)

    def add_partitions(self, topic: str, count: int) -> None:
        """Have a topic grow to so many partitions."""
        admin = self.admin()
        admin.create_partitions([NewPartitions(topic, count)])[topic].result(_TOPIC_SECONDS)

    def delete_everything(self) -> None:
        """Delete all topics and groups."""
        admin = self.admin()
        self.delete_topics("")
        groups = [group.group_id for group in admin.list_consumer_groups().result(_TOPIC_SECONDS).valid]

        if groups:
            for deleted in admin.delete_consumer_groups(groups).values():
                deleted.exception(_TOPIC_SECONDS)

    def _program(self, main: str) -> tuple[str, ...]:
        return (
            str(self._java / "bin" / "java"),
            "-Xmx512m",
            *_JVM_OPTIONS,
            f"-Djava.io.tmpdir={self.directory / 'tmp'}",
            f"-Dlog4j2.configurationFile={self.directory / 'log4j2.properties'}",
            *("-cp", f"{self._jars}/*", main),
        )


@attrs.frozen
class Topics:
    """A prefix for the names of topics and groups; the topics that have it last as long as one test."""

    prefix: str
    server: Kafka

    @property
    def bootstrap(self) -> str:
        return self.server.bootstrap
