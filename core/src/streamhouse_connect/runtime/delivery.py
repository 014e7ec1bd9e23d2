"""Delivery of one batch: written whole, or in parts, or as dead letters, or not at all; but never lost.

What the sink raises decides:

    RetriableError    the same part again, after a backoff, for ever
    RejectedBatch     the part is halved until the culprit is known
    RejectedRecords   dead letters first, then the rest; or, with tolerance none, what is before them, then failure
    Superseded        the part without the partitions that are somebody else's; so too with those that we have lost meanwhile

This module knows nothing of brokers or offsets to commit; it tells its observer what has become durable.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import attrs

from streamhouse_connect.errors import FatalError, RejectedBatch, RejectedRecords, RetriableError, Superseded
from streamhouse_connect.records import Batch
from streamhouse_connect.sinks import Batching, Held, Postponed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from streamhouse_connect.records import TopicPartition
    from streamhouse_connect.runtime.retries import Backoff
    from streamhouse_connect.sinks import ReplayFrom, Sink

__all__ = ["Delivery", "DeliveryObserver", "check_rejection"]

T = TypeVar("T")


class DeliveryObserver(Protocol):
    """Is told how the delivery of one batch goes on; parts become durable from the front of the batch to its end."""

    def durable(self, part: Batch, *, settled: int, held: int | Held | ReplayFrom | None = None) -> None:
        """The next `settled` records need no more care; those in `part` are at the destination, as `write` answered."""

    def retrying(self, error: Exception | None) -> None:
        """The destination does not take records now; None: it does again."""

    def superseded(self, partitions: Collection[TopicPartition]) -> None:
        """Another task owns these partitions."""

    def dropped(self, part: Batch) -> Collection[TopicPartition]:
        """Return the partitions of the part that are not ours any more."""

    def takes_back(self, rest: Batch) -> bool:
        """Tell whether what a write has left of the batch waits for others from now on; else it is written by itself."""


@attrs.frozen
class Delivery:
    """Delivers batches to a sink."""

    sink: Sink[Any]
    dead_letters: Callable[[Batch, Mapping[int, str]], Awaitable[None]] | None
    """Makes records dead letters, durably; None: there is no way to."""
    backoff: Backoff
    sleep: Callable[[float], Awaitable[None]]
    tolerant: bool = attrs.field(default=True, kw_only=True)

    @property
    def buries_rejected(self) -> bool:
        """Whether rejected records become dead letters; else they fail the task."""
        return self.tolerant and self.dead_letters is not None

    async def deliver(self, batch: Batch, observer: DeliveryObserver) -> None:
        """Return when every record of the batch is durable, at the destination or as a dead letter.

        :raises FatalError: if a record was rejected and must not become a dead letter; what is before it is durable.
        :raises Exception: whatever else the sink raised.
        """
        parts = [batch]

        while parts:
            part = parts.pop()

            try:
                held = await self._retried(lambda part=part: self._write(part, observer), observer.retrying)  # type: ignore[misc]  # bound
            except RejectedBatch as error:
                if len(part) > 1:
                    parts += [part[len(part) // 2 :], part[: len(part) // 2]]
                    continue

                await self._reject(part, RejectedRecords({0: str(error)}), observer)
            except RejectedRecords as error:
                await self._reject(part, error, observer)
            except Superseded as error:
                observer.superseded(error.partitions)
                parts += reversed(_other_spans(part, error.partitions))
            else:
                rest = part if isinstance(held, Postponed) else self._account(part, held, observer)

                if rest is not None and not observer.takes_back(rest):
                    parts.append(rest)

    async def _write(self, part: Batch, observer: DeliveryObserver) -> int | Held | Postponed | ReplayFrom | None:
        if dropped := observer.dropped(part):
            raise Superseded(dropped)

        return await self.sink.write(part)

    def _account(self, part: Batch, held: int | Held | ReplayFrom | None, observer: DeliveryObserver) -> Batch | None:
        """Report what a successful write made durable and return what it left."""
        reach = held.next_offset if isinstance(held, Held) else held

        if not isinstance(reach, int) or self.sink.batching is Batching.MIXED or reach > part.offsets[-1]:
            observer.durable(part, settled=len(part), held=held)
            return None

        done = bisect_left(part.offsets, reach)

        if not done:
            message = f"{self.sink.name} answered offset {reach}, which is not beyond {part.offsets[0]}, where the batch begins"
            raise FatalError(message)

        observer.durable(part[:done], settled=done, held=reach)
        return part[done:]

    async def _reject(self, part: Batch, error: RejectedRecords, observer: DeliveryObserver) -> None:
        check_rejection(error, self.sink, part)

        if not self.buries_rejected:
            await self._deliver_before(part, error, observer)
            return

        await self.bury(part, error.reasons, observer.retrying)
        rest = part.select([index for index in range(len(part)) if index not in error.reasons])
        collected = _Collected(observer)

        if error.others_durable:
            collected.durable(rest, settled=len(rest))
        elif len(rest):
            await self.deliver(rest, collected)

        written = Batch.concat(collected.parts) if collected.parts else part.select([])
        observer.durable(written, settled=len(part), held=collected.held)

    async def _deliver_before(self, part: Batch, error: RejectedRecords, observer: DeliveryObserver) -> None:
        first, reason = next(iter(error.reasons.items()))

        if first and error.others_durable:
            observer.durable(part[:first], settled=first)
        elif first:
            await self.deliver(part[:first], observer)

        record = part[first]
        message = (
            f"{record.tp.topic}, partition {record.tp.partition}, offset {record.offset}: {reason} "
            f"(set errors.tolerance=all to keep such records in a dead letter topic and go on)"
        )
        raise FatalError(message) from error

    async def bury(self, part: Batch, reasons: Mapping[int, str], retrying: Callable[[Exception | None], None]) -> None:
        """Return when these records of a part are dead letters; there must be a way to make them."""
        dead_letters = self.dead_letters
        assert dead_letters is not None
        await self._retried(lambda: dead_letters(part, reasons), retrying)

    async def _retried(self, act: Callable[[], Awaitable[T]], retrying: Callable[[Exception | None], None]) -> T:
        attempt = 0

        while True:
            try:
                result = await act()
            except (RetriableError, ConnectionError, TimeoutError) as error:
                retrying(error)
                at_least = error.retry_after if isinstance(error, RetriableError) else None
            else:
                retrying(None)
                return result

            # Outside the except block: the error's frames hold what was being written.
            await self.sleep(self.backoff.delay(attempt, at_least=at_least))
            attempt += 1


def check_rejection(error: RejectedRecords, sink: Sink[Any], part: Batch) -> None:
    """Check that what was rejected are records of the part, one at least.

    :raises FatalError: if not.
    """
    unknown = [index for index in error.reasons if not 0 <= index < len(part)]

    if unknown or not error.reasons:
        raise FatalError(f"{sink.name} rejected records {unknown} of a batch of {len(part)}") from error


@attrs.define
class _Collected:
    """Keeps what became durable of a part's rest, so that the part is reported as a whole."""

    observer: DeliveryObserver
    parts: list[Batch] = attrs.field(factory=list)
    held: int | Held | ReplayFrom | None = None

    def durable(self, part: Batch, *, settled: int, held: int | Held | ReplayFrom | None = None) -> None:  # noqa: ARG002 - the whole part is settled later
        self.parts.append(part)
        self.held = held

    def retrying(self, error: Exception | None) -> None:
        self.observer.retrying(error)

    def superseded(self, partitions: Collection[TopicPartition]) -> None:
        self.observer.superseded(partitions)

    def dropped(self, part: Batch) -> Collection[TopicPartition]:
        return self.observer.dropped(part)

    def takes_back(self, rest: Batch) -> bool:  # noqa: ARG002 - the part is reported as a whole, so all of it has to be written
        return False


def _other_spans(part: Batch, partitions: Collection[TopicPartition]) -> list[Batch]:
    spans = [part[span.start : span.stop] for span in part.spans if span.tp not in partitions]
    return [Batch.concat(spans)] if spans else []
