"""Several workers on one Kafka, a producer that never stops, and what has to be in S3 and PostgreSQL in the end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import attrs
import httpx
import psycopg
from confluent_kafka import Message, Producer

from e2e.totals import read_bucket
from services import Bucket, Database, Topics
from services.ports import free_port

__all__ = ["Cluster", "Load", "cluster", "eventually"]

SECONDS = 90.0
LOOK_SECONDS = 0.1


@attrs.define(eq=False)
class Load:
    """Produces numbered records until it is stopped; `partitions` of them at the time of each record."""

    bootstrap: str
    topic: str
    partitions: int
    pause: float = 0.002
    count: int = 0
    _acknowledged: Counter[int] = attrs.field(factory=Counter, init=False)
    _errors: list[str] = attrs.field(factory=list, init=False)
    _stop: threading.Event = attrs.field(factory=threading.Event, init=False)
    _thread: threading.Thread = attrs.field(init=False)

    def start(self) -> Load:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def stop(self, *, first: int = 0) -> int:
        """End, and return the number behind the last record; all of them, from `first` on, were acknowledged."""
        self._stop.set()
        self._thread.join(SECONDS)
        assert self._errors == []
        assert len(self._acknowledged) == self.count - first
        return self.count

    def _run(self) -> None:
        producer = Producer(
            {
                "bootstrap.servers": self.bootstrap,
                "enable.idempotence": "true",
                "linger.ms": "5",
                "message.timeout.ms": "120000",
                "log_level": "0",
            }
        )

        while not self._stop.is_set():
            value = json.dumps({"id": self.count, "amount": self.count * 3, "note": "x" * (self.count % 97)})
            producer.produce(
                self.topic, value.encode(), partition=self.count % self.partitions, on_delivery=self._delivered
            )
            self.count += 1
            producer.poll(0)
            time.sleep(self.pause)

        producer.flush(SECONDS)

    def _delivered(self, error: object, message: Message) -> None:
        if error is not None:
            self._errors.append(str(error))
        else:
            self._acknowledged[json.loads(message.value() or b"{}")["id"]] += 1


@attrs.define(eq=False)
class Member:
    """One worker process."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path
    is_stopped: bool = False


