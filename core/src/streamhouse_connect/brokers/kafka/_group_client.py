"""A group's client: its calls, made in the one thread that makes them, as coroutines for the event loop."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from confluent_kafka import Consumer as Client
from confluent_kafka import KafkaException
from confluent_kafka import TopicPartition as Place

from streamhouse_connect.brokers.interface import Committed
from streamhouse_connect.brokers.kafka._client_thread import ClientThread
from streamhouse_connect.errors import NotFoundError, RetriableError
from streamhouse_connect.librdkafka import ACCESS, NO_TOPIC, NOT_OURS, cause, client, translate, translated
from streamhouse_connect.records import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from concurrent.futures import Future

    from confluent_kafka import KafkaError

__all__ = ["GroupClient", "commits_of"]

R = TypeVar("R")

_LOG: Final = logging.getLogger(__name__)
_REQUEST_SECONDS: Final = 10.0


class GroupClient:
    """`client` is for what runs in `thread` only. `denied` is told of what trying again does not help."""

    def __init__(self, group: str, properties: Mapping[str, str], *, denied: Callable[[Exception], None]) -> None:
        self.group = group
        self._denied = denied
        self._trouble = ""

        with translated(f"read as the group {group!r}"):
            self.client = Client(client({**properties, "error_cb": self._troubled}, consumes=True))

        self.thread = ClientThread(f"kafka-consumer {group}")

    def start(self, job: Callable[[], R]) -> Future[R]:
        """Have a job done in the thread."""
        return self.thread.submit(job)

    async def do(self, job: Callable[[], R]) -> R:
        """Have a job done in the thread, and wait for it."""
        with translated(f"read as the group {self.group!r}"):
            return await asyncio.wrap_future(self.thread.submit(job))

    def place(self, starts: Mapping[TopicPartition, int], *, paused: Sequence[Place]) -> None:
        """Read these from there; in the thread."""
        places = [Place(tp.topic, tp.partition, offset) for tp, offset in starts.items()]
        self.client.resume(places)  # the library remembers a pause beyond the assignment that it was meant for
        self.client.incremental_assign(places)

        if paused:
            self.client.pause(list(paused))

    def pause(self, places: Sequence[Place]) -> None:
        """Fetch no more of these."""
        self.thread.submit(partial(self.client.pause, list(places)))

    def resume(self, places: Sequence[Place]) -> None:
        """Undo `pause`."""
        self.thread.submit(partial(self.client.resume, list(places)))

    async def committed(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, Committed]:
        """Return the group's commits; partitions without one are absent."""
        asked = [Place(tp.topic, tp.partition) for tp in partitions]
        found = await self.do(lambda: self.client.committed(asked, _REQUEST_SECONDS))

        return commits_of(found)

    async def commit(self, offsets: Mapping[TopicPartition, Committed]) -> set[TopicPartition]:
        """Commit, and return the partitions that are not ours any more."""
        places = [Place(tp.topic, tp.partition, commit.offset, commit.metadata) for tp, commit in offsets.items()]
        doing = f"commit the offsets of the group {self.group!r}"

        try:
            done: Any = await asyncio.wrap_future(
                self.thread.submit(lambda: self.client.commit(offsets=places, asynchronous=False))
            )
        except KafkaException as error:
            why = cause(error)

            if why is not None and why.code() in NOT_OURS:
                return set(offsets)

            raise (translate(why, doing) if why else error) from error

        foreign = set()

        for place in done or ():
            if place.error is None:
                continue

            if place.error.code() not in NOT_OURS | NO_TOPIC:
                raise translate(place.error, doing)

            foreign.add(TopicPartition(place.topic, place.partition))

        return foreign

    async def watermarks(self, tp: TopicPartition) -> tuple[int, int]:
        """Return a partition's first offset and the one behind its last record."""
        place = Place(tp.topic, tp.partition)

        try:
            found = await self.do(lambda: self.client.get_watermark_offsets(place, _REQUEST_SECONDS))
        except NotFoundError as error:  # who gave it to us knows of it, so that the client will soon
            raise RetriableError(str(error)) from error

        if found is None:
            raise TimeoutError(f"cannot find the offsets of {tp}: no answer within {_REQUEST_SECONDS:.0f} s")

        return found

    async def close(self) -> None:
        """Leave the group and end the thread."""
        try:
            await self.do(self.client.close)
        finally:
            self.thread.close()

    def abandon(self) -> None:
        """The same, without waiting for long; from any thread."""
        self.thread.submit(self.client.close)
        self.thread.close()

    def _troubled(self, error: KafkaError) -> None:
        """Take an error that belongs to no partition; most of them the library gets over by itself."""
        if (text := str(error)) != self._trouble:
            self._trouble = text
            _LOG.warning("consumer_troubled group=%s error=%s", self.group, text)

        if error.fatal() or error.code() in ACCESS:
            self._denied(translate(error, f"read as the group {self.group!r}"))


def commits_of(places: Sequence[Place]) -> dict[TopicPartition, Committed]:
    """Return the commits among what the library answers; partitions without one are left out."""
    return {
        TopicPartition(place.topic, place.partition): Committed(place.offset, place.metadata or "")
        for place in places
        if place.error is None and place.offset >= 0
    }
