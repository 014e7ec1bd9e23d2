"""Appends: every record acknowledged by all replicas that are in sync, in the order of a call.

A call waits for its own records; a thread serves the acknowledgements of all.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final

import attrs
from confluent_kafka import KafkaException, Producer

from streamhouse_connect.brokers.kafka._properties import asks_for_versions
from streamhouse_connect.errors import ConfigError, Problem
from streamhouse_connect.librdkafka import cause, client, translate, translated
from streamhouse_connect.records import NO_TIMESTAMP

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from confluent_kafka import KafkaError, Message

    from streamhouse_connect.brokers.interface import NewRecords

__all__ = ["Appender"]

_POLL_SECONDS: Final = 0.1
_CLOSE_SECONDS: Final = 10.0
_DEFAULTS: Final = {
    "compression.type": "lz4",
    "delivery.timeout.ms": "30000",
    "linger.ms": "2",
    "message.max.bytes": "100000000",  # the brokers and their topics have limits of their own
}
_LAST_TIMESTAMP: Final = 2**63 - 1
_FIXED: Final = {"acks": "all"}
_IDEMPOTENT: Final = {"enable.idempotence": "true"}
_ONE_BY_ONE: Final = {"enable.idempotence": "false", "max.in.flight.requests.per.connection": "1"}
"""The same for brokers that know no idempotent producers; a request whose answer was lost is repeated, and its records doubled."""


class Appender:
    """A producer and the thread that serves it."""

    def __init__(self, properties: Mapping[str, str]) -> None:
        in_order = _IDEMPOTENT if asks_for_versions(properties) else _ONE_BY_ONE

        with translated("use the broker's configuration"):
            self._producer = Producer(client({**_DEFAULTS, **properties, **_FIXED, **in_order}))

        self._closing = False
        self._thread = threading.Thread(target=self._serve, name="kafka-appender", daemon=True)
        self._thread.start()

    def append(self, topic: str, records: NewRecords, partitions: Sequence[int]) -> Future[list[int]]:
        """Send records; the future has their offsets once all are acknowledged. Blocks while the queue is full."""
        _check(records)
        pending = _Pending(topic, len(records.values))
        timestamps = records.timestamps or (None,) * len(records.values)
        keys = records.keys or (None,) * len(records.values)
        headers = records.headers or ((),) * len(records.values)
        columns = zip(records.values, keys, timestamps, headers, partitions, strict=True)

        for index, (value, key, timestamp, own, partition) in enumerate(columns):
            self._send(
                topic,
                value=value,
                key=key,
                partition=partition,
                on_delivery=pending.noting(index),
                **({"headers": list(own)} if own else {}),
                **({"timestamp": timestamp} if timestamp is not None and timestamp != NO_TIMESTAMP else {}),
            )

        return pending.future

    def close(self) -> None:
        """Wait for what was sent, and end the thread."""
        self._producer.flush(_CLOSE_SECONDS)
        self._closing = True
        self._thread.join()

    def _send(self, topic: str, **record: Any) -> None:
        while True:
            try:
                self._producer.produce(topic, **record)
            except BufferError:
                self._producer.poll(_POLL_SECONDS)
            except KafkaException as error:
                found = cause(error)
                raise (translate(found, f"append to {topic!r}") if found else error) from error
            else:
                return

    def _serve(self) -> None:
        while not self._closing:
            self._producer.poll(_POLL_SECONDS)


def _check(records: NewRecords) -> None:
    """Refuse what the library can't take, some of which would end the process.

    :raises ConfigError: naming the record.
    """
    for index, headers in enumerate(records.headers or ()):
        for name, _ in headers:
            try:
                name.encode()
            except UnicodeEncodeError:
                raise ConfigError(
                    [Problem("records", f"cannot be stored: a header of record {index} is no Unicode")]
                ) from None

    for index, timestamp in enumerate(records.timestamps or ()):
        if timestamp is not None and not NO_TIMESTAMP <= timestamp <= _LAST_TIMESTAMP:
            raise ConfigError([Problem("timestamp", f"{timestamp} of record {index} is out of range")])


@attrs.define(eq=False)
class _Pending:
    """The records of one call that are on their way."""

    topic: str
    count: int
    future: Future[list[int]] = attrs.field(factory=Future, init=False)
    _offsets: list[int] = attrs.field(init=False)
    _failure: KafkaError | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._offsets = [-1] * self.count

    def noting(self, index: int) -> Any:
        """Return what notes the acknowledgement of one record."""

        def note(error: KafkaError | None, message: Message) -> None:
            self._offsets[index] = -1 if error else message.offset() or 0
            self._failure = self._failure or error
            self.count -= 1

            if self.count == 0:
                self._end()

        return note

    def _end(self) -> None:
        if self._failure is None:
            self.future.set_result(self._offsets)
        else:
            self.future.set_exception(translate(self._failure, f"append to {self.topic!r}"))
