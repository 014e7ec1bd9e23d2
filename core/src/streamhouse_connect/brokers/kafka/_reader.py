"""Reads outside any group: one client that is placed anew for every read."""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING, Final

from confluent_kafka import Consumer
from confluent_kafka import TopicPartition as Place

from streamhouse_connect.brokers.kafka._messages import MessageColumns
from streamhouse_connect.errors import RetriableError
from streamhouse_connect.librdkafka import AT_END, client, translate, translated
from streamhouse_connect.records import Batch, Span

if TYPE_CHECKING:
    from collections.abc import Mapping

    from confluent_kafka import Message

    from streamhouse_connect.records import TopicPartition

__all__ = ["Reader"]

_SECONDS: Final = 10.0
_FIXED: Final = {
    "group.id": "streamhouse-connect-reader",  # never joined, nothing is committed
    "enable.auto.commit": "false",
    "enable.partition.eof": "true",
    "isolation.level": "read_committed",
    "fetch.queue.backoff.ms": "10",
}


class Reader:
    """Its methods block, one at a time."""

    def __init__(self, properties: Mapping[str, str]) -> None:
        with translated("use the broker's configuration"):
            self._client = Consumer(client({**properties, **_FIXED}, consumes=True))

        self._guard = threading.Lock()

    def read(self, tp: TopicPartition, offset: int, end: int, *, max_records: int) -> Batch:
        """Return what there is from `offset` up to `end`, which is not beyond the log's.

        :raises RetriableError: if the brokers do not give it within some seconds.
        """
        doing = f"read {tp}"
        messages: list[Message] = []
        covered = offset

        with self._guard, translated(doing):
            self._client.assign([Place(tp.topic, tp.partition, offset)])

            try:
                deadline = monotonic() + _SECONDS

                while covered < end and len(messages) < max_records:
                    if monotonic() > deadline:
                        raise RetriableError(f"cannot {doing}: nothing came within {_SECONDS:.0f} s")

                    for message in self._client.consume(max_records - len(messages), 0.1):
                        error = message.error()

                        if error is not None and error.code() != AT_END:
                            raise translate(error, doing)

                        if error is None:
                            messages.append(message)

                        covered = (message.offset() or 0) + (1 if error is None else 0)
            finally:
                self._client.unassign()

        return Batch(MessageColumns(messages), spans=(Span(tp, 0, len(messages), offset, max(covered, offset)),))

    def close(self) -> None:
        with self._guard:
            self._client.close()
