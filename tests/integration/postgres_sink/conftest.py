"""Sinks against a database of each major version."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, cast

import attrs
import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from integration.postgres_sink.proxy import Proxy
from services import UNSYNCED, Database, Postgres, Service
from streamhouse_connect import Batch, SecretUrl, TopicPartition
from streamhouse_connect.testing import make_batch, make_context
from streamhouse_postgres_sink import PostgresConfig, PostgresSink

_DISCONNECT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
_SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema)'"

ORDERS = TopicPartition("orders", 0)

Row = tuple[Any, ...]


@attrs.frozen
class Sql:
    """The database, as somebody else uses it."""

    url: str
    server: Postgres

    def run(self, statement: str, *parameters: object) -> list[Row]:
        """Run a statement in a connection and a transaction of its own; return its rows, if it has any."""
        with psycopg.connect(self.url) as connection:
            connection.execute("SET TimeZone = 'Asia/Tokyo'")
            cursor = connection.execute(statement.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []


@attrs.define
class Opened:
    """An opened sink that has the one partition of each topic, and the events that it has counted."""

    sink: PostgresSink
    counts: Counter[str]
    topics: Sequence[str] = ("orders",)
    at: int = 0
    """The next offset."""

    async def resume(self) -> None:
        """Have the partitions assigned, to go on from where the database says."""
        found = await self.sink.resume([TopicPartition(topic, 0) for topic in self.topics])
        self.at = found.get(ORDERS, self.at)

    async def write_topics(self, topics: Mapping[str, Sequence[object]]) -> None:
        """Write records of several topics in one batch."""
        batches = [
            make_batch([encoded(record) for record in records], topic=topic, first_offset=self.at)
            for topic, records in topics.items()
        ]
        await self.sink.write(Batch.concat(batches))
        self.at += max(map(len, batches))

    async def write(self, *records: object) -> None:
        """Write records, bytes as they are, anything else as JSON; what fails is written again at the same offsets."""
        await self.sink.write(batch(*records, first_offset=self.at))
        self.at += len(records)

    async def write_keyed(self, *records: tuple[object, object], timestamps: Sequence[int] | None = None) -> None:
        """Write records of a key and a value; a value of None is a tombstone, a key of None is none."""
        keys = [None if key is None else encoded(key) for key, _ in records]
        values = [None if value is None else encoded(value) for _, value in records]
        await self.sink.write(make_batch(values, keys=keys, timestamps=timestamps, first_offset=self.at))
        self.at += len(records)


OpenSink = Callable[..., Awaitable[Opened]]


def make_types(sql: Sql) -> None:
    """Make an enum, domains, domains over domains, and a composite type."""
    sql.run("CREATE TYPE mood AS ENUM ('sad', 'happy')")
    sql.run("CREATE DOMAIN positive AS int CHECK (VALUE > 0)")
    sql.run("CREATE DOMAIN document AS jsonb")
    sql.run("CREATE DOMAIN digest AS bytea")
    sql.run("CREATE DOMAIN positives AS positive[]")
    sql.run("CREATE DOMAIN small AS positive CHECK (VALUE < 100) NOT NULL")
    sql.run("CREATE DOMAIN price AS numeric(10,2)")
    sql.run("CREATE DOMAIN amount AS price CHECK (VALUE >= 0)")
    sql.run("CREATE DOMAIN code AS varchar(3)")
    sql.run("CREATE TYPE pair AS (a int, b text)")


def batch(*records: object, first_offset: int = 0) -> Batch:
    """Make a batch of records: bytes as they are, anything else as JSON."""
    return make_batch([encoded(record) for record in records], first_offset=first_offset)


def encoded(value: object) -> bytes:
    """Bytes as they are, anything else as JSON."""
    return value if isinstance(value, bytes) else json.dumps(value).encode()


@pytest.fixture(params=[16, 18])
def postgres_server(request: pytest.FixtureRequest, servers: Any) -> Postgres:
    """Each of the two majors."""
    server: Service = servers.start(("postgres", request.param), lambda: Postgres(request.param, settings=UNSYNCED))
    return cast("Postgres", server)


@pytest.fixture(scope="session")
def databases() -> dict[int, Database]:
    """The database of each server: making one takes longer than most tests."""
    return {}


@pytest.fixture
def postgres(postgres_server: Postgres, databases: dict[int, Database]) -> Iterator[Database]:
    """A database that is emptied after each test."""
    if postgres_server.major not in databases:
        url = postgres_server.create_database("postgres_sink")
        databases[postgres_server.major] = Database("postgres_sink", url, postgres_server)

    database = databases[postgres_server.major]
    yield database
    postgres_server.start()  # the test may have killed it

    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        connection.execute(_DISCONNECT, [database.name])
        connection.execute("ALTER DATABASE postgres_sink RESET ALL")

    with psycopg.connect(database.url, autocommit=True) as connection:
        for (schema,) in connection.execute(_SCHEMAS).fetchall():
            connection.execute(SQL("DROP SCHEMA {} CASCADE").format(Identifier(schema)))

        connection.execute("CREATE SCHEMA public")
        connection.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")


@pytest.fixture
def sql(postgres: Database) -> Sql:
    return Sql(postgres.url, postgres.server)


@pytest.fixture
def user(sql: Sql) -> Iterator[str]:
    """The URL of a user without any privileges."""
    sql.run("CREATE ROLE stranger LOGIN PASSWORD 'hunter2'")
    yield sql.url.replace("postgres@", "stranger:hunter2@")
    sql.run("DROP OWNED BY stranger; DROP ROLE stranger")


@pytest.fixture
async def proxy(sql: Sql) -> AsyncIterator[Proxy]:
    """A way to the database that loses things."""
    made = Proxy(sql.url)
    await made.start()
    yield made
    await made.close()


@pytest.fixture
async def open_sink(postgres: Database) -> AsyncIterator[OpenSink]:
    """Open sinks, each of a connector of its own: upserts into `orders` by `id`, unless said otherwise."""
    opened: list[PostgresSink] = []

    async def open_one(
        *,
        url: str | None = None,
        table: str = "orders",
        mode: Any = "upsert",
        key: tuple[str, ...] = ("id",),
        offsets: Any = "target",
        timeout_ms: int = 60_000,
        uid: str | None = None,
        epoch: int = 0,
        topics: Sequence[str] = ("orders",),
        **options: Any,
    ) -> Opened:
        config = PostgresConfig(
            url=SecretUrl(url or postgres.url),
            table_name=table,
            insert_mode=mode,
            pk_fields=key,
            offsets_storage=offsets,
            write_timeout_ms=timeout_ms,
            **options,
        )
        assert not list(config.problems())
        counts: Counter[str] = Counter()
        sink = PostgresSink(config)
        opened.append(sink)
        ids = {topic: f"{topic}-id" for topic in topics}
        await sink.open(make_context(counts=counts, uid=uid or f"uid-{len(opened)}", epoch=epoch, topic_ids=ids))
        made = Opened(sink, counts, topics)
        await made.resume()
        return made

    yield open_one

    for sink in opened:
        await sink.close()
