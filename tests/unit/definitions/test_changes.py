"""Names handed from a thread to a task."""

import asyncio
import threading

import pytest

from streamhouse_connect.definitions._changes import Changes


async def test_what_was_added_meanwhile_comes_together() -> None:
    """A task that was busy gets all names at once, each once."""
    changes = Changes(asyncio.get_running_loop())
    changes.add({"a"})
    changes.add({"a", "b"})

    assert await anext(changes) == {"a", "b"}


async def test_a_thread_wakes_who_waits() -> None:
    """Names may come from any thread."""
    changes = Changes(asyncio.get_running_loop())
    waiting = asyncio.ensure_future(anext(changes))
    await asyncio.sleep(0)
    thread = threading.Thread(target=changes.add, args=({"a"},))
    thread.start()

    assert await waiting == {"a"}
    thread.join()


async def test_the_end_ends_the_iteration() -> None:
    """Also for who waits already."""
    changes = Changes(asyncio.get_running_loop())
    waiting = asyncio.ensure_future(anext(changes))
    await asyncio.sleep(0)
    changes.end()

    with pytest.raises(StopAsyncIteration):
        await waiting

    assert [names async for names in changes] == []


def test_nobody_is_told_after_the_loop() -> None:
    """A loop that is closed has nobody who waits."""
    loop = asyncio.new_event_loop()
    changes = Changes(loop)
    loop.close()

    changes.add({"a"})
    changes.end()
