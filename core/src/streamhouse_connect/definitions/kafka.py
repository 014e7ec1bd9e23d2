"""Definitions in compacted Kafka topics, shared by all workers of a group: each reads all, and writes are fenced transactions.

    <group>-configs   one partition, compacted: the definitions, with their secrets as they were given, and the states of sinks
    <group>-status    what the tasks of every worker are doing

Whoever may read the first one can read the secrets in it. The client library comes with the extra `kafka`, and is taken in when
a store is opened.
"""

from __future__ import annotations

import asyncio
import re
import time
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, ClassVar, Final, TypeVar

from streamhouse_connect.definitions import _writes, codec
from streamhouse_connect.definitions._changes import Changes
from streamhouse_connect.definitions._errors import damaged
from streamhouse_connect.definitions._reports import StatusKey
from streamhouse_connect.definitions.interface import Definition, DefinitionStore
from streamhouse_connect.errors import ConfigError, FatalError, Problem

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from streamhouse_connect.definitions._session import Session
    from streamhouse_connect.definitions._view import View
    from streamhouse_connect.definitions._writes import Write

__all__ = ["KafkaDefinitionStore"]

R = TypeVar("R")

_GROUP: Final = re.compile(r"[a-zA-Z0-9._-]{1,240}")


class KafkaDefinitionStore(DefinitionStore):
    """Keeps definitions in topics that begin with `group`, made if they are missing, on as many brokers as there are, up to three.

    What a method has returned for was committed, and read back. While the brokers are out of reach, a write raises
    `RetriableError` after some seconds, and everything that reads answers from what is known; `stale` says why. `properties` are
    librdkafka's. `clock` tells when a worker was heard of last.

    :raises FatalError: if the client library is not installed.
    :raises ConfigError: if the name of the group cannot be part of a topic's.
    """

    durable: ClassVar[bool] = True

    def __init__(
        self,
        bootstrap_servers: str,
        *,
        group: str = "streamhouse-connect",
        properties: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if find_spec("confluent_kafka") is None:
            raise FatalError(
                'the Kafka definition store needs confluent-kafka: pip install "streamhouse-connect[kafka]"'
            )

        if not _GROUP.fullmatch(group):
            raise ConfigError([Problem("group", "has to have 1 to 240 letters, digits, dots, underscores and hyphens")])

        self.group = group
        self._properties = {**(properties or {}), "bootstrap.servers": bootstrap_servers}
        self._clock = clock
        self._opened: Session | None = None

    async def open(self) -> None:
        """Make the topics if they are missing, and read them.

        :raises RetriableError: if the brokers are out of reach.
        :raises FatalError: if they refuse, or if definitions would not last in the topic that there is.
        """
        from streamhouse_connect.definitions._session import Session  # noqa: PLC0415 - takes the client library in

        self._opened = await asyncio.to_thread(Session.start, self._properties, group=self.group, clock=self._clock)

    async def close(self) -> None:
        opened, self._opened = self._opened, None

        if opened is not None:
            await asyncio.to_thread(opened.close)

    async def all(self) -> list[Definition]:
        texts = self._session.reader.look(lambda view: sorted(view.definitions.items()))
        return [codec.decode(text) for _, text in texts]

    async def damaged(self) -> Mapping[str, str]:
        found = self._session.reader.look(lambda view: sorted(view.damaged.items()))
        return {name: str(damaged(name, reason)) for name, reason in found}

    async def create(self, definition: Definition) -> Definition:
        return await self._write(partial(_writes.create, definition=definition))

    async def replace(self, definition: Definition, *, expected: int | None = None) -> Definition:
        return await self._write(partial(_writes.replace, definition=definition, expected=expected))

    async def delete(self, name: str, *, expected: int | None = None) -> None:
        await self._write(partial(_writes.delete, name=name, expected=expected))

    async def get_state(self, uid: str, key: str) -> tuple[bytes, int] | None:
        return self._session.reader.look(lambda view: view.states.get((uid, key)))

    async def put_state(self, uid: str, key: str, value: bytes, *, expected: int | None) -> int:
        return await self._write(partial(_writes.put_state, uid=uid, key=key, value=value, expected=expected))

    @property
    def stale(self) -> str | None:
        return None if self._opened is None else self._opened.reader.stale

    def changes(self) -> AsyncIterator[frozenset[str]]:
        """Yield the names whose definitions may have been changed, from this call on; by this store too."""
        changes = Changes(asyncio.get_running_loop())
        self._session.reader.listen(changes)
        return changes

    async def report(self, worker: str, connector: str, status: bytes | None) -> None:
        self._session.reporter.tell(StatusKey(worker, connector), status)

    async def reports(self, connector: str) -> Mapping[str, bytes]:
        return self._session.reader.reports(connector)

    @property
    def _session(self) -> Session:
        if self._opened is None:
            raise FatalError(
                f"the definition store of the group {self.group!r} is not open; use it inside `async with`"
            )

        return self._opened

    async def _write(self, decide: Callable[[View], Write[R]]) -> R:
        return await asyncio.wrap_future(self._session.writer.submit(decide))
