"""Connects to the database, with the few settings that every transaction relies on."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

import psycopg
from psycopg.conninfo import make_conninfo

from streamhouse_postgres_sink._errors import cannot_connect, translate
from streamhouse_postgres_sink._url import connection_parameters, place

if TYPE_CHECKING:
    from psycopg import AsyncConnection

    from streamhouse_postgres_sink._config import PostgresConfig

__all__ = ["connect"]

# Times without a zone are read as UTC, whatever the server's default; what is committed is on disk, whatever the user's
# default.
_SETTINGS: Final = """
SELECT set_config('TimeZone', 'UTC', false),
       set_config('statement_timeout', %(timeout)s, false),
       set_config('lock_timeout', %(timeout)s, false),
       set_config('idle_in_transaction_session_timeout', %(timeout)s, false),
       set_config('synchronous_commit', CASE current_setting('synchronous_commit')
                                        WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false)
"""

# The transaction of a connection that was dropped ends within seconds, and its locks with it.
_NOTICE_LOSS: Final = "SET client_connection_check_interval = '5s'"


async def connect(config: PostgresConfig, *, connector: str) -> AsyncConnection:
    """Connect; the connection commits every statement unless it is told otherwise.

    :raises RetriableError: the server can't be reached.
    :raises FatalError: it can, but not like this.
    """
    timeout = str(config.write_timeout_ms)
    given = connection_parameters(config.url)
    defaults = {"tcp_user_timeout": timeout, "fallback_application_name": f"streamhouse-connect {connector}"}

    try:
        connection = await psycopg.AsyncConnection.connect(make_conninfo(**{**defaults, **given}), autocommit=True)
    except psycopg.Error as error:
        raise cannot_connect(error, place=place(config.url)) from None  # the cause may show parameters

    try:
        await connection.execute(_SETTINGS, {"timeout": timeout})

        with contextlib.suppress(psycopg.errors.InvalidParameterValue):  # not every platform can
            await connection.execute(_NOTICE_LOSS)
    except psycopg.Error as error:
        await connection.close()
        raise translate(error, place=place(config.url)) from error
    except BaseException:
        await connection.close()
        raise

    return connection
