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
    from collections.abc import AsyncIterator, Awaitable, Iterable

    from psycopg.pq.abc import PGconn

    from streamhouse_postgres_sink._config import PostgresConfig

__all__ = ["Connection", "connect"]

_SETTINGS: Final = {
    # What text means. An administrator's preference for one role, or one database, must not be what decides it.
    "TimeZone": "UTC",
    "timezone_abbreviations": "Default",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "array_nulls": "on",
    "xmloption": "content",
    "client_encoding": "UTF8",
    # How long a transaction may take, or a session that has nothing to do: `write.timeout_ms` and the runtime see to that.
    "transaction_timeout": "0",
    "idle_session_timeout": "0",
}
"""What every transaction relies on, whatever the server, the database or the role prefers, or somebody before us has set."""

_TIMEOUTS: Final = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")

# Not every server has each of them. What is committed is on disk.
_SET: Final = """
SELECT set_config(name, value, {is_local})
FROM (VALUES {values}) AS wanted (name, value)
WHERE current_setting(name, true) IS NOT NULL
UNION ALL SELECT set_config(name, CASE setting WHEN 'off' THEN 'on' ELSE setting END, {is_local})
FROM (SELECT 'synchronous_commit', current_setting('synchronous_commit')) AS now (name, setting)
"""

# A statement sees what was committed before it, such as what another worker has done to a table.
_BEGIN: Final = b"BEGIN ISOLATION LEVEL READ COMMITTED"

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

        await self.execute(self._set(is_local=False))

        with contextlib.suppress(psycopg.errors.InvalidParameterValue):  # not every platform can
            await self.execute(_NOTICE_LOSS)

    @property
    def opening(self) -> bytes:
        """What begins a transaction, as one text for one round trip; not for a pipeline."""
        return b"; ".join(self._opening)

    async def begin(self) -> None:
        """Begin a transaction in a pipeline, where this takes no time of its own."""
        for statement in self._opening:
            await self.execute(statement)

    @contextlib.asynccontextmanager
    async def transact(
        self, begun: Awaitable[None] | None = None, *, last: Iterable[bytes] = ()
    ) -> AsyncIterator[None]:
        """Commit what is done in a transaction, or roll back; `begun` begins it, and does more.

        The statements that come last go to the server together with COMMIT; it does not commit if one of them fails.
        """
        self.has_sent.clear()

        try:
            await (self.execute(self.opening) if begun is None else begun)
            yield
            await self.execute(b"; ".join([*last, b"COMMIT"]))
        except BaseException:
            await self.undo()
            raise
        finally:
            self.has_sent.set()

    async def undo(self) -> None:
        """Roll back; a connection that is lost needs none."""
        with contextlib.suppress(psycopg.Error):
            await self.rollback()

    @property
    def _opening(self) -> list[bytes]:
        return [_BEGIN, self._set(is_local=True)] if self.is_pooled else [_BEGIN]

    def _set(self, *, is_local: bool) -> bytes:
        settings = {**_SETTINGS, **dict.fromkeys(_TIMEOUTS, str(self.timeout_ms))}
        values = ", ".join(f"('{name}', '{value}')" for name, value in settings.items())
        return _SET.format(is_local=is_local, values=values).encode()


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
