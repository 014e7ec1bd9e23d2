"""librdkafka's mock cluster: a Kafka of one broker inside the process, there at once, without Java.

It speaks the protocol over real sockets, for produce, fetch, offsets, groups and transactions, in old versions of it and in new
ones. Its administration is C functions of the library and no requests: those are called here.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException

from streamhouse_connect import KafkaBroker, Topic
from streamhouse_connect.brokers._topics import check_topic
from streamhouse_connect.brokers.kafka._offsets import StateKeeper
from streamhouse_connect.librdkafka import translated

__all__ = ["MockCluster", "MockedKafkaBroker", "mock_cluster"]

_PRODUCER: Final = 0
_NODE: Final = 1
_ERROR_BYTES: Final = 512
_QUICK: Final = {
    # Members of a group are waited for as long as a session lasts, but for a second.
    "session.timeout.ms": "2000",
    "heartbeat.interval.ms": "200",
    "fetch.wait.max.ms": "50",
}
_POINTER: Final = ctypes.c_void_p
_FUNCTIONS: Final[dict[str, tuple[Any, tuple[Any, ...]]]] = {
    "rd_kafka_conf_new": (_POINTER, ()),
    "rd_kafka_conf_set": (ctypes.c_int, (_POINTER, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t)),
    "rd_kafka_new": (_POINTER, (ctypes.c_int, _POINTER, ctypes.c_char_p, ctypes.c_size_t)),
    "rd_kafka_destroy": (None, (_POINTER,)),
    "rd_kafka_mock_cluster_new": (_POINTER, (_POINTER, ctypes.c_int)),
    "rd_kafka_mock_cluster_destroy": (None, (_POINTER,)),
    "rd_kafka_mock_cluster_bootstraps": (ctypes.c_char_p, (_POINTER,)),
    "rd_kafka_mock_set_controller_id": (ctypes.c_int, (_POINTER, ctypes.c_int32)),
    "rd_kafka_mock_group_initial_rebalance_delay_ms": (None, (_POINTER, ctypes.c_int32)),
    "rd_kafka_mock_topic_create": (ctypes.c_int, (_POINTER, ctypes.c_char_p, ctypes.c_int, ctypes.c_int)),
    "rd_kafka_mock_topic_delete": (ctypes.c_int, (_POINTER, ctypes.c_char_p)),
    "rd_kafka_mock_partition_set_leader": (ctypes.c_int, (_POINTER, ctypes.c_char_p, ctypes.c_int32, ctypes.c_int32)),
    "rd_kafka_mock_start_request_tracking": (None, (_POINTER,)),
    "rd_kafka_mock_get_requests": (ctypes.POINTER(_POINTER), (_POINTER, ctypes.POINTER(ctypes.c_size_t))),
    "rd_kafka_mock_request_api_key": (ctypes.c_int16, (_POINTER,)),
    "rd_kafka_mock_request_destroy_array": (None, (ctypes.POINTER(_POINTER), ctypes.c_size_t)),
}


@cache
def _library() -> ctypes.CDLL:
    """Return the library that confluent-kafka brings along."""
    files = importlib.metadata.files("confluent-kafka") or []
    (path,) = [file.locate() for file in files if re.match(r"librdkafka\b.*\.(so|dylib)\b", file.name)]
    library = ctypes.CDLL(str(path))

    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments

    return library


class MockCluster:
    """A cluster; it lasts until `close`."""

    def __init__(self) -> None:
        self._library = _library()
        configuration = self._library.rd_kafka_conf_new()
        error = ctypes.create_string_buffer(_ERROR_BYTES)
        self._library.rd_kafka_conf_set(configuration, b"log_level", b"0", error, _ERROR_BYTES)
        self._client = self._library.rd_kafka_new(_PRODUCER, configuration, error, _ERROR_BYTES)
        assert self._client, error.value
        self._cluster = self._library.rd_kafka_mock_cluster_new(self._client, 1)
        self._library.rd_kafka_mock_set_controller_id(self._cluster, _NODE)
        self._library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, 0)
        self._library.rd_kafka_mock_start_request_tracking(self._cluster)
        self.bootstrap: str = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()

    def create_topic(self, name: str, *, partitions: int = 1) -> None:
        """Create a topic.

        :raises KafkaException: if there is one of that name.
        """
        self._check(self._library.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, 1))

    def delete_topic(self, name: str) -> None:
        """Delete a topic.

        :raises KafkaException: if there is none of that name.
        """
        self._check(self._library.rd_kafka_mock_topic_delete(self._cluster, name.encode()))

    def take_leader(self, topic: str, partition: int) -> None:
        """Leave a partition without a leader."""
        self._check(self._library.rd_kafka_mock_partition_set_leader(self._cluster, topic.encode(), partition, -1))

    def requests(self) -> Counter[int]:
        """Return how often each request, by its number in the protocol, has come."""
        count = ctypes.c_size_t()
        requests = self._library.rd_kafka_mock_get_requests(self._cluster, ctypes.byref(count))
        found = Counter(self._library.rd_kafka_mock_request_api_key(request) for request in requests[: count.value])
        self._library.rd_kafka_mock_request_destroy_array(requests, count)
        return found

    def close(self) -> None:
        """End it; clients must have ended before."""
        self._library.rd_kafka_mock_cluster_destroy(self._cluster)
        self._library.rd_kafka_destroy(self._client)

    def _check(self, code: int) -> None:
        if code:
            raise KafkaException(KafkaError(code))


@contextmanager
def mock_cluster() -> Iterator[MockCluster]:
    """Run a cluster."""
    cluster = MockCluster()

    try:
        yield cluster
    finally:
        cluster.close()


class MockedKafkaBroker(KafkaBroker):
    """The broker on a mock cluster, which is asked in its own way to create and delete topics, and keeps no retention."""

    def __init__(
        self, cluster: MockCluster, *, properties: Mapping[str, str] | None = None, offsets: StateKeeper | None = None
    ) -> None:
        super().__init__(cluster.bootstrap, properties={**_QUICK, **(properties or {})}, offsets=offsets)
        self._cluster = cluster

    async def create_topic(
        self, name: str, *, partitions: int = 1, retention_ms: int | None = None, retention_bytes: int | None = None
    ) -> Topic:
        check_topic(name, partitions=partitions, retention_ms=retention_ms, retention_bytes=retention_bytes)

        with translated(f"create the topic {name!r}"):
            self._cluster.create_topic(name, partitions=partitions)

        return await self.topic(name)

    async def delete_topic(self, name: str) -> None:
        with translated(f"delete the topic {name!r}"):
            self._cluster.delete_topic(name)
