"""What can be done with a batch before its transaction: its records are read, divided among their tables, and made lines.

All of it is done in short steps, so that it can be done while the server works on the batch before. What is not done by then, or
turns out not to fit any more, is done when the batch is written. Knows the session only by what it plans.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import attrs

from streamhouse_postgres_sink._parts import Part, parts
from streamhouse_postgres_sink._reading import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streamhouse_connect import Batch
    from streamhouse_postgres_sink._config import PostgresConfig
    from streamhouse_postgres_sink._session import Session
    from streamhouse_postgres_sink._targets import Work

__all__ = ["Preparation"]


@attrs.define(eq=False)
class Preparation:
    """One batch on its way into tables."""

    batch: Batch
    _config: PostgresConfig
    _reading: Reading = attrs.field(init=False)
    works: Sequence[Work] = attrs.field(default=(), init=False)
    """What is planned of it beforehand."""
    is_over: bool = attrs.field(default=False, init=False)
    """The batch is being written: what is left to do is done there."""

    def __attrs_post_init__(self) -> None:
        self._reading = Reading(self.batch, self._config)

    async def go_on(self, session: Session) -> None:
        """Do all that there is, while the server has something to do: before, time is better spent on that. Ends once it `is_over`."""
        idle = session.has_sent
        await idle.wait()

        await self._repeat(self._reading.step, idle)

        if self.is_over or self.rejected:
            return

        self.works = session.fitting(self.parts())

        for load in [load for work in self.works for load in work.loads]:
            await self._repeat(load.step, idle)

    @property
    def rejected(self) -> dict[int, str]:
        """Why records have no fields, by their indexes."""
        return self._reading.decoded.rejected

    def parts(self) -> Sequence[Part]:
        """Return the records by their tables; there must be none that are rejected."""
        return parts(self.batch, self._reading.decoded, self._config.tables)

    async def _repeat(self, step: Callable[[], bool], idle: asyncio.Event) -> None:
        """Take the steps that there are; between them, give way to others, and wait until there is time again."""
        while not self.is_over and step():
            await asyncio.sleep(0)
            await idle.wait()
