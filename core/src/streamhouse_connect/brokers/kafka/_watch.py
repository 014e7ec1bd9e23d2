"""What topics there are, looked at every few seconds by one thread for all consumers.

A consumer sees in it which topics match its pattern, and which were deleted and made again.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Final

import attrs
from confluent_kafka import TopicCollection
from confluent_kafka.admin import AdminClient

from streamhouse_connect.brokers.kafka._admin import topic_id
from streamhouse_connect.brokers.kafka._properties import asks_for_versions
from streamhouse_connect.errors import RetriableError
from streamhouse_connect.librdkafka import cause, client, translated

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["Outage", "TopicWatch"]

_LOG: Final = logging.getLogger(__name__)
_SECONDS: Final = 2.0
_TIMEOUT: Final = 5.0


@attrs.frozen(eq=False)
class Outage:
    """The brokers do not answer: when the last look began that has failed, by the monotonic clock, and what is said of all of it."""

    looked_at: float
    error: RetriableError


class TopicWatch:
    """`ids` maps the topics that there are to their ids, `counts` to their partitions; a change makes other mappings.

    `outage` is there as long as the brokers do not answer.
    """

    def __init__(self, properties: Mapping[str, str]) -> None:
        with translated("use the broker's configuration"):
            self._client = AdminClient(client(properties))

        self._has_ids = asks_for_versions(properties)
        self.ids: Mapping[str, str] = {}
        self.counts: Mapping[str, int] = {}
        self.outage: Outage | None = None
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
            began = monotonic()

            try:
                found = self._describe(self._counts())
            except Exception as error:  # noqa: BLE001 - whatever it is, the next look may succeed
                self._tell(began, error)
            else:
                self._tell(began, None)
                self._see(found)

            self._stop.wait(_SECONDS)

    def look(self, names: Collection[str]) -> dict[str, str]:
        """Return the ids of those of these topics that there are; blocks."""
        return {name: found for name, (found, _) in self._describe(names).items()}

    def _tell(self, looked_at: float, error: Exception | None) -> None:
        """Note that a look has failed, or not; log when that begins, and when it is over."""
        outage = self.outage

        if error is None:
            self.outage = None

            if outage is not None:
                _LOG.info("topics_seen_again")

        elif outage is None:
            text = f"the brokers do not answer since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC: {_text(error)}"
            self.outage = Outage(looked_at, RetriableError(text))
            _LOG.warning("topics_not_seen error=%s", error)

        else:
            self.outage = Outage(looked_at, outage.error)

    async def ids_of(self, names: Collection[str]) -> dict[str, str]:
        """The same as `look`, for an event loop."""
        with translated("look at topics"):
            return await asyncio.to_thread(self.look, names)

    def _see(self, found: Mapping[str, tuple[str, int]]) -> None:
        counts = {name: count for name, (_, count) in found.items()}
        ids = {name: topic_id for name, (topic_id, _) in found.items()}

        if (counts, ids) != (self.counts, self.ids):
            self.counts, self.ids = counts, ids

    def _counts(self) -> dict[str, int]:
        listed = self._client.list_topics(timeout=_TIMEOUT).topics
        return {
            name: len(topic.partitions)
            for name, topic in listed.items()
            if topic.error is None and not name.startswith("__")
        }

    def _describe(self, names: Collection[str]) -> dict[str, tuple[str, int]]:
        """Return the id and the number of partitions of those of these topics that there are."""
        if not names:
            return {}

        if not self._has_ids:
            counts = self._counts()
            return {name: (name, counts[name]) for name in names if name in counts}

        asked = self._client.describe_topics(TopicCollection(list(names)), request_timeout=_TIMEOUT)
        # One that fails is not there, or not any more.
        found = {name: future.result() for name, future in asked.items() if future.exception(_TIMEOUT) is None}
        return {name: (topic_id(topic), len(topic.partitions)) for name, topic in found.items()}


def _text(error: Exception) -> str:
    found = cause(error)
    return str(error) if found is None else f"{found.str()} ({found.name()})"
