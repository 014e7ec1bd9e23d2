"""What a process that only serves is tuned to. An application that embeds the core decides about its own process."""

from __future__ import annotations

import gc
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["prepare", "settled"]

_POOL: Final = "ARROW_DEFAULT_MEMORY_POOL"
_NEW_OBJECTS: Final = 50_000


def prepare() -> None:
    """Choose what libraries read once, when they are imported: call it before plugins are.

    Arrow's own pool keeps what each thread has used for that thread: 100 MB with the threads that format files.
    """
    os.environ.setdefault(_POOL, "system")


@contextmanager
def settled() -> Iterator[None]:
    """Have the collector of garbage pass over what is there now, and look less often at what comes.

    What a start leaves stays until the end. Records come and go by the ten thousand and are in no cycles: with Python's own
    threshold a fifth of the time and more goes into looking at them.
    """
    threshold = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, *threshold[1:])

    try:
        yield
    finally:
        gc.set_threshold(*threshold)
        gc.unfreeze()
