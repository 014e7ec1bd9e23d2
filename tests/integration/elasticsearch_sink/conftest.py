"""Sinks against a real Elasticsearch, and a server that is small enough to refuse things."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol, cast

import attrs
import pytest

from services import Elasticsearch, Indices, SearchServer, Service
from streamhouse_connect import Batch, SecretUrl, TopicPartition
from streamhouse_connect.testing import make_batch, make_context
from streamhouse_elasticsearch_sink import ElasticsearchConfig, ElasticsearchSink


class StartsServers(Protocol):
    def start(self, key: object, create: Callable[[], Service]) -> Service: ...


@attrs.frozen
class Index:
    """One index, read back."""

    name: str
    server: SearchServer

    def documents(self) -> dict[str, Any]:
        """Every document by its id."""
        return self.server.documents(self.name)

    def create(self, **mapping: str) -> None:
        """Create the index with fields of given types."""
        properties = {field: {"type": kind} for field, kind in mapping.items()}
        self.server.request("PUT", f"/{self.name}", {"mappings": {"properties": properties}})

    def family(self) -> set[str]:
        """The names of all indexes with its name in theirs, hidden ones too."""
        return {name for name in self.everybody() if self.name in name}

    def everybody(self) -> set[str]:
        """The names of all indexes of the server."""
        answer: Any = self.server.request("GET", "/_cat/indices?format=json&expand_wildcards=all")
        return {line["index"] for line in answer}

    def block(self, name: str = "write", *, on: bool) -> None:
        """Forbid or allow to write."""
        self.server.request("PUT", f"/{self.name}/_settings", {f"index.blocks.{name}": on})


ORDERS = [TopicPartition("orders", 0)]
NOON = 1_770_724_800_000
"""2026-02-10T12:00:00Z."""


def keyed(*records: tuple[str, bytes | None], **options: Any) -> Batch:
    """Make a batch of keys and values."""
    return make_batch([value for _, value in records], keys=[key.encode() for key, _ in records], **options)


OpenSink = Callable[..., Awaitable[ElasticsearchSink]]


async def no_sleep(_: float) -> None:
    """Do not wait."""


@pytest.fixture
async def open_sink() -> AsyncIterator[OpenSink]:
    opened: list[ElasticsearchSink] = []

    async def open_one(
        index: Index,
        *,
        document_id: str | None = None,
        timeout: float = 30.0,
        sleep: Callable[[float], Awaitable[object]] = no_sleep,
        counts: Counter[str] | None = None,
        levels: dict[str, float] | None = None,
        connector: str = "test",
        epoch: int = 0,
        **options: Any,
    ) -> ElasticsearchSink:
        config = ElasticsearchConfig(
            connection_url=SecretUrl(index.server.url),
            index_name=index.name,
            document_id=document_id,
            request_timeout_ms=int(timeout * 1000),
            **options,
        )
        sink = ElasticsearchSink(config, sleep=sleep)
        opened.append(sink)
        await sink.open(make_context(connector=connector, counts=counts, levels=levels, epoch=epoch))
        return sink

    yield open_one

    for sink in opened:
        await sink.close()


@pytest.fixture
def index(elasticsearch: Indices) -> Index:
    """The name of an index that is not there yet."""
    return Index(f"{elasticsearch.prefix}orders", elasticsearch.server)


@pytest.fixture
def small_index(servers: StartsServers, request: pytest.FixtureRequest) -> Index:
    """The same on a server with room for bodies of 1 MiB, one write at a time, and no new indexes by themselves."""
    settings: dict[str, str | int] = {
        "http.max_content_length": "1mb",
        "thread_pool.write.size": 1,
        "thread_pool.write.queue_size": 1,
        "action.auto_create_index": "false",
    }
    server = cast("Elasticsearch", servers.start("small elasticsearch", lambda: Elasticsearch(settings)))
    return Index(f"small-{abs(hash(request.node.name))}", server)
