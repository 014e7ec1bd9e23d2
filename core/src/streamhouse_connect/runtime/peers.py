"""The other workers: what this one tells them of its tasks, and what it does about the definitions that they change."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from streamhouse_connect.runtime import reports

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

    from streamhouse_connect.definitions import Definition, DefinitionStore
    from streamhouse_connect.runtime.reconciler import Reconciler

__all__ = ["Peers"]

_REPORT_SECONDS: Final = 0.25
_REVIEW_SECONDS: Final = 5.0

log = logging.getLogger(__name__)


class Peers:
    """Speaks with them through the definition store; alone, there is nothing to say and nothing to hear."""

    def __init__(self, worker: str, definitions: DefinitionStore, reconciler: Reconciler) -> None:
        self.worker = worker
        self._definitions = definitions
        self._reconciler = reconciler
        self._reported: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loops: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Run what is defined, and go on following."""
        changes = self._definitions.changes()
        self._reconciler.damaged = await self._definitions.damaged()

        for definition in await self._definitions.all():
            async with self._reconciler.lock(definition.name):
                await self._reconciler.apply(definition.name, definition)

        self._loops = [
            asyncio.create_task(self._follow(changes)),
            asyncio.create_task(_forever(self._review, every=_REVIEW_SECONDS)),
            asyncio.create_task(_forever(self.report, every=_REPORT_SECONDS)),
        ]

    async def stop(self) -> None:
        """Follow no more; what is being changed is changed to the end."""
        for loop in self._loops:
            loop.cancel()

        if pending := [*self._loops, *self._tasks]:
            await asyncio.wait(pending)

    async def withdraw(self) -> None:
        """Have nothing more to report."""
        for connector in self._reported:
            await self._definitions.report(self.worker, connector, None)

        self._reported.clear()

    async def catch_up(self, name: str) -> None:
        """Do at once what the definition of this name asks for."""
        async with self._reconciler.lock(name):
            await self._reconciler.apply(name, await self.definition(name))
            self._reconciler.damaged = await self._definitions.damaged()

    async def definition(self, name: str) -> Definition | None:
        """Return the definition of this name as it is now."""
        return next((found for found in await self._definitions.all() if found.name == name), None)

    async def report(self) -> None:
        """Tell what is new of each connector."""
        running = self._reconciler.running

        for name in self._reported - running.keys():
            await self._definitions.report(self.worker, name, None)

        for name, each in list(running.items()):
            await self._definitions.report(self.worker, name, reports.encode(each.connector.tasks))

        self._reported = set(running)

    async def _follow(self, changes: AsyncIterator[frozenset[str]]) -> None:
        try:
            async for names in changes:
                for name in names:
                    self._spawn(self._catch_up(name))
        except Exception:
            log.exception("changes_not_followed next_look_in_s=%.0f", _REVIEW_SECONDS)

    async def _review(self) -> None:
        """Look for what was not noticed, or did not succeed."""
        self._reconciler.damaged = await self._definitions.damaged()

        for name in await self._behind():
            self._spawn(self._catch_up(name))

    async def _behind(self) -> set[str]:
        defined = {
            definition.name: (definition.uid, definition.version) for definition in await self._definitions.all()
        }
        running = {name: each.definition for name, each in self._reconciler.running.items()}
        known = {name: (definition.uid, definition.version) for name, definition in running.items()}
        return {name for name in {*defined, *known} if defined.get(name) != known.get(name)}

    async def _catch_up(self, name: str) -> None:
        try:
            await self.catch_up(name)
            await self.report()
        except Exception:
            log.exception("change_not_followed connector=%s", name)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _forever(act: Callable[[], Awaitable[None]], *, every: float) -> None:
    """Act again and again, so many seconds apart, whatever comes of it."""
    told = ""

    while True:
        await asyncio.sleep(every)

        try:
            await act()
        except Exception as error:
            if str(error) != told:
                log.exception("upkeep_failed next_try_in_s=%.2f", every)

            told = str(error)
        else:
            told = ""
