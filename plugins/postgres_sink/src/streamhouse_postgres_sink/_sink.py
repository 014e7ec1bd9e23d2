"""The sink: decodes a batch, has it loaded, and decides what a failure means for the connection."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar, Final, TypeVar

from streamhouse_connect import Batching, Guarantee, RejectedBatch, RejectedRecords, RetriableError, Sink
from streamhouse_postgres_sink._config import PostgresConfig
from streamhouse_postgres_sink._rows import decode
from streamhouse_postgres_sink._session import Session, StaleCatalogue
from streamhouse_postgres_sink._url import place

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from streamhouse_connect import Batch, SinkContext
    from streamhouse_postgres_sink._rows import Decoded

__all__ = ["PostgresSink"]

T = TypeVar("T")

_PATIENCE: Final = 1.25
"""The server gives a statement up in time; if it does not, after this many times that time we do."""


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
        self._context: SinkContext
        self._session: Session | None = None

    @classmethod
    def guarantee(cls, config: PostgresConfig) -> Guarantee:
        if config.insert_mode == "upsert":
            key = ", ".join(config.pk_fields)
            return Guarantee("effectively-once", f"a record that is written again updates the row with its key ({key})")

        return Guarantee(
            "at-least-once", "insert.mode=insert adds the rows of a batch again if the answer to it is lost"
        )

    async def open(self, context: SinkContext) -> None:
        self._context = context
        await self._in_time(self._connected())

    async def write(self, batch: Batch) -> None:
        decoded = decode(batch.values)

        if decoded.rejected:
            raise RejectedRecords(decoded.rejected)

        if unknown := await self._in_time(self._load(decoded)):
            self._context.count("unknown_field", unknown)

    async def close(self) -> None:
        session, self._session = self._session, None

        if session is not None:
            await session.close()

    async def _connected(self) -> Session:
        if self._session is None:
            self._session = await Session.open(self.config, connector=self._context.connector)
            await self._session.prepare()

        return self._session

    async def _load(self, decoded: Decoded) -> int:
        session = await self._connected()

        try:
            return await session.load(decoded)
        except StaleCatalogue:
            self._context.log.info("table changed, reading the catalogue again")
            await session.prepare()

        try:
            return await session.load(decoded)
        except StaleCatalogue as error:
            raise error.otherwise from error

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
    """True if the connection is as good as before: the work ended well, or was rolled back for a record's sake."""
    return not task.cancelled() and isinstance(task.exception(), RejectedRecords | RejectedBatch | None)
