"""What an object of the S3 sink says of itself is so, in every format, as a whole worker writes them to a real store."""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import attrs
import fastavro
import pyarrow.parquet as pq
import pytest

from services import Bucket
from streamhouse_connect import MemoryBroker, NewRecords, Worker

RECORDS = 200
HOUR_MS = 3_600_000


@attrs.frozen
class Stored:
    """An object as the store has it."""

    key: str
    body: bytes
    metadata: dict[str, str]


def rows_of_json(body: bytes) -> list[int]:
    return [json.loads(line)["n"] for line in body.splitlines()]


def rows_of_parquet(body: bytes) -> list[int]:
    file = pq.ParquetFile(io.BytesIO(body))
    rows: list[int] = file.read().column("n").to_pylist()
    assert file.metadata.num_rows == len(rows)
    return rows


def rows_of_avro(body: bytes) -> list[int]:
    blocks: list[Any] = list(fastavro.block_reader(io.BytesIO(body)))
    rows = [row["n"] for block in blocks for row in block]
    assert sum(block.num_records for block in blocks) == len(rows)
    return rows


@pytest.mark.parametrize(
    ("file_format", "rows_of"), [("json", rows_of_json), ("parquet", rows_of_parquet), ("avro", rows_of_avro)]
)
async def test_the_metadata_of_an_object_agree_with_what_is_in_it(
    s3: Bucket, file_format: str, rows_of: Callable[[bytes], list[int]]
) -> None:
    """Identity, topic, partition, first and last offset, count and checksum; poison and tombstones are not in it."""
    values = [b'{"n":%d}' % n if n % 7 else None if n % 2 else b'{"n":' for n in range(RECORDS)]
    partitions = [n % 2 for n in range(RECORDS)]
    hours = [n // 20 % 2 * HOUR_MS for n in range(RECORDS)]

    async with Worker(MemoryBroker()) as worker:
        topic = await worker.broker.create_topic("orders", partitions=2)
        records = NewRecords(values=values, partitions=partitions, timestamps=hours)
        appended = await worker.broker.append("orders", records)
        info = await worker.create(connector(s3, format=file_format))
        await worker.drained("orders", timeout=30)

    found = list(objects(s3))
    assert len(found) > 4
    assert Counter(n for each in found for n in rows_of(each.body)) == Counter(n for n in range(RECORDS) if n % 7)

    for each in found:
        rows = rows_of(each.body)
        assert each.metadata == {
            "streamhouse-identity": f"{info.uid}/0/{topic.id}",
            "streamhouse-topic": "orders",
            "streamhouse-partition": str(partitions[rows[0]]),
            "streamhouse-first-offset": str(appended.offsets[rows[0]]),
            "streamhouse-last-offset": str(appended.offsets[rows[-1]]),
            "streamhouse-count": str(len(rows)),
            "streamhouse-checksum": f"sha256:{hashlib.sha256(each.body).hexdigest()}",
        }


def connector(bucket: Bucket, **options: object) -> dict[str, Any]:
    config = {
        "s3.bucket": bucket.name,
        "s3.endpoint": bucket.server.url,
        "s3.access.key": bucket.server.access_key,
        "s3.secret.key": bucket.server.secret_key,
        "partitioning": "hourly",
        "errors.tolerance": "all",
        "batch.size": 30,
        "batch.interval_ms": 10,
        **options,
    }
    return {"name": "orders", "connectorClass": "s3-sink", "topics": ["orders"], "config": config}


def objects(bucket: Bucket) -> Iterator[Stored]:
    """Read all objects of a bucket."""
    with closing(bucket.server.client()) as client:
        for each in client.list_objects_v2(Bucket=bucket.name).get("Contents", []):
            answer = client.get_object(Bucket=bucket.name, Key=each["Key"])

            with answer["Body"] as body:
                yield Stored(each["Key"], body.read(), answer["Metadata"])
