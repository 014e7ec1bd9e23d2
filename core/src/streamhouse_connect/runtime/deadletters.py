"""Dead letters: records that a destination will never take, kept in a topic with the reason in their headers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from streamhouse_connect.brokers import NewRecords
from streamhouse_connect.errors import ConflictError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from streamhouse_connect.brokers import Broker
    from streamhouse_connect.records import Batch, Headers, Record

__all__ = ["DeadLetters"]


@attrs.frozen
class DeadLetters:
    """Appends to a connector's dead letter topic; the headers are those that Kafka Connect's tools know."""

    broker: Broker
    topic: str
    connector: str
    connector_class: str
    task: int
    redact: Callable[[str], str]

    async def append(self, batch: Batch, reasons: Mapping[int, str]) -> None:
        """Append the rejected records of a batch, with key, value, timestamp and headers as they were; durable on return."""
        records = [batch[index] for index in reasons]
        letters = NewRecords(
            values=[record.value for record in records],
            keys=[record.key for record in records],
            timestamps=[record.timestamp for record in records],
            headers=[self._headers(record, reason) for record, reason in zip(records, reasons.values(), strict=True)],
            partitions=[0] * len(records),
        )

        try:
            await self.broker.append(self.topic, letters)
        except NotFoundError:
            await self._create_topic()
            await self.broker.append(self.topic, letters)

    async def _create_topic(self) -> None:
        try:
            await self.broker.create_topic(self.topic)
        except ConflictError:  # another connector was quicker
            return

    def _headers(self, record: Record, reason: str) -> Headers:
        added = {
            "topic": record.tp.topic,
            "partition": str(record.tp.partition),
            "offset": str(record.offset),
            "connector.name": self.connector,
            "task.id": str(self.task),
            "stage": "TASK_PUT",
            "class.name": self.connector_class,
            "exception.class.name": "RejectedRecords",
            "exception.message": self.redact(reason),
            "exception.stacktrace": f"RejectedRecords: {self.redact(reason)}",
        }
        return (*record.headers, *((f"__connect.errors.{name}", text.encode()) for name, text in added.items()))
