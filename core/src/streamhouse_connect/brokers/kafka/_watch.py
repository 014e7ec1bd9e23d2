"""What topics there are, looked at every few seconds by one thread for all consumers.

A consumer sees in it which topics match its pattern, and which were deleted and made again.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import TopicCollection
from confluent_kafka.admin import AdminClient

from streamhouse_connect.brokers.kafka._admin import topic_id
from streamhouse_connect.librdkafka import client, translated

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["TopicWatch"]

_LOG: Final = logging.getLogger(__name__)
_SECONDS: Final = 2.0
_TIMEOUT: Final = 5.0


class TopicWatch:
    """`ids` maps the topics that there are to their ids, `counts` to their partitions; a change makes other mappings."""

    def __init__(self, properties: Mapping[str, str]) -> None:
        with translated("use the broker's configuration"):
            self._client = AdminClient(client(properties))

        self.ids: Mapping[str, str] = {}
        self.counts: Mapping[str, int] = {}
        self._is_blind = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look; harmless to repeat."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="kafka-topics", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._stop.set()

        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                found = self._describe(self._names())
            except Exception as error:  # noqa: BLE001 - whatever it is, the next look may succeed
                self._tell(error)
            else:
                self._tell(None)
                self._see(found)

            self._stop.wait(_SECONDS)

    def look(self, names: Collection[str]) -> dict[str, str]:
        """Return the ids of those of these topics that there are; blocks."""
        return {name: topic_id(description) for name, description in self._describe(names).items()}

    def _tell(self, error: Exception | None) -> None:
        """Log that the brokers do not answer when that begins, and when it is over."""
        was_blind, self._is_blind = self._is_blind, error is not None

        if self._is_blind and not was_blind:
            _LOG.warning("topics_not_seen error=%s", error)
        elif was_blind and not self._is_blind:
            _LOG.info("topics_seen_again")

    def _see(self, found: Mapping[str, Any]) -> None:
        counts = {name: len(description.partitions) for name, description in found.items()}
        ids = {name: topic_id(description) for name, description in found.items()}

        if (counts, ids) != (self.counts, self.ids):
            self.counts, self.ids = counts, ids

    def _names(self) -> list[str]:
        listed = self._client.list_topics(timeout=_TIMEOUT).topics
        return [name for name, topic in listed.items() if topic.error is None and not name.startswith("__")]

    def _describe(self, names: Collection[str]) -> dict[str, Any]:
        if not names:
            return {}

        asked = self._client.describe_topics(TopicCollection(list(names)), request_timeout=_TIMEOUT)
        # One that fails is not there, or not any more.
        return {name: future.result() for name, future in asked.items() if future.exception(_TIMEOUT) is None}
