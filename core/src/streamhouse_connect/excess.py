"""Excess: what a file holds beyond the records that met it, by number, as long as their offsets are not known. Pure.

A replay may cut shorter than the run before it: the file that is there then holds records that the sink has not been shown
yet. How many they are is known, not their offsets, and so not where the file ends: until it is, a restart has to begin where
the file does, for only there is it met again. That is what `ReplayFrom` asks of the runtime, and why nothing needs to be
stored: commits stand where files begin or end, never inside one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from streamhouse_connect.sinks import ReplayFrom

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Excess"]


@attrs.frozen
class Excess:
    """A file that starts at an offset of its route and holds so many records more than the route has shown since."""

    first_offset: int
    more: int

    def show(self, offsets: Sequence[int]) -> tuple[int | ReplayFrom, Excess | None]:
        """Return the answer to a write of the route's next records, and what is in excess then.

        Records that the format rejects are in no file: they must not be among them.
        """
        left = self.more - len(offsets)

        if left > 0:
            return ReplayFrom(self.first_offset), Excess(self.first_offset, left)

        return (offsets[self.more] if left else offsets[-1] + 1), None
