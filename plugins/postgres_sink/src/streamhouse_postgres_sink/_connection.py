"""Connects to the database, with the few settings that every transaction relies on.

A pooler in transaction mode, such as PgBouncer, gives every transaction another connection to the server. Settings, temporary
tables and prepared statements are lost between two of them, or somebody else meets them: what a transaction needs has to be made
in it. That there is a pooler is seen from the number of the server's process, of which it knows nothing when it welcomes a client.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.conninfo import make_conninfo

from streamhouse_postgres_sink._errors import cannot_connect, translate
from streamhouse_postgres_sink._url import place

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from psycopg.pq.abc import PGconn

    from streamhouse_postgres_sink._config import PostgresConfig

__all__ = ["Connection", "connect"]

# Times without a zone are read as UTC, whatever the server's default; what is committed is on disk, whatever the user's
# default.
_SETTINGS: Final = """
SELECT set_config('TimeZone', 'UTC', %(is_local)s),
       set_config('statement_timeout', %(timeout)s, %(is_local)s),
       set_config('lock_timeout', %(timeout)s, %(is_local)s),
       set_config('idle_in_transaction_session_timeout', %(timeout)s, %(is_local)s),
       set_config('synchronous_commit', CASE current_setting('synchronous_commit')
                                        WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, %(is_local)s)
"""

# The transaction of a connection that was dropped ends within seconds, and its locks with it.
_NOTICE_LOSS: Final = "SET client_connection_check_interval = '5s'"


class Connection(psycopg.AsyncConnection[tuple[Any, ...]]):
    """A connection that commits every statement unless a transaction is begun."""

    is_pooled = False
    """Whether each transaction may be another session of the server's."""
    timeout_ms = 0

    def __init__(self, pgconn: PGconn) -> None:
        super().__init__(pgconn)
        self.has_sent = asyncio.Event()
        """Set while there is nothing to send: what goes on then is the server's work."""
        self.has_sent.set()

    async def settle(self) -> None:
        """Find out who is there, and set what the session, or else each transaction, relies on."""
        row = await (await self.execute("SELECT pg_backend_pid()")).fetchone()
        self.is_pooled = row != (self.info.backend_pid,)

        if self.is_pooled:
            self.prepare_threshold = None
            return

        await self._set(is_local=False)

        with contextlib.suppress(psycopg.errors.InvalidParameterValue):  # not every platform can
            await self.execute(_NOTICE_LOSS)

    async def begin(self) -> None:
        """Begin a transaction; in a pipeline this takes no time of its own."""
        await self.execute("BEGIN")

        if self.is_pooled:
            await self._set(is_local=True)

    @contextlib.asynccontextmanager
    async def transact(self, begun: Awaitable[None] | None = None) -> AsyncIterator[None]:
        """Commit what is done in a transaction, or roll back; `begun` begins it in place of `begin`, and does more."""
        self.has_sent.clear()

        try:
            await (self.begin() if begun is None else begun)
            yield
            await self.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(psycopg.Error):  # a connection that is lost needs none
                await self.rollback()

            raise
        finally:
            self.has_sent.set()

    async def _set(self, *, is_local: bool) -> None:
        await self.execute(_SETTINGS, {"timeout": str(self.timeout_ms), "is_local": is_local})


async def connect(config: PostgresConfig, *, connector: str) -> Connection:
    """Connect.

    :raises RetriableError: the server can't be reached.
    :raises FatalError: it can, but not like this.
    """
    defaults = {
        "tcp_user_timeout": str(config.write_timeout_ms),
        "fallback_application_name": f"streamhouse-connect {connector}",
    }

    try:
        connection = await Connection.connect(make_conninfo(**{**defaults, **config.parameters}), autocommit=True)
    except psycopg.Error as error:
        raise cannot_connect(error, place=place(config.url)) from None  # the cause may show parameters

    try:
        connection.timeout_ms = config.write_timeout_ms
        await connection.settle()
    except psycopg.Error as error:
        await connection.close()
        raise translate(error, place=place(config.url)) from error
    except BaseException:
        await connection.close()
        raise

    return connection
