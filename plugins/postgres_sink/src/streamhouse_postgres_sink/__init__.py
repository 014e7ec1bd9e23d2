"""The PostgreSQL sink of StreamHouse Connect: rows by COPY, and upserts in which the last of a key counts."""

from streamhouse_postgres_sink._config import PostgresConfig
from streamhouse_postgres_sink._plugin import streamhouse_register_sinks
from streamhouse_postgres_sink._sink import PostgresSink

__all__ = ["PostgresConfig", "PostgresSink", "streamhouse_register_sinks"]
