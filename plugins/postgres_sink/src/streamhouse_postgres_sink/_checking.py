"""Looks at the database and the table before there is a connector, and leaves nothing there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from streamhouse_connect import DeliveryError, Problem
from streamhouse_postgres_sink._catalogue import absence, find_table, problems_with
from streamhouse_postgres_sink._connection import connect
from streamhouse_postgres_sink._errors import translate
from streamhouse_postgres_sink._targets import needs_of
from streamhouse_postgres_sink._url import place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import AsyncConnection

    from streamhouse_postgres_sink._config import PostgresConfig

__all__ = ["problems_found"]


async def problems_found(config: PostgresConfig) -> Sequence[Problem]:
    """Return what would keep a connector from writing, by the options to correct."""
    try:
        connection = await connect(config, connector="check")
    except DeliveryError as error:
        return [Problem("connection.url", str(error))]

    try:
        return await _problems_with_table(connection, config)
    except psycopg.Error as error:
        return [Problem("connection.url", str(translate(error, place=place(config.url))))]
    finally:
        await connection.close()


async def _problems_with_table(connection: AsyncConnection, config: PostgresConfig) -> Sequence[Problem]:
    if not config.tables.is_single:  # the tables are known with the topics, when the connector starts
        return []

    table = await find_table(connection, config.tables.name)

    if table is None:
        return [] if config.auto_create else [Problem("table.name", absence(config.tables.name))]

    return list(problems_with(table, mode=config.mode, needs=needs_of(config)))
