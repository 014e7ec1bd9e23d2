"""One way from a topic into a table, in a process of its own: ours, or a bare loop. Run by `python -m benchmarks postgres`.

    python -m benchmarks.postgres_path '{"side": "bare", "data": …, "topic": …, "url": …, "upsert": false, "size": 5000}'

The bare loop has one thread, and psycopg's `write_row` for each decoded record; upserts go through a stage. It keeps no offsets and knows
one table. Prints one JSON object, as `timing` has it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from typing import TYPE_CHECKING, Any, Final

import msgspec
import psycopg

from benchmarks.embedded_source import TimedBroker, read_all
from benchmarks.timing import Timing
from streamhouse_connect import Worker
from streamhouse_connect_server.process import prepare, settled

if TYPE_CHECKING:
    from collections.abc import Sequence

SECONDS: Final = 900
COLUMNS: Final = "id, customer, amount, items, note"
STAGE: Final = "CREATE TEMP TABLE stage (LIKE orders) ON COMMIT DELETE ROWS"
MERGE: Final = (
    f"INSERT INTO orders ({COLUMNS}) SELECT DISTINCT ON (id) {COLUMNS} FROM stage ON CONFLICT (id) DO UPDATE SET "
    "customer = EXCLUDED.customer, amount = EXCLUDED.amount, items = EXCLUDED.items, note = EXCLUDED.note"
)


class Order(msgspec.Struct, gc=False):
    """A record as the table has it; its list goes in as text."""

    id: int
    customer: str
    amount: float
    items: msgspec.Raw
    note: str


def load(connection: psycopg.Connection, values: Sequence[bytes], *, upsert: bool) -> None:
    """Write one batch, in one transaction."""
    decode = msgspec.json.Decoder(Order).decode
    copy_to = f"COPY {'stage' if upsert else 'orders'} ({COLUMNS}) FROM STDIN"

    with connection.cursor() as cursor, connection.transaction():
        with cursor.copy(copy_to) as copy:
            for order in map(decode, values):
                copy.write_row((order.id, order.customer, order.amount, bytes(order.items).decode(), order.note))

        if upsert:
            cursor.execute(MERGE)


async def bare(*, data: str, topic: str, url: str, upsert: bool, size: int) -> None:
    """Do what has to be done, and nothing else."""
    timing = Timing()

    with psycopg.connect(url, autocommit=True) as connection:
        if upsert:
            connection.execute(STAGE)

        async for values in read_all(data, topic, size):
            timing.begin()
            load(connection, values, upsert=upsert)

        timing.end()

    timing.report(0)


async def ours(*, data: str, topic: str, url: str, upsert: bool, size: int, offsets: str = "target") -> None:
    """Have a connector do it, in a process tuned as `serve` tunes its own."""
    prepare()
    timing = Timing()
    name = f"bench-{uuid.uuid4().hex[:12]}"
    config = {"connection.url": url, "table.name": "orders", "batch.size": size, "offsets.storage": offsets}
    config |= {"insert.mode": "upsert", "pk.fields": "id"} if upsert else {"insert.mode": "insert"}

    async with Worker(TimedBroker(data, timing)) as worker:
        with settled():
            await worker.create({"name": name, "connectorClass": "postgres-sink", "topics": [topic], "config": config})
            await worker.drained(name, timeout=SECONDS)

    timing.report(0)


def measure(*, side: str, **told: Any) -> Any:
    """Return what one side does."""
    return bare(**told) if side == "bare" else ours(**told, offsets="target" if side == "ours" else "broker")


if __name__ == "__main__":
    asyncio.run(measure(**json.loads(sys.argv[1])))
