from __future__ import annotations

import asyncio

import pytest

from streamhouse_connect import RetriableError
from streamhouse_elasticsearch_sink._limit import Limit, TooBusy


async def sent(limit: Limit, *, times: int = 1, refused: bool = False) -> None:
    for _ in range(times):
        async with limit.turn() as turn:
            turn.was_refused = refused


async def test_no_more_than_the_limit_are_under_way():
    """Who comes later waits for somebody to come back."""
    limit = Limit(2, changed=lambda _: None)
    under_way: list[int] = []
    go = asyncio.Event()

    async def send(number: int) -> None:
        async with limit.turn():
            under_way.append(number)
            await go.wait()
            under_way.remove(number)

    sending = [asyncio.create_task(send(number)) for number in range(5)]

    for _ in range(20):
        await asyncio.sleep(0)

    assert under_way == [0, 1]
    go.set()
    await asyncio.gather(*sending)


async def test_it_is_halved_at_once_and_raised_by_one_after_many_good_answers():
    """Down to one and no further, up to the most and no further; each change is told."""
    changes: list[int] = []
    limit = Limit(8, changed=changes.append)
    await sent(limit, times=4, refused=True)
    assert (limit.current, changes) == (1, [4, 2, 1])
    await sent(limit, times=9)
    assert limit.current == 1
    await sent(limit)
    assert limit.current == 2
    await sent(limit, times=200)
    assert (limit.current, changes) == (8, [4, 2, 1, 2, 3, 4, 5, 6, 7, 8])


async def test_a_refusal_begins_the_count_of_good_answers_anew():
    """Only many in a row raise it."""
    limit = Limit(2, changed=lambda _: None)
    await sent(limit, refused=True)
    await sent(limit, times=9)
    await sent(limit, refused=True)
    await sent(limit, times=9)
    assert limit.current == 1


async def test_requests_that_were_under_way_together_lower_it_once():
    """All of them met the same crowd."""
    limit = Limit(8, changed=lambda _: None)
    together = asyncio.Barrier(8)

    async def send() -> None:
        async with limit.turn() as turn:
            await together.wait()
            turn.was_refused = True

    await asyncio.gather(*(send() for _ in range(8)))
    assert limit.current == 4


async def test_a_whole_request_that_is_refused_lowers_it_and_another_failure_does_not():
    """And both make room for the next."""
    limit = Limit(4, changed=lambda _: None)

    for error, expected in ((RetriableError("gone"), 4), (TooBusy("busy"), 2), (asyncio.CancelledError(), 2)):
        with pytest.raises(type(error)):
            async with limit.turn():
                raise error

        assert limit.current == expected

    await asyncio.gather(*(sent(limit) for _ in range(3)))
