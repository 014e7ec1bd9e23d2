"""What a real server refuses for good, through a whole worker."""

from __future__ import annotations

from typing import Any

from integration.elasticsearch_sink.conftest import Index
from streamhouse_connect import MemoryBroker, NewRecords, State, TopicPartition, Worker


async def test_one_of_a_thousand_becomes_a_dead_letter_with_the_servers_reason(index: Index):
    """The other 999 are in, and the connector runs on."""
    index.create(n="long")
    values = [b'{"n":%d}' % n for n in range(1000)]
    values[500] = b'{"n":"many"}'
    config = {"connection.url": index.server.url, "index.name": index.name, "errors.tolerance": "all"}
    body: dict[str, Any] = {"name": "c", "connectorClass": "elasticsearch-sink", "topics": ["orders"], "config": config}

    async with Worker(MemoryBroker()) as worker:
        await worker.broker.create_topic("orders")
        await worker.create(body)
        await worker.broker.append("orders", NewRecords(values=values))
        await worker.drained("c", timeout=60)
        info = await worker.get("c")
        (letter,) = await worker.broker.read(TopicPartition("c-dlq", 0), 0, max_records=10)

    assert (info.state, info.processed) == (State.RUNNING, 999)
    assert index.documents() == {f"orders+0+{n}": {"n": n} for n in range(1000) if n != 500}
    reasons = dict(letter.headers)
    assert letter.value == b'{"n":"many"}'
    assert reasons["__connect.errors.offset"] == b"500"
    assert b"document_parsing_exception: " in (reasons["__connect.errors.exception.message"] or b"")
    assert b"failed to parse field [n] of type [long]" in (reasons["__connect.errors.exception.message"] or b"")
