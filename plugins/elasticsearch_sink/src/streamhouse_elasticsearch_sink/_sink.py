"""The sink: bulk requests out, an answer for each document back, and only what was refused for now sent again."""

from __future__ import annotations

import asyncio
import random
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Final

from streamhouse_connect import Batching, FatalError, Guarantee, Problem, RejectedRecords, RetriableError, Sink
from streamhouse_elasticsearch_sink._answers import Garbled, Outcome, outcome
from streamhouse_elasticsearch_sink._bulk import Documents, documents
from streamhouse_elasticsearch_sink._config import Address, ElasticsearchConfig
from streamhouse_elasticsearch_sink._ids import JsonField
from streamhouse_elasticsearch_sink._indexes import IndexTemplate

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    from streamhouse_connect import Batch, SinkContext
    from streamhouse_elasticsearch_sink._connection import Connection

__all__ = ["ElasticsearchSink"]

_DELAYS: Final = (0.1, 0.2, 0.4, 0.8)
"""Seconds before documents that were refused for now are sent again; then the runtime takes over."""


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
        timeout: float = 30.0,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        super().__init__(config)
        self._address = Address.of(config.connection_url)
        self._field = JsonField(config.document_id) if config.document_id else None
        self._index = lru_cache(IndexTemplate(config.index_name).index)
        self._timeout = timeout
        self._sleep = sleep
        self._uniform = uniform
        self._context: SinkContext
        self._connection: Connection | None = None
        # Two batches on their way at once may arrive in the other order, which only differs if they share an id.
        self.in_flight = 1 if self._field else 2

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

        await self._connect()

    async def write(self, batch: Batch) -> None:
        """Write the batch; see `Sink.write`."""
        made = documents(batch, index=self._checked_index, field=self._field, epoch=self._context.epoch)
        delays = iter(_DELAYS)
        pending = made.newest()
        rejected: dict[int, str] = {}

        while pending:
            result = await self._send(made, pending)
            rejected.update(result.rejected)

            if result.blocked:
                raise FatalError(f"Elasticsearch at {self._address} refuses documents: {result.blocked}")

            if result.again:
                await self._back_off(result.again, delays)

            pending = sorted({*result.again, *made.uncovered(result.rejected)})

        if rejected:
            raise RejectedRecords(rejected, others_durable=True)

    async def close(self) -> None:
        """Close the connections; see `Sink.close`."""
        connection, self._connection = self._connection, None

        if connection:
            await connection.close()

    async def _connect(self) -> None:
        from streamhouse_elasticsearch_sink._connection import Connection  # noqa: PLC0415 - slow to import

        self._connection = Connection(self._address, timeout=self._timeout)
        await self._connection.verify()

    async def _send(self, made: Documents, indexes: Sequence[int]) -> Outcome:
        """Write the documents `indexes`, in as many requests as the server's limit makes necessary."""
        assert self._connection is not None
        body = made.body(indexes)
        answer = await self._connection.bulk(body)

        if answer is not None:
            try:
                return outcome(answer, indexes)
            except Garbled as error:
                message = f"Elasticsearch at {self._address} left it ambiguous what was written: {error}"
                raise RetriableError(message) from error

        if len(indexes) == 1:
            reason = f"too large: a request of {len(body)} bytes is over the server's limit (http.max_content_length)"
            return Outcome(rejected={indexes[0]: reason})

        half = len(indexes) // 2
        return await self._send(made, indexes[:half]) + await self._send(made, indexes[half:])

    async def _back_off(self, again: Mapping[int, str], delays: Iterator[float]) -> None:
        first = next(iter(again.values()))
        delay = next(delays, None)

        if delay is None:
            raise RetriableError(f"Elasticsearch at {self._address} refuses {len(again)} documents for now: {first}")

        self._context.count("document_sent_again", len(again))
        await self._sleep(self._uniform(delay / 2, delay))

    def _checked_index(self, topic: str) -> str:
        try:
            return self._index(topic)
        except ValueError as error:
            raise FatalError(str(error)) from None
