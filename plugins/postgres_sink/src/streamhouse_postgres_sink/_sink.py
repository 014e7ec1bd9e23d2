"""The sink: decodes a batch, has it loaded, and decides what a failure means for the connection.

One thing at a time is done over the one connection: what comes during a write waits for its turn. While the server works on what
it was sent, the next batch is prepared.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, ClassVar, Final, Literal, TypeVar

from streamhouse_connect import (
    Batching,
    Guarantee,
    RejectedBatch,
    RejectedRecords,
    RetriableError,
    Sink,
    Superseded,
)
from streamhouse_postgres_sink._checking import problems_found
from streamhouse_postgres_sink._config import PostgresConfig
from streamhouse_postgres_sink._fitness import weakness
from streamhouse_postgres_sink._offsets import Moved, Offsets
from streamhouse_postgres_sink._preparation import Preparation
from streamhouse_postgres_sink._session import Session, StaleCatalogue
from streamhouse_postgres_sink._url import place

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Mapping, Sequence

    from streamhouse_connect import Batch, Problem, SinkContext, TopicPartition
    from streamhouse_postgres_sink._modes import Mode

__all__ = ["PostgresSink"]

T = TypeVar("T")

_PATIENCE: Final = 1.25
"""The server gives a statement up in time; if it does not, after this many times that time we do."""

_TURN_SECONDS: Final = 10.0
"""A rebalance waits no longer than this for a write to end."""


class PostgresSink(Sink[PostgresConfig]):
    """Writes JSON records to a table of PostgreSQL with COPY; a batch is one transaction."""

    name: ClassVar[str] = "postgres-sink"
    aliases: ClassVar[tuple[str, ...]] = ("postgres", "com.streamhouse.connect.postgres.PostgresSinkConnector")
    config_class: ClassVar[type] = PostgresConfig
    batching: ClassVar[Batching] = Batching.MIXED
    defaults: ClassVar[Mapping[str, object]] = {
        "batch.size": 500,
        "batch.bytes": 16 << 20,
        "batch.interval_ms": 1000,
    }

    def __init__(self, config: PostgresConfig) -> None:
        super().__init__(config)
        self.null_values = "write" if config.delete_enabled else config.null_values
        self._context: SinkContext
        self._offsets: Offsets
        self._session: Session | None = None
        self._preparation: Preparation | None = None
        self._turn = asyncio.Lock()

    @classmethod
    def guarantee(cls, config: PostgresConfig) -> Guarantee:
        if config.keeps_offsets:
            return Guarantee(
                "exactly-once",
                "rows and offsets are committed in one transaction (offsets.storage=target), which a task that was "
                "replaced can't do any more",
            )

        return Guarantee(*_without_offsets(config.mode))

    async def check(self) -> Sequence[Problem]:
        return await problems_found(self.config)

    async def open(self, context: SinkContext) -> None:
        self._context = context
        self._offsets = Offsets(context.topic_ids)
        session = await self._in_time(self._connected())

        if not self.config.keeps_offsets:
            await self._in_time(session.abandon_offsets())

        weak = [weakness(table, keeps_offsets=self.config.keeps_offsets) for table in session.tables]
        self.weakened = "; ".join(filter(None, weak)) or None

    async def resume(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        if not self.config.keeps_offsets or not partitions:
            return {}

        async with self._turn_soon():
            rows = await self._in_time(self._with_session(lambda session: session.claim(partitions)))
            self._offsets.learn(rows)

        return {tp: row.next_offset for tp, row in rows.items() if row.next_offset is not None}

    async def prepare(self, batch: Batch) -> None:
        self._preparation = preparation = Preparation(batch, self.config)

        if self._session is not None:
            await preparation.go_on(self._session)

    async def write(self, batch: Batch) -> None:
        async with self._turn:
            while True:
                try:
                    await self._write(batch)
                    return
                except Moved as error:
                    self._learn(error)

    async def skip(self, offsets: Mapping[TopicPartition, int]) -> None:
        async with self._turn:
            while moves := self._offsets.skips(offsets):
                try:
                    await self._in_time(self._with_session(lambda session, moves=moves: session.move(moves)))  # type: ignore[misc]  # bound
                    self._offsets.moved(moves)
                except Moved as error:
                    self._learn(error)

    async def release(self, partitions: Collection[TopicPartition]) -> None:
        self._offsets.forget(partitions)
        self._preparation = None  # what is left of its batch comes in another

    async def reset(self, offsets: Mapping[TopicPartition, int | None]) -> None:
        if not self.config.keeps_offsets or not offsets:
            return

        async with self._turn:
            self._offsets.forget(offsets)
            await self._in_time(self._with_session(lambda session: session.set_offsets(offsets)))

    async def close(self) -> None:
        session, self._session = self._session, None

        if session is not None:
            await session.close()

    async def _write(self, batch: Batch) -> None:
        moves = self._offsets.moves(batch) if self.config.keeps_offsets else []
        indexes = self._offsets.missing(batch)
        part = batch if len(indexes) == len(batch) else batch.select(indexes)

        if not len(part):
            return

        prepared = self._prepared(part)

        if prepared.rejected:
            raise RejectedRecords({indexes[index]: reason for index, reason in prepared.rejected.items()})

        divided = prepared.parts()

        try:
            counts = await self._in_time(
                self._with_session(lambda session: session.load(divided, moves, prepared.works))
            )
        except RejectedRecords as error:
            raise RejectedRecords({indexes[index]: reason for index, reason in error.reasons.items()}) from error

        self._offsets.moved(moves)

        for event, number in counts.items():
            if number:
                self._context.count(event, number)

    def _prepared(self, part: Batch) -> Preparation:
        """Return what was prepared of a batch; a part that was cut out of it later is begun anew."""
        if self._preparation is None or self._preparation.batch is not part:
            return Preparation(part, self.config)

        preparation, self._preparation = self._preparation, None
        preparation.is_over = True
        return preparation

    def _learn(self, moved: Moved) -> None:
        self._context.log.info("commit_was_made_after_all partitions=%s", moved)
        self._offsets.learn(moved.rows)

    @asynccontextmanager
    async def _turn_soon(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(_TURN_SECONDS):
                await self._turn.acquire()
        except TimeoutError:
            raise RetriableError(
                "a write to PostgreSQL is under way that takes long; what was assigned waits for it"
            ) from None

        try:
            yield
        finally:
            self._turn.release()

    async def _connected(self) -> Session:
        if self._session is None:
            self._session = await Session.open(self.config, self._context)
            await self._session.prepare()

        return self._session

    async def _with_session(self, act: Callable[[Session], Awaitable[T]]) -> T:
        """Act, and again with the catalogue read anew: as often as a table has changed, but once if it only may have."""
        session = await self._connected()
        was_read = False

        while True:
            try:
                return await act(session)
            except StaleCatalogue as error:
                if was_read and error.otherwise is not None:
                    raise error.otherwise from error

                was_read = was_read or error.otherwise is not None

            self._context.log.info("catalogue_read_again")
            await session.prepare()

    async def _in_time(self, work: Coroutine[object, object, T]) -> T:
        """Do the work within the time it has; unless it ends well or with a rejection, drop the connection.

        Without a connection the work ends at once. Cancelling it would make psycopg ask the server to cancel the statement,
        and wait up to 10 s for the answer of one that may hang; the server notices the loss by itself and rolls back.
        """
        task = asyncio.ensure_future(work)

        try:
            await asyncio.wait({task}, timeout=self.config.write_timeout_ms / 1000 * _PATIENCE)
        finally:
            if not task.done():
                await self.close()
                task.cancel()
                await asyncio.wait({task})

            if not _is_clean(task):
                await self.close()

        if task.cancelled():
            raise RetriableError(
                f"PostgreSQL at {place(self.config.url)} did not answer within {self.config.write_timeout_ms} ms "
                "(write.timeout_ms)"
            )

        return task.result()


def _is_clean(task: asyncio.Task[T]) -> bool:
    """True if the connection is as good as before: the work ended well, or was rolled back for a record's or a row's sake."""
    return not task.cancelled() and isinstance(
        task.exception(), RejectedRecords | RejectedBatch | Superseded | Moved | None
    )


def _without_offsets(mode: Mode) -> tuple[Literal["effectively-once", "at-least-once"], str]:
    """Return what a mode promises by itself, and why."""
    key = ", ".join(mode.key)

    match mode.insert:
        case "upsert" | "update":
            return "effectively-once", f"a record that is written again updates the row with its key ({key})"
        case "insert_ignore" if mode.key:
            return (
                "effectively-once",
                f"a record that is written again is ignored, for there is a row with its key ({key})",
            )
        case "insert_ignore":
            return "at-least-once", (
                "insert.mode=insert_ignore without pk.fields, with offsets.storage=broker, leaves it to the unique indexes of "
                "the table whether a record that is written again is ignored"
            )
        case "insert":
            return "at-least-once", (
                "insert.mode=insert with offsets.storage=broker adds the rows of a batch again if the answer to it is lost"
            )