@attrs.define(eq=False)
class Cluster:
    """Workers that share the connectors of one group; `bucket` and `database` are where these deliver to."""

    kafka: Topics
    directory: Path
    bucket: Bucket
    database: Database
    topic: str = attrs.field(init=False)
    members: list[Member] = attrs.field(factory=list, init=False)
    _number: int = 0

    def __attrs_post_init__(self) -> None:
        self.topic = self.kafka.prefix + "orders"

    # ------------------------------------------------------------------------------------------------- workers

    def add(self) -> Member:
        """Start a worker; it is not waited for."""
        self._number += 1
        port = free_port()
        log = self.directory / f"worker-{self._number}.log"
        command = [
            *(sys.executable, "-m", "streamhouse_connect", "serve", "--port", str(port), "--broker", "kafka"),
            *("--bootstrap-servers", self.kafka.bootstrap, "--group", self.kafka.prefix + "workers"),
            *("--worker-id", f"worker-{self._number}", "--shutdown-timeout", "20"),
            *("--data-dir", str(self.directory / f"data-{self._number}")),
        ]

        with log.open("wb") as out:
            process = subprocess.Popen(command, stdout=out, stderr=out)

        member = Member(f"http://127.0.0.1:{port}", process, log)
        self.members.append(member)
        return member

    def ready(self, member: Member) -> Member:
        """Wait until a worker answers."""
        deadline = time.monotonic() + SECONDS

        while True:
            assert member.process.poll() is None, member.log.read_text()
            assert time.monotonic() < deadline, member.log.read_text()

            try:
                if httpx.get(f"{member.url}/ready", timeout=2).status_code == 200:
                    return member
            except httpx.TransportError:
                pass

            time.sleep(LOOK_SECONDS)

    def kill(self, member: Member) -> None:
        """End a worker without a word."""
        member.process.kill()
        member.process.wait()
        self.members.remove(member)

    def terminate(self, member: Member) -> None:
        """Ask a worker to end, and wait until it has."""
        member.process.send_signal(signal.SIGTERM)
        assert member.process.wait(SECONDS) == 0, member.log.read_text()
        self.members.remove(member)

    def freeze(self, member: Member) -> None:
        """Let a worker stand still; it does not know."""
        member.process.send_signal(signal.SIGSTOP)
        member.is_stopped = True

    def thaw(self, member: Member) -> None:
        """Let a worker go on."""
        member.process.send_signal(signal.SIGCONT)
        member.is_stopped = False

    def close(self) -> None:
        """End all workers."""
        for member in self.members:
            member.process.kill()
            member.process.wait()

    # -------------------------------------------------------------------------------------------- connectors

    def request(self, method: str, path: str, body: object = None) -> Any:
        """Ask any worker that can answer, until one does."""
        deadline = time.monotonic() + SECONDS
        last = ""

        while time.monotonic() < deadline:
            for member in [member for member in self.members if not member.is_stopped]:
                try:
                    answer = httpx.request(method, f"{member.url}/api/v1{path}", json=body, timeout=15)
                except httpx.TransportError as error:
                    last = repr(error)
                    continue

                if answer.status_code < 500:
                    assert answer.is_success, answer.text
                    return answer.json() if answer.content else None

                last = answer.text

            time.sleep(LOOK_SECONDS)

        raise AssertionError(f"no worker answers {method} {path}: {last}")

    def create(self, name: str, connector_class: str, config: dict[str, object]) -> None:
        """Create a connector of the topic."""
        body = {"name": name, "connectorType": "sink", "connectorClass": connector_class, "topics": [self.topic]}
        self.request("POST", "/connectors", {**body, "config": config})

    def create_both(self) -> None:
        """Create one that writes objects and one that inserts rows into a table without a key."""
        with psycopg.connect(self.database.url, autocommit=True) as connection:
            connection.execute("CREATE TABLE orders (id bigint, amount bigint, note text)")

        server = self.bucket.server
        self.create(
            self.kafka.prefix + "s3",
            "s3-sink",
            {
                "s3.bucket": self.bucket.name,
                "s3.endpoint": server.url,
                "s3.access.key": server.access_key,
                "s3.secret.key": server.secret_key,
                "batch.size": 200,
                "batch.interval_ms": 300,
            },
        )
        self.create(
            self.kafka.prefix + "pg",
            "postgres-sink",
            {
                "connection.url": self.database.url,
                "table.name": "orders",
                "insert.mode": "insert",
                "batch.interval_ms": 200,
            },
        )

    def settle(self) -> None:
        """Wait until both connectors have delivered all that is in the topic."""
        deadline = time.monotonic() + SECONDS

        while True:
            shown = [self.request("GET", f"/connectors/{self.kafka.prefix}{name}") for name in ("s3", "pg")]
            lags = [partition["lag"] for each in shown for partition in each["status"]["partitions"]]

            if lags and not any(lags) and all(each["state"] == "running" for each in shown):
                return

            if time.monotonic() > deadline:
                waiting = [
                    (each["name"], each["state"], each["errorMessage"], each["status"]["tasks"], partition)
                    for each in shown
                    for partition in each["status"]["partitions"]
                    if partition["lag"]
                ]
                states = [(each["state"], each["errorMessage"], each["status"]["tasks"]) for each in shown]
                raise AssertionError(f"not delivered: {waiting}; {states}")

            time.sleep(LOOK_SECONDS * 3)

    def delivered(self) -> tuple[Counter[int], Counter[int]]:
        """Return how often each record is in S3 and in PostgreSQL."""
        objects: Counter[int] = Counter()

        for data in read_bucket(self.bucket).values():
            objects.update(json.loads(line)["id"] for line in data.splitlines())

        with psycopg.connect(self.database.url) as connection:
            rows = Counter(number for (number,) in connection.execute("SELECT id FROM orders"))

        return objects, rows

    def check(self, count: int) -> None:
        """Fail unless each of so many records is at both destinations, once."""
        wanted = Counter(range(count))

        for name, found in zip(("S3", "PostgreSQL"), self.delivered(), strict=True):
            lost = wanted - found
            doubled = found - wanted
            assert not lost, f"{name} lacks {len(lost)} of {count}: {sorted(lost)[:10]}"
            assert not doubled, f"{name} has {len(doubled)} of {count} more than once: {sorted(doubled)[:10]}"


@contextmanager
def cluster(kafka: Topics, directory: Path, bucket: Bucket, database: Database, *, workers: int) -> Iterator[Cluster]:
    """Run a cluster of so many workers with both connectors; the topic has six partitions."""
    made = Cluster(kafka, directory, bucket, database)

    with ExitStack() as stack:
        stack.callback(made.close)
        kafka.server.create_topic(made.topic, partitions=6)

        for member in [made.add() for _ in range(workers)]:
            made.ready(member)

        made.create_both()
        yield made


def eventually(condition: Callable[[], object]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + SECONDS

    while not condition():
        assert time.monotonic() < deadline
        time.sleep(LOOK_SECONDS)
