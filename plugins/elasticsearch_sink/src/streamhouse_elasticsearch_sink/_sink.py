"""The sink: batches are made into bulk lines here, and sent by `_sending`."""

from __future__ import annotations

import asyncio
import random
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

from streamhouse_connect import Batching, FatalError, Guarantee, Problem, RejectedRecords, RetriableError, Sink
from streamhouse_elasticsearch_sink._answers import Conflicts
from streamhouse_elasticsearch_sink._bulk import documents
from streamhouse_elasticsearch_sink._config import ElasticsearchConfig
from streamhouse_elasticsearch_sink._ids import JsonField
from streamhouse_elasticsearch_sink._indexes import IndexTemplate
from streamhouse_elasticsearch_sink._limit import Limit
from streamhouse_elasticsearch_sink._sending import Rest, Sender

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

    from streamhouse_connect import Batch, SinkContext, TopicPartition
    from streamhouse_elasticsearch_sink._connection import Connection

__all__ = ["ElasticsearchSink"]


class ElasticsearchSink(Sink[ElasticsearchConfig]):
    """Indexes records as documents of Elasticsearch, each under an id of its own."""

    name: ClassVar[str] = "elasticsearch-sink"
    aliases: ClassVar[tuple[str, ...]] = (
        "elasticsearch",
        "com.streamhouse.connect.elasticsearch.ElasticsearchSinkConnector",
    )
    config_class: ClassVar[type] = ElasticsearchConfig
    batching: ClassVar[Batching] = Batching.MIXED
    defaults: ClassVar[Mapping[str, object]] = {
        "batch.size": 1000,
        "batch.bytes": 5 << 20,
        "batch.interval_ms": 5000,
    }

    def __init__(
        self,
        config: ElasticsearchConfig,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        super().__init__(config)
        self._field = JsonField(config.document_id) if config.document_id else None
        self._index = lru_cache(IndexTemplate(config.index_name).index)
        self._sleep = sleep
        self._uniform = uniform
        self._context: SinkContext
        self._connection: Connection | None = None
        self._limit: Limit | None = None
        self._sender: Sender
        self._rests: dict[int, tuple[Batch, Rest]] = {}
        # Batches on their way at once may arrive in another order, which only differs if they share an id.
        self.in_flight = 1 if self._field else config.max_in_flight

    @classmethod
    def guarantee(cls, config: ElasticsearchConfig) -> Guarantee:
        """Say effectively once: ids are functions of the records."""
        if config.document_id:
            return Guarantee(
                "effectively-once",
                f"a document's _id is its field {config.document_id}, so a record written again replaces itself; "
                "while records are repeated after a crash, an older version of a document may show for a moment",
            )

        return Guarantee(
            "effectively-once",
            "a document's _id is topic+partition+offset, so a record written again replaces itself; "
            "a topic that is deleted and made again replaces the documents of the old one",
        )

    async def check(self) -> Sequence[Problem]:
        """Connect, and greet the server; see `Sink.check`."""
        try:
            await self._connect()
        except (FatalError, RetriableError) as error:
            return [Problem("connection.url", str(error))]

        return ()

    async def open(self, context: SinkContext) -> None:
        """Connect; see `Sink.open`."""
        self._context = context

        for topic in context.topic_ids:
            self._checked_index(topic)

        connection = await self._connect()
        self._limit = Limit(self.in_flight, changed=self._count_limit)
        self._count_limit(self._limit.current)
        self._sender = Sender(connection, self._limit, Conflicts.REJECTED, context.count, self._sleep, self._uniform)

    async def write(self, batch: Batch) -> None:
        """Write the batch; see `Sink.write`."""
        rest = self._rest_of(batch)

        try:
            await self._sender.send(rest)
        except RetriableError:
            self._keep(batch, rest)
            raise

        if rest.rejected:
            raise RejectedRecords(rest.rejected, others_durable=True)

    async def release(self, partitions: Collection[TopicPartition]) -> None:
        """Forget what is left of batches that nobody will ask for again; see `Sink.release`."""
        gone = set(partitions)
        self._rests = {
            key: kept for key, kept in self._rests.items() if gone.isdisjoint(span.tp for span in kept[0].spans)
        }

    async def close(self) -> None:
        """Close the connections; see `Sink.close`."""
        connection, self._connection = self._connection, None
        limit, self._limit = self._limit, None
        self._rests.clear()

        if limit:
            self._count_limit(-limit.current)

        if connection:
            await connection.close()

    async def _connect(self) -> Connection:
        from streamhouse_elasticsearch_sink._connection import Connection  # noqa: PLC0415 - slow to import

        self._connection = Connection(self.config, query={})
        await self._connection.verify()
        return self._connection

    def _count_limit(self, difference: int) -> None:
        """Let the metric tell the limit: what it was raised by in all, less what it was lowered by."""
        self._context.count("in_flight_raised" if difference > 0 else "in_flight_lowered", abs(difference))

    def _rest_of(self, batch: Batch) -> Rest:
        """Return what is left of a batch that the runtime tries again, or all of a new one."""
        kept = self._rests.pop(id(batch), None)

        if kept:
            return kept[1]

        return Rest.of(documents(batch, index=self._checked_index, field=self._field, epoch=self._context.epoch))

    def _keep(self, batch: Batch, rest: Rest) -> None:
        self._rests[id(batch)] = (batch, rest)

        # A batch of which partitions were taken away comes back as another one, or not at all.
        while len(self._rests) > self.in_flight:
            del self._rests[next(iter(self._rests))]

    def _checked_index(self, topic: str) -> str:
        try:
            return self._index(topic)
        except ValueError as error:
            raise FatalError(str(error)) from None
