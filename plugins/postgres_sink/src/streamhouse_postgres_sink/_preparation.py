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
    from collections.abc import Sequence

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

    def __attrs_post_init__(self) -> None:
        self._reading = Reading(self.batch, self._config)

    async def go_on(self, session: Session) -> None:
        """Do all that there is, but only while the server has something to do: until then the time is better spent on that."""
        idle = session.has_sent
        await idle.wait()

        while self._reading.step():
            await _rest(idle)

        if self.rejected:
            return

        self.works = session.fitting(self.parts())

        for load in [load for work in self.works for load in work.loads]:
            while load.step():
                await _rest(idle)

    @property
    def rejected(self) -> dict[int, str]:
        """Why records have no fields, by their indexes."""
        return self._reading.decoded.rejected

    def parts(self) -> Sequence[Part]:
        """Return the records by their tables; there must be none that are rejected."""
        return parts(self.batch, self._reading.decoded, self._config.tables)


async def _rest(idle: asyncio.Event) -> None:
    """Give way to others, and wait until there is time again."""
    await asyncio.sleep(0)
    await idle.wait()
