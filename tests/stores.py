"""A definition store in memory that tells workers of each other, as the one in Kafka does: for tests of workers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

from streamhouse_connect import Definition, MemoryDefinitionStore, RetriableError


class SharedMemory:
    """What the stores of several workers have in common."""

    def __init__(self) -> None:
        self.definitions = MemoryDefinitionStore()
        self.reports: dict[tuple[str, str], bytes] = {}
        self.listeners: list[asyncio.Queue[str]] = []


class SharedDefinitionStore(MemoryDefinitionStore):
    """One worker's view; all of them are to be on one event loop."""

    def __init__(self, shared: SharedMemory) -> None:
        super().__init__()
        self.shared = shared
        self.out_of_reach: str | None = None
        self.before_replace: list[Definition] = []
        """What another worker puts there just before, once each."""

    async def all(self) -> list[Definition]:
        return await self.shared.definitions.all()

    async def create(self, definition: Definition) -> Definition:
        self._reach()
        return self._tell(await self.shared.definitions.create(definition))

    async def replace(self, definition: Definition, *, expected: int | None = None) -> Definition:
        self._reach()

        if self.before_replace:
            self._tell(await self.shared.definitions.replace(self.before_replace.pop(0)))

        return self._tell(await self.shared.definitions.replace(definition, expected=expected))

    async def delete(self, name: str, *, expected: int | None = None) -> None:
        self._reach()
        await self.shared.definitions.delete(name, expected=expected)

        for listener in self.shared.listeners:
            listener.put_nowait(name)

    async def get_state(self, uid: str, key: str) -> tuple[bytes, int] | None:
        return await self.shared.definitions.get_state(uid, key)

    async def put_state(self, uid: str, key: str, value: bytes, *, expected: int | None) -> int:
        self._reach()
        return await self.shared.definitions.put_state(uid, key, value, expected=expected)

    @property
    def stale(self) -> str | None:
        return self.out_of_reach

    def changes(self) -> AsyncIterator[frozenset[str]]:
        listener: asyncio.Queue[str] = asyncio.Queue()
        self.shared.listeners.append(listener)

        async def names() -> AsyncIterator[frozenset[str]]:
            while True:
                yield frozenset({await listener.get()})

        return names()

    async def report(self, worker: str, connector: str, status: bytes | None) -> None:
        self.shared.reports.pop((worker, connector), None)

        if status is not None:
            self.shared.reports[worker, connector] = status

    async def reports(self, connector: str) -> Mapping[str, bytes]:
        return {worker: status for (worker, name), status in self.shared.reports.items() if name == connector}

    def _reach(self) -> None:
        if self.out_of_reach:
            raise RetriableError(self.out_of_reach)

    def _tell(self, definition: Definition) -> Definition:
        for listener in self.shared.listeners:
            listener.put_nowait(definition.name)

        return definition
