"""The servers that tests start: they come up, crash, come back with their data, and leave nothing behind."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from botocore.exceptions import ClientError
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition

from services import (
    Bucket,
    Database,
    Indices,
    Kafka,
    Postgres,
    S3Server,
    SearchServer,
    SeaweedFS,
    Service,
    ServiceUnavailableError,
    Topics,
)
from services.ports import accepts

_EACH_S3 = pytest.mark.parametrize("s3_server", ["seaweedfs", "ministack"], indirect=True)


def _rows(url: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT n FROM kept ORDER BY n").fetchall()


@pytest.mark.parametrize("postgres_server", [16, 18], indirect=True)
def test_postgres_keeps_committed_rows_through_a_crash(postgres: Database, postgres_server: Postgres) -> None:
    """What was committed before kill() is there after start(), on the same port."""
    with psycopg.connect(postgres.url) as connection:
        connection.execute("CREATE TABLE kept (n int)")
        connection.execute("INSERT INTO kept VALUES (1), (2)")

    crashed = postgres_server.pid
    postgres_server.kill()
    assert not accepts(postgres_server.port)
    postgres_server.start()
    assert postgres_server.pid != crashed
    assert _rows(postgres.url) == [(1,), (2,)]


@pytest.mark.parametrize("postgres_server", [16, 18], indirect=True)
def test_postgres_is_of_the_major_asked_for(postgres_server: Postgres) -> None:
    """The parameter selects the server's version."""
    with psycopg.connect(postgres_server.url) as connection:
        assert connection.info.server_version // 10_000 == postgres_server.major


@_EACH_S3
def test_s3_keeps_acknowledged_objects_through_a_crash(s3: Bucket, s3_server: S3Server) -> None:
    """An object that was acknowledged before kill() is read after start()."""
    client = s3_server.client()
    client.put_object(Bucket=s3.name, Key="a/b.json", Body=b"{}")
    s3_server.kill()
    assert not accepts(s3_server.port)
    s3_server.start()
    assert client.get_object(Bucket=s3.name, Key="a/b.json")["Body"].read() == b"{}"
    client.close()


@_EACH_S3
def test_s3_creates_an_object_only_once(s3: Bucket, s3_server: S3Server) -> None:
    """If-None-Match makes the second writer fail with 412."""
    client = s3_server.client()
    client.put_object(Bucket=s3.name, Key="once", Body=b"1", IfNoneMatch="*")

    with pytest.raises(ClientError) as caught:
        client.put_object(Bucket=s3.name, Key="once", Body=b"2", IfNoneMatch="*")

    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
    client.close()


def test_elasticsearch_keeps_acknowledged_documents_through_a_crash(
    elasticsearch: Indices, elasticsearch_server: SearchServer
) -> None:
    """A document that was acknowledged before kill() is read after start()."""
    path = f"/{elasticsearch.prefix}a/_doc/1"
    elasticsearch_server.request("PUT", path, {"n": 1})
    elasticsearch_server.kill()
    assert not accepts(elasticsearch_server.port)
    elasticsearch_server.start()
    answer = elasticsearch_server.request("GET", path)
    assert isinstance(answer, dict)
    assert answer["_source"] == {"n": 1}


def _values(bootstrap: str, topic: str, *, partition: int = 0) -> list[bytes | None]:
    settings = {"group.id": topic, "enable.auto.commit": False, "enable.partition.eof": True}
    consumer = Consumer({"bootstrap.servers": bootstrap, **settings})
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING)])
    values = []

    while (message := consumer.poll(30)) is not None and (end := message.error()) is None:
        values.append(message.value())

    consumer.close()
    assert message is not None
    assert end is not None
    assert end.code() == KafkaError._PARTITION_EOF
    return values


def test_kafka_keeps_acknowledged_records_through_a_crash(kafka: Topics, kafka_server: Kafka) -> None:
    """Records that were acknowledged before kill() are read after start(), on the same port."""
    topic = f"{kafka.prefix}kept"
    kafka_server.create_topic(topic)
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "acks": "all"})
    refused: list[KafkaError] = []
    sent = [str(n).encode() for n in range(1000)]

    for value in sent:
        producer.produce(topic, value, on_delivery=lambda error, _: refused.append(error) if error else None)

    assert producer.flush(30) == 0
    assert refused == []
    crashed = kafka_server.pid
    kafka_server.kill()
    assert not accepts(kafka_server.port)
    kafka_server.start()
    assert kafka_server.pid != crashed
    assert _values(kafka.bootstrap, topic) == sent


