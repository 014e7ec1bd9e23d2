"""Where topics end, and where in them a time is, asked so that no answer is waited for longer than it may take."""

from __future__ import annotations

from concurrent.futures import Future
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import OFFSET_END, OFFSET_INVALID, IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]  # no `as` there

if TYPE_CHECKING:
    from collections.abc import Mapping

    from confluent_kafka.admin import AdminClient

__all__ = ["ask_end", "end", "since"]

_PAUSE_SECONDS: Final = 0.05


def ask_end(admin: AdminClient, topic: str, *, timeout: float) -> Future[int]:
    """Ask for the offset behind what is committed in a topic of one partition. Does not block.

    The future fails with a `KafkaException`.
    """
    return _ask(admin, [TopicPartition(topic, 0)], OffsetSpec.latest(), timeout)[0]  # type: ignore[no-untyped-call]  # it takes nothing


def end(admin: AdminClient, topic: str, *, deadline: float) -> int:
    """Return the offset behind what is committed in a topic of one partition; asks again until the deadline.

    :raises KafkaException: with why there is no answer.
    """
    while True:
        try:
            return ask_end(admin, topic, timeout=deadline - monotonic()).result()
        except KafkaException:
            if monotonic() >= deadline:
                raise

        sleep(_PAUSE_SECONDS)  # partitions change their leaders now and then


def since(admin: AdminClient, topic: str, time_ms: int, *, deadline: float) -> list[TopicPartition]:
    """Return where the records of that time and later begin, in every partition; asks again until the deadline.

    :raises KafkaException: with why there is no answer.
    """
    while True:
        try:
            partitions = admin.list_topics(topic, timeout=deadline - monotonic()).topics[topic].partitions
            places = [TopicPartition(topic, partition) for partition in partitions]
            timeout = deadline - monotonic()
            ends = _ask(admin, places, OffsetSpec.latest(), timeout)  # type: ignore[no-untyped-call]  # it takes nothing
            offsets = _ask(admin, places, OffsetSpec.for_timestamp(time_ms), timeout)
            found = {partition: (offsets[partition].result(), ends[partition].result()) for partition in partitions}
        except KafkaException:
            if monotonic() >= deadline:
                raise
        else:
            return [
                TopicPartition(topic, partition, last if first == OFFSET_END else first)
                for partition, (first, last) in found.items()
            ]

        sleep(_PAUSE_SECONDS)


def _ask(
    admin: AdminClient, places: list[TopicPartition], spec: OffsetSpec, timeout: float
) -> Mapping[int, Future[int]]:
    """Ask for an offset in each place; by partition."""
    asked: Mapping[TopicPartition, Future[Any]] = admin.list_offsets(
        dict.fromkeys(places, spec),
        request_timeout=max(0.001, timeout),
        isolation_level=IsolationLevel.READ_COMMITTED,
    )
    return {place.partition: _offset(answer) for place, answer in asked.items()}


def _offset(asked: Future[Any]) -> Future[int]:
    """Return the offset that is asked for. Where a broker hangs, the library answers with none instead of an error."""
    found: Future[int] = Future()

    def answer(asked: Future[Any]) -> None:
        error = asked.exception()

        if error is not None:
            found.set_exception(error)
        elif asked.result().offset == OFFSET_INVALID:
            found.set_exception(KafkaException(KafkaError(KafkaError._TIMED_OUT)))  # noqa: SLF001 - librdkafka's name
        else:
            found.set_result(asked.result().offset)

    asked.add_done_callback(answer)
    return found
