"""A scripted server, and sinks that are opened against it and neither wait nor roll dice."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import attrs
import pytest

from streamhouse_connect import SecretUrl
from streamhouse_connect.testing import make_context
from streamhouse_elasticsearch_sink import ElasticsearchConfig, ElasticsearchSink
from unit.elasticsearch_sink.stub import Stub, running


@attrs.define
class Opened:
    """An opened sink and what it did besides writing."""

    sink: ElasticsearchSink
    sleeps: list[float]
    counts: Counter[str]
    levels: dict[str, float]


OpenSink = Callable[..., Awaitable[Opened]]


@pytest.fixture
async def stub() -> AsyncIterator[Stub]:
    async with running(Stub()) as served:
        yield served


@pytest.fixture
async def open_sink(stub: Stub) -> AsyncIterator[OpenSink]:
    opened: list[ElasticsearchSink] = []

    async def open_one(
        *,
        url: str | None = None,
        index: str = "{topic}",
        document_id: str | None = None,
        timeout: float = 10.0,
        epoch: int = 0,
        topic_ids: dict[str, str] | None = None,
        batch_bytes: int = 5 << 20,
        **options: Any,
    ) -> Opened:
        sleeps: list[float] = []
        counts: Counter[str] = Counter()
        levels: dict[str, float] = {}

        async def sleep(seconds: float) -> None:
            sleeps.append(seconds)

        config = ElasticsearchConfig(
            connection_url=SecretUrl(url or stub.url),
            index_name=index,
            document_id=document_id,
            request_timeout_ms=int(timeout * 1000),
            **options,
        )
        sink = ElasticsearchSink(config, sleep=sleep, uniform=lambda _, high: high)
        opened.append(sink)
        await sink.open(
            make_context(epoch=epoch, topic_ids=topic_ids, counts=counts, levels=levels, batch_bytes=batch_bytes)
        )
        return Opened(sink, sleeps, counts, levels)

    yield open_one

    for sink in opened:
        await sink.close()