def test_kafka_takes_settings(start_service: Callable[[Service], None]) -> None:
    """What is given as settings replaces what server.properties would hold."""
    server = Kafka({"num.partitions": 3, "auto.create.topics.enable": "true"})
    start_service(server)
    producer = Producer({"bootstrap.servers": server.bootstrap, "allow.auto.create.topics": True})
    producer.produce("made-by-the-broker", b"1")
    assert producer.flush(30) == 0
    assert len(server.admin().list_topics(timeout=30).topics["made-by-the-broker"].partitions) == 3


def test_kafka_fails_over_to_a_broker_that_joined(start_service: Callable[[Service], None]) -> None:
    """A record that three brokers hold is read from another when the one that led its partition is killed."""
    settings = {"default.replication.factor": 3, "min.insync.replicas": 2}
    first = Kafka(settings)
    start_service(first)
    joined = [Kafka(settings, joins=first) for _ in range(2)]

    for server in joined:
        start_service(server)

    first.create_topic("replicated", partitions=3)
    partitions = first.admin().list_topics(timeout=30).topics["replicated"].partitions.values()
    led = next(partition.id for partition in partitions if partition.leader == joined[0].port)
    producer = Producer({"bootstrap.servers": first.bootstrap, "acks": "all"})
    producer.produce("replicated", b"kept", partition=led)
    assert producer.flush(30) == 0
    joined[0].kill()
    assert _values(first.bootstrap, "replicated", partition=led) == [b"kept"]


def test_kafka_that_refuses_its_settings_says_why(kafka_server: Kafka) -> None:
    """The error of start() names the setting that the server did not accept."""
    with pytest.raises(ServiceUnavailableError, match=r"process\.roles"), Kafka({"process.roles": "onlooker"}):
        pass


def test_a_suspended_server_is_silent_until_it_is_woken(start_service: Callable[[Service], None]) -> None:
    """suspend() leaves the port open and the answers out; wake() brings them back."""
    server = SeaweedFS()
    start_service(server)
    server.suspend()
    assert accepts(server.port)
    server.wake()
    server.create_bucket("awake")


@pytest.mark.parametrize("service", [Kafka, Postgres, SeaweedFS])
def test_closing_leaves_nothing_behind(start_service: Callable[[Service], None], service: type[Service]) -> None:
    """close() ends the process, frees the port and removes the directory; twice is harmless."""
    server = service()
    start_service(server)
    pid = server.pid
    server.close()
    server.close()
    assert not accepts(server.port)
    assert not server.directory.exists()
    assert not Path(f"/proc/{pid}").exists()


def test_servers_end_when_the_tests_are_killed() -> None:
    """A test process that dies by SIGKILL takes its servers and their directories with it."""
    script = (
        "import sys, time; from services import Postgres; server = Postgres(); server.start();"
        "print(server.port, server.directory, flush=True); time.sleep(600)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}

    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment) as tests:
        assert tests.stdout is not None
        port, directory = tests.stdout.readline().split()
        assert accepts(int(port))
        tests.kill()

    deadline = time.monotonic() + 20

    while (accepts(int(port)) or Path(directory).exists()) and time.monotonic() < deadline:
        time.sleep(0.1)

    assert not accepts(int(port))
    assert not Path(directory).exists()


class _Broken(Service):
    name = "broken"
    start_timeout = 5.0

    def prepare(self) -> None:
        return

    def command(self) -> list[str]:
        return ["sh", "-c", "echo no disk left >&2; exit 3"]

    def is_ready(self) -> bool:
        return False


def test_a_server_that_exits_says_why() -> None:
    """The error of start() holds the exit code and the end of the log, and nothing runs on."""
    with pytest.raises(ServiceUnavailableError, match=r"(?s)exited with 3.*no disk left"), _Broken():
        pass


@pytest.mark.parametrize(
    ("are_required", "outcome"), [(False, pytest.skip.Exception), (True, pytest.fail.Exception)], ids=["", "required"]
)
def test_a_test_without_its_server_is_skipped_or_fails(
    servers: Any, are_required: bool, outcome: type[BaseException]
) -> None:
    """A server that cannot be started skips each test that needs it, or fails it with --require-services, with the reason."""
    started: list[Service] = []

    def create() -> Service:
        started.append(_Broken())
        return started[-1]

    with ExitStack() as stack:
        session = type(servers)(stack, {}, are_required=are_required)

        for _ in range(2):
            with pytest.raises(outcome, match="no disk left"):
                session.start("broken", create)

    assert len(started) == 1


class _Hung(_Broken):
    start_timeout = 0.3

    def command(self) -> list[str]:
        return ["sh", "-c", "echo thinking >&2; sleep 600"]


def test_a_server_that_never_answers_is_given_up() -> None:
    """start() waits no longer than start_timeout, then kills what it started."""
    server = _Hung()

    with pytest.raises(ServiceUnavailableError, match=r"(?s)not ready after.*thinking"):
        server.start()

    assert not server.is_running
    server.close()
