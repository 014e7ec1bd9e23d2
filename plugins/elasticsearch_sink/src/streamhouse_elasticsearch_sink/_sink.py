"""The sink: batches are made into bulk lines here, and sent by `_sending`."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, ClassVar, Final

import attrs

from streamhouse_connect import (
    Batching,
    ConfigError,
    FatalError,
    Guarantee,
    Problem,
    RejectedRecords,
    RetriableError,
    Sink,
)
from streamhouse_elasticsearch_sink._agreements import Agreement
from streamhouse_elasticsearch_sink._answers import Conflicts
from streamhouse_elasticsearch_sink._bulk import documents, fixed_name
from streamhouse_elasticsearch_sink._config import ElasticsearchConfig
from streamhouse_elasticsearch_sink._guarantees import guarantee_of
from streamhouse_elasticsearch_sink._index_templates import Applied, apply_template, template_body, template_name
from streamhouse_elasticsearch_sink._limit import Limit
from streamhouse_elasticsearch_sink._sending import Rest, Sender
from streamhouse_elasticsearch_sink._versions import OffsetVersion, agreed, known_topics

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

    from streamhouse_connect import Batch, SinkContext, TopicPartition
    from streamhouse_elasticsearch_sink._connection import Connection

__all__ = ["ElasticsearchSink"]

_TOPICS: Final = Agreement("elasticsearch.topics", list[str])
"""All topics that tasks of the connector have met."""


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
        self._recipe = config.recipe(epoch=0)
        self._by_offset = config.versions_by_offset
        self._shared: frozenset[tuple[str, str]] = frozenset()
        self._sleep = sleep
        self._uniform = uniform
        self._context: SinkContext
        self._connection: Connection | None = None
        self._limit: Limit | None = None
        self._sender: Sender
        self._rests: dict[int, tuple[Batch, Rest]] = {}
        self.null_values = "write" if config.delete_enabled else config.null_values
        # Batches on their way at once may arrive in another order; versions make that harmless, but Elasticsearch forgets those of deletions.
        overlaps = not self._recipe.is_ordered or (self._by_offset and not config.delete_enabled)
        self.in_flight = config.max_in_flight if overlaps else 1

    @classmethod
    def guarantee(cls, config: ElasticsearchConfig) -> Guarantee:
        """Say what ids and versions are worth; see `Sink.guarantee`."""
        return guarantee_of(config)

    async def check(self) -> Sequence[Problem]:
        """Connect, and greet the server; see `Sink.check`."""
        try:
            template_body(self.config, self._recipe.index.pattern)
            await self._connect()
        except ConfigError as error:
            return error.problems
        except (FatalError, RetriableError) as error:
            return [Problem("connection.url", str(error))]

        return ()

    async def open(self, context: SinkContext) -> None:
        """Connect, and make the index template if there is to be one; see `Sink.open`."""
        self._context = context
        self._recipe = self.config.recipe(epoch=context.epoch)

        if self._by_offset:
            self._decide(await known_topics(context))

        connection = await self._connect()
        await self._apply_template(connection)
        self._limit = Limit(self.in_flight, changed=self._tell_limit)
        self._tell_limit(self._limit.current)
        self._sender = Sender(
            connection,
            self._limit,
            self._conflicts(),
            context.count,
            self._sleep,
            self._uniform,
            most=context.batch_bytes,
        )

    async def resume(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Look at the topics' indexes, and agree with other tasks on versions; see `Sink.resume`."""
        if self._recipe.index.is_fixed:
            for tp in partitions:
                fixed_name(self._recipe, tp)

        await self._warn_of_shared_indexes()

        if self._by_offset:
            claims = await agreed(self._context, self.config.acknowledged_partitions)

            if clash := next(self._recipe.index.shared(claims), None):
                raise FatalError(self._uncomparable(clash))

            self._recipe = attrs.evolve(self._recipe, version=OffsetVersion(self._context.epoch, claims))

        return {}

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
            self._tell_limit(0)

        if connection:
            await connection.close()

    async def _connect(self) -> Connection:
        from streamhouse_elasticsearch_sink._connection import Connection  # noqa: PLC0415 - slow to import

        self._connection = Connection(self.config, query=self.config.query)
        await self._connection.verify()
        return self._connection

    def _tell_limit(self, limit: int) -> None:
        self._context.level("max_in_flight", limit)

    def _rest_of(self, batch: Batch) -> Rest:
        """Return what is left of a batch that the runtime tries again, or all of a new one."""
        kept = self._rests.pop(id(batch), None)

        if kept:
            return kept[1]

        return Rest.of(documents(batch, self._recipe))

    def _keep(self, batch: Batch, rest: Rest) -> None:
        self._rests[id(batch)] = (batch, rest)

        # A batch of which partitions were taken away comes back as another one, or not at all.
        while len(self._rests) > self.in_flight:
            del self._rests[next(iter(self._rests))]

    def _conflicts(self) -> Conflicts:
        if self.config.method == "update":
            return Conflicts.AGAIN

        is_versioned = self._by_offset or self._recipe.version is not None
        return Conflicts.STALE if is_versioned or self.config.method == "create" else Conflicts.REJECTED

    async def _apply_template(self, connection: Connection) -> None:
        try:
            body = template_body(self.config, self._recipe.index.pattern)
        except ConfigError as error:
            raise FatalError(str(error)) from None

        name = template_name(self._context.connector)

        if not body:
            return

        applied = await apply_template(connection.ask, name, body)

        if applied is Applied.MADE:
            self._context.log.info("index_template_made name=%s", name)
        elif applied is Applied.DIFFERENT:
            self._context.log.warning("index_template_differs name=%s", name)

    def _decide(self, topics: Collection[str]) -> None:
        """Do without versions where offsets of several topics would be compared, unless they are asked for."""
        clash = next(self._recipe.index.shared(topics), None)

        if clash is None:
            return

        if self.config.version_source:
            raise FatalError(self._uncomparable(clash))

        self._by_offset = False
        self.in_flight = 1
        self.weakened = self._uncomparable(clash)

    def _uncomparable(self, topics: tuple[str, str]) -> str:
        return (
            f"documents are not versioned by offset where topics share an index, as {topics[0]} and {topics[1]} may with "
            f"index.name={self.config.index_name}; put {{topic}} into it, or choose version.source=timestamp, field:NAME or none"
        )

    async def _warn_of_shared_indexes(self) -> None:
        index = self._recipe.index

        if not (index.names_topics or self.config.document_id):
            return

        ours = self._context.topic_ids
        topics = await _TOPICS.change(self._context.state, lambda known: sorted({*known, *ours}))
        shared = frozenset(pair for pair in index.shared(topics) if not ours.keys().isdisjoint(pair))

        for one, other in sorted(shared - self._shared):
            self._context.log.warning("topics_share_index topics=%s,%s index.name=%s", one, other, index.text)

        self._shared |= shared
