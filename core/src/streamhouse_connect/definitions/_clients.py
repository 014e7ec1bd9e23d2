"""The clients of the definition store: what their properties have to be, whatever else its user asks for, and what they complain of."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from confluent_kafka import Consumer, KafkaError, Producer
from confluent_kafka.admin import AdminClient

from streamhouse_connect.librdkafka import client, translated

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Complaints", "make_admin", "make_consumer", "make_producer", "make_writer"]

_DOING: Final = "use the properties of the brokers"
_SILENT: Final = logging.Logger("librdkafka")  # noqa: LOG001 - of no hierarchy: nothing of it is to be seen
_SILENT.addHandler(logging.NullHandler())
_DEFAULTS: Final = {
    "log_level": "0"
}  # what matters is told as `stale`, or raised: a client logs each attempt to connect
_GROUPS_ONLY: Final = ("group.", "session.", "heartbeat.", "partition.assignment.", "max.poll.interval.")
_READS: Final = {
    "auto.offset.reset": "earliest",
    "enable.auto.commit": "false",
    "enable.auto.offset.store": "false",
    "enable.partition.eof": "true",
    "fetch.wait.max.ms": "50",  # the end of a partition is told, and its offsets are, only when a fetch has come back
    "isolation.level": "read_committed",
}
_WRITES: Final = {"linger.ms": "1", "message.timeout.ms": "5000"}
_DURABLE: Final = {"acks": "all", "enable.idempotence": "true"}
_PASSING: Final = {"acks": "1", "enable.idempotence": "false"}  # and so there is no error that ends it
_TRANSACTION_MS: Final = "10000"


class Complaints:
    """Remembers what a client complained of last: the reason why something else takes too long."""

    def __init__(self) -> None:
        self.last: KafkaError | None = None

    def __call__(self, error: KafkaError) -> None:
        if error.code() != KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - librdkafka's name; it says less than those before
            self.last = error

    def explain(self, error: KafkaError | None = None) -> str:
        """Return what is known of why the brokers do not answer, as they should have with `error`."""
        is_mute = error is None or error.code() == KafkaError._TIMED_OUT  # noqa: SLF001 - the same
        found = self.last or (None if is_mute else error)
        return found.str().rstrip(".") if found else "the brokers do not answer in time"


def make_consumer(properties: Mapping[str, str], *, group: str, complaints: Complaints) -> Consumer:
    """Make a consumer that is told what to read, and joins no group."""
    own = {key: value for key, value in properties.items() if not key.startswith(_GROUPS_ONLY)}
    given = {**_DEFAULTS, **own, **_READS, "group.id": group, "error_cb": complaints}

    with translated(_DOING):
        return Consumer(client(given, consumes=True))


def make_producer(properties: Mapping[str, str], *, complaints: Complaints) -> Producer:
    """Make a producer of records that matter for seconds."""
    with translated(_DOING):
        return Producer(client({**_DEFAULTS, **properties, **_WRITES, **_PASSING, "error_cb": complaints}))


def make_writer(properties: Mapping[str, str], *, transactional_id: str, complaints: Complaints) -> Producer:
    """Make a producer that takes over from every earlier one with the same id: their transactions fail."""
    given = {
        **properties,
        **_WRITES,
        **_DURABLE,
        "transactional.id": transactional_id,
        "transaction.timeout.ms": _TRANSACTION_MS,
        "error_cb": complaints,
        "logger": _SILENT,  # that it was fenced is raised; librdkafka takes it for an emergency
    }

    with translated(_DOING):
        return Producer(client(given))


def make_admin(properties: Mapping[str, str], *, complaints: Complaints) -> AdminClient:
    """Make a client that creates and describes topics."""
    with translated(_DOING):
        return AdminClient(client({**_DEFAULTS, **properties, "error_cb": complaints}))
