"""Looks at the database and the table before there is a connector, and leaves nothing there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from streamhouse_connect import DeliveryError, Problem
from streamhouse_postgres_sink._catalogue import problems_with, read_table
from streamhouse_postgres_sink._connection import connect
from streamhouse_postgres_sink._errors import translate
from streamhouse_postgres_sink._url import place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamhouse_postgres_sink._config import PostgresConfig

__all__ = ["problems_found"]


async def problems_found(config: PostgresConfig) -> Sequence[Problem]:
    """Return what would keep a connector from writing, by the options to correct."""
    try:
        connection = await connect(config, connector="check")
    except DeliveryError as error:
        return [Problem("connection.url", str(error))]

    try:
        return list(problems_with(await read_table(connection, config.table), mode=config.mode))
    except DeliveryError as error:
        return [Problem("table.name", str(error))]
    except psycopg.Error as error:
        return [Problem("connection.url", str(translate(error, place=place(config.url))))]
    finally:
        await connection.close()
