"""Work that takes long enough for other requests to notice goes to a thread."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["off_loop"]

T = TypeVar("T")

_BYTES: Final = 64 * 1024


async def off_loop(work: Callable[[bytes], T], body: bytes) -> T:
    """Do it in a thread if the body is large, else at once."""
    return work(body) if len(body) < _BYTES else await asyncio.to_thread(work, body)
