"""Where the benchmark over Kafka delivers to: what each side is told of a place, and how many records are there at the end."""

from __future__ import annotations

import json
import tempfile
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlsplit

import attrs
import psycopg
import pyarrow.parquet as pq

from benchmarks.elasticsearch import stub
from benchmarks.orders import ORDER_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Place", "drop", "files", "files_in", "index", "instant_index", "lines", "rows", "table"]

_TABLE: Final = "CREATE TABLE orders (id bigint {key}, customer text, amount double precision, items jsonb, note text)"
_BATCH: Final = 10_000
_CHUNK: Final = 1 << 20


@attrs.frozen
class Place:
    """A destination that is ready for one measurement."""

    ours: dict[str, Any]
    """A connector's class and configuration."""
    peer: dict[str, Any]
    """The name of a sink in `peer_quixstreams`, and its options."""
    records: Callable[[int], float]
    """Counts what is there; it is given the bytes that a drop sink has seen."""


@contextmanager
def drop() -> Iterator[Place]:
    """Have values touched, and nothing kept."""
    yield Place(
        {"connectorClass": "drop-sink", "config": {"batch.size": 10_000}},
        {"sink": "drop", "options": {}},
        lambda nbytes: nbytes / ORDER_BYTES,
    )


@contextmanager
def files(kind: Literal["json", "parquet"]) -> Iterator[Place]:
    """Make a directory for files."""
    with tempfile.TemporaryDirectory() as directory:
        yield Place(
            {"connectorClass": "file-sink", "config": {"file.path": directory, "format": kind}},
            {"sink": "file", "options": {"directory": directory, "format": kind}},
            lambda _: sum(map(rows if kind == "parquet" else lines, files_in(Path(directory)))),
        )


@contextmanager
def table(url: str, mode: Literal["insert", "upsert"]) -> Iterator[Place]:
    """Make a table, the same for both: with a primary key for upserts, without one for inserts."""
    upsert = mode == "upsert"
    config = {"connection.url": url, "table.name": "orders", "batch.size": _BATCH, "insert.mode": mode}
    at = urlsplit(url)
    options = {"host": at.hostname, "port": at.port, "dbname": at.path[1:], "user": at.username, "password": ""}
    options |= {"table_name": "orders", "include_metadata": False, "schema_auto_update": False}

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS orders")
        connection.execute(_TABLE.format(key="PRIMARY KEY" if upsert else ""))
        connection.execute("CHECKPOINT")  # what came before is written, and not during the measurement

    yield Place(
        {
            "connectorClass": "postgres-sink",
            "config": {**config, **({"pk.fields": "id"} if upsert else {})},
        },
        {
            "sink": "postgres",
            "options": {**options, "primary_key_columns": "id" if upsert else (), "upsert_on_primary_key": upsert},
        },
        lambda _: _count(url),
    )


@contextmanager
def instant_index() -> Iterator[Place]:
    """Start a server that accepts every document at once: what is measured is the client."""
    with stub() as url, index(url) as place:
        yield place


@contextmanager
def index(url: str) -> Iterator[Place]:
    """Name an index that does not exist yet. The peer's requests have 500 documents, which it lets nobody change."""
    _ask(f"{url}/orders?ignore_unavailable=true", "DELETE")

    def documents(_: int) -> int:
        _ask(f"{url}/orders/_refresh", "POST")
        return int(_ask(f"{url}/orders/_count", "GET")["count"])

    yield Place(
        {
            "connectorClass": "elasticsearch-sink",
            "config": {"connection.url": url, "index.name": "orders", "batch.size": _BATCH},
        },
        {"sink": "elasticsearch", "options": {"url": url, "index": "orders"}},
        documents,
    )


def files_in(directory: Path) -> Iterator[Path]:
    """Yield what was written into a directory."""
    return (path for path in directory.rglob("*") if path.is_file() and not path.name.startswith("."))


def lines(path: Path) -> int:
    """Count the records of a file of JSON."""
    with path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(_CHUNK), b""))


def rows(path: Path) -> int:
    """Count the records of a file of Parquet."""
    return int(pq.ParquetFile(path).metadata.num_rows)


def _count(url: str) -> int:
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT count(*), count(DISTINCT id) FROM orders").fetchone()
        assert found
        return int(min(found))


def _ask(url: str, method: str) -> dict[str, Any]:
    with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=60) as answer:
        result: dict[str, Any] = json.load(answer)
        return result
