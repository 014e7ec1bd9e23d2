"""Kafka's client library: the properties that every client of ours has, and what its errors mean to us.

For the broker and for the definitions alike. Importing this takes the library in, which comes with the extra `kafka`.
"""

from __future__ import annotations

import logging
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import KafkaError, KafkaException

from streamhouse_connect.errors import (
    ConfigError,
    ConflictError,
    FatalError,
    NotFoundError,
    Problem,
    RetriableError,
    StreamHouseError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "ACCESS",
    "AT_END",
    "MISPLACED",
    "NOT_OURS",
    "NO_SUCH_REQUEST",
    "NO_TOPIC",
    "cause",
    "client",
    "translate",
    "translated",
]

_LOG: Final = logging.getLogger(__name__)
_DEFAULTS: Final = {
    "allow.auto.create.topics": "false",
    "log_level": "2",  # each attempt to connect would be logged; clients tell of errors in their own way
    "reconnect.backoff.max.ms": "2000",
    "socket.connection.setup.timeout.ms": "5000",
    "socket.keepalive.enable": "true",
    "topic.metadata.refresh.interval.ms": "3000",
}
_CONSUMERS_ONLY: Final = frozenset({"allow.auto.create.topics"})
_QUOTED_VALUE: Final = re.compile(r'Invalid value ".*" for configuration property', re.DOTALL)

AT_END: Final = KafkaError._PARTITION_EOF  # noqa: SLF001 - librdkafka's own codes begin with an underscore
MISPLACED: Final = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})  # noqa: SLF001 - the same
"""There is nothing at the position to read on from."""

NO_TOPIC: Final = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.UNKNOWN_TOPIC_ID,
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001 - the same
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001 - the same
    }
)
NO_SUCH_REQUEST: Final = frozenset({KafkaError._UNSUPPORTED_FEATURE})  # noqa: SLF001 - the same
"""The brokers do not know it."""

NOT_OURS: Final = frozenset({KafkaError.FENCED_INSTANCE_ID, KafkaError._ASSIGNMENT_LOST})  # noqa: SLF001 - the same
"""A commit was refused for good."""

ACCESS: Final = {
    KafkaError._AUTHENTICATION: "correct the credentials in the broker's configuration",  # noqa: SLF001 - the same
    KafkaError.SASL_AUTHENTICATION_FAILED: "correct sasl.username and sasl.password",
    KafkaError.UNSUPPORTED_SASL_MECHANISM: "choose a sasl.mechanism that the brokers allow",
    KafkaError._SSL: "correct the ssl.* properties",  # noqa: SLF001 - the same
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "allow the user to read, or write, and describe the topic",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "allow the user to read the group",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "allow the user to do this in the cluster",
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "allow the user to write with the transactional id",
}
_LATER: Final = frozenset(
    {
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001 - the same
        KafkaError._MSG_TIMED_OUT,  # noqa: SLF001 - the same
        KafkaError._NOENT,  # noqa: SLF001 - the same; partitions without a leader, when offsets are asked for
        KafkaError._RESOLVE,  # noqa: SLF001 - the same
        KafkaError._TIMED_OUT,  # noqa: SLF001 - the same
        KafkaError._TIMED_OUT_QUEUE,  # noqa: SLF001 - the same
        KafkaError._TRANSPORT,  # noqa: SLF001 - the same
        KafkaError._WAIT_COORD,  # noqa: SLF001 - the same
        # The group goes through a rebalance. Whoever is not in it any more hears of that when partitions are lost.
        KafkaError.FENCED_MEMBER_EPOCH,
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.STALE_MEMBER_EPOCH,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.BROKER_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.KAFKA_STORAGE_ERROR,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.NON_EMPTY_GROUP,
        KafkaError.NOT_CONTROLLER,
        KafkaError.NOT_COORDINATOR,
        KafkaError.NOT_ENOUGH_REPLICAS,
        KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.THROTTLING_QUOTA_EXCEEDED,
        KafkaError.UNSTABLE_OFFSET_COMMIT,
    }
)
_REFUSED: Final = {
    KafkaError.INVALID_CONFIG: "retention",
    KafkaError.INVALID_PARTITIONS: "partitions",
    KafkaError.INVALID_REPLICATION_FACTOR: "replication",
    KafkaError.POLICY_VIOLATION: "name",
    KafkaError.TOPIC_EXCEPTION: "name",
    KafkaError.INVALID_MSG: "records",
    KafkaError.INVALID_RECORD: "records",
    KafkaError.INVALID_TIMESTAMP: "timestamp",
    KafkaError.MSG_SIZE_TOO_LARGE: "records",
    KafkaError.RECORD_LIST_TOO_LARGE: "records",
}


def client(properties: Mapping[str, object], *, consumes: bool = False) -> dict[str, Any]:
    """Return what a client of the library is made with; its own log goes to ours."""
    defaults = {key: value for key, value in _DEFAULTS.items() if consumes or key not in _CONSUMERS_ONLY}
    return {**defaults, "client.id": "streamhouse-connect", "logger": _LOG, **properties}


def cause(error: BaseException) -> KafkaError | None:
    """Return what the library says went wrong; None if the exception is somebody else's."""
    found = error.args[0] if isinstance(error, KafkaException) and error.args else error
    return found if isinstance(found, KafkaError) else None


def translate(error: KafkaError, doing: str) -> StreamHouseError:
    """Return the error of ours; `doing` completes "cannot …"."""
    code, text = error.code(), _without_value(error.str()).rstrip(".")

    if code in NO_TOPIC:
        return NotFoundError(f"cannot {doing}: {text}; create the topic first", code="unknown_topic")

    if code == KafkaError.TOPIC_ALREADY_EXISTS:
        return ConflictError(f"cannot {doing}: {text}; choose another name", code="topic_exists")

    if code in ACCESS:
        return FatalError(f"cannot {doing}: {text}; {ACCESS[code]}")

    if code in _REFUSED:
        return ConfigError([Problem(_REFUSED[code], f"the brokers refuse it: {text}")])

    if not error.fatal() and (code in _LATER or error.retriable()):
        return RetriableError(f"cannot {doing}: {text} ({error.name()})")

    return FatalError(f"cannot {doing}: {text} ({error.name()})")


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raise our errors instead of the library's."""
    try:
        yield
    except KafkaException as error:
        found = cause(error)
        has_value = found is not None and _without_value(found.str()) != found.str()
        raise (translate(found, doing) if found else FatalError(f"cannot {doing}: {error}")) from (
            None if has_value else error  # a traceback would show it
        )


def _without_value(text: str) -> str:
    """Leave out the value of a property that the library refuses, which may be a secret; its name stays."""
    return _QUOTED_VALUE.sub("Invalid value for configuration property", text)
