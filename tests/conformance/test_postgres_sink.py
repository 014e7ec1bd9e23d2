"""The PostgreSQL sink, by the suite for all sinks of mixed batches."""

from collections.abc import Sequence

import attrs
import psycopg
import pytest

from services import Database
from streamhouse_connect import SecretUrl
from streamhouse_connect.testing.sinks import Place, SinkConformance
from streamhouse_postgres_sink import PostgresConfig, PostgresSink


@attrs.frozen
class Table:
    url: str

    def sink(self) -> PostgresSink:
        config = PostgresConfig(url=SecretUrl(self.url), table_name="orders", insert_mode="insert")
        return PostgresSink(config)

    async def numbers(self) -> Sequence[int]:
        with psycopg.connect(self.url) as connection:
            return [n for (n,) in connection.execute("SELECT n FROM orders")]


class TestPostgresSink(SinkConformance):
    @pytest.fixture
    def place(self, postgres: Database) -> Place:
        with psycopg.connect(postgres.url) as connection:
            connection.execute("CREATE TABLE orders (n int)")

        return Table(postgres.url)
