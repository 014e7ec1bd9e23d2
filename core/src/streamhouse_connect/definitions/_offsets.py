"""Where topics end, and where in them a time is, asked so that no answer is waited for longer than it may take."""

from __future__ import annotations

from concurrent.futures import Future
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import OFFSET_END, IsolationLevel, KafkaException, TopicPartition
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
    place = TopicPartition(topic, 0)
    found: Future[int] = Future()

    def answer(asked: Future[Any]) -> None:
        error = asked.exception()

        if error is None:
            found.set_result(asked.result().offset)
        else:
            found.set_exception(error)

    _ask(admin, {place: OffsetSpec.latest()}, timeout)[place].add_done_callback(answer)  # type: ignore[no-untyped-call]  # it takes nothing
    return found


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
            spec = OffsetSpec.for_timestamp(time_ms)
            asked = _ask(admin, {TopicPartition(topic, each): spec for each in partitions}, deadline - monotonic())
            found = {place.partition: future.result().offset for place, future in asked.items()}
        except KafkaException:
            if monotonic() >= deadline:
                raise
        else:
            return [
                TopicPartition(topic, each, offset if offset >= 0 else OFFSET_END) for each, offset in found.items()
            ]

        sleep(_PAUSE_SECONDS)


def _ask(
    admin: AdminClient, specs: Mapping[TopicPartition, OffsetSpec], timeout: float
) -> Mapping[TopicPartition, Future[Any]]:
    answers: Mapping[TopicPartition, Future[Any]] = admin.list_offsets(
        dict(specs), request_timeout=max(0.001, timeout), isolation_level=IsolationLevel.READ_COMMITTED
    )
    return answers
