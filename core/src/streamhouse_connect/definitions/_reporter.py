"""Sends this worker's reports to the topic of statuses: what is new at once, all else again every few seconds."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

import msgspec
from confluent_kafka import KafkaException

from streamhouse_connect.definitions._clients import Complaints, make_producer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from streamhouse_connect.definitions._reports import Reports, StatusKey

__all__ = ["Reporter"]

_LOG: Final = logging.getLogger("streamhouse_connect.definitions.kafka")
_LOOK_SECONDS: Final = 0.5
_CLOSE_SECONDS: Final = 2.0


class Reporter:
    """A producer and its thread. What cannot be delivered is not kept: it is said again soon."""

    def __init__(
        self, properties: Mapping[str, str], *, topic: str, reports: Reports, clock: Callable[[], float]
    ) -> None:
        self._producer = make_producer(properties, complaints=Complaints())
        self._topic = topic
        self._reports = reports
        self._clock = clock
        self._is_closing = False
        self._woken = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{topic} reporter", daemon=True)
        self._thread.start()

    def tell(self, key: StatusKey, status: bytes | None) -> None:
        """Send a report, again and again; None withdraws it."""
        if self._reports.tell(key, status, now=self._clock()):
            self._woken.set()

    def close(self) -> None:
        """Withdraw every report, and end the thread."""
        self._reports.withdraw(now=self._clock())
        self._is_closing = True
        self._woken.set()
        self._thread.join()
        self._producer.flush(_CLOSE_SECONDS)

    def _run(self) -> None:
        is_last = False

        while not is_last:
            self._woken.wait(_LOOK_SECONDS)
            self._woken.clear()
            is_last = self._is_closing

            for key, status in self._reports.due(now=self._clock()):
                self._send(msgspec.json.encode(key), status)

            self._producer.poll(0)

    def _send(self, key: bytes, status: bytes | None) -> None:
        try:
            self._producer.produce(self._topic, key=key, value=status, partition=0)
        except (BufferError, KafkaException) as error:  # the brokers are out of reach, or it is too large
            _LOG.warning("report not sent", extra={"reason": str(error)})
