"""The thread of a client: one job at a time, others in between, and no deadlock with the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from functools import partial

import pytest

from streamhouse_connect.brokers.kafka._client_thread import ClientThread


@pytest.fixture
def thread() -> Iterator[ClientThread]:
    """A thread that ends with the test."""
    made = ClientThread("test")
    yield made
    made.close()


def test_jobs_are_done_in_one_thread_and_in_order(thread: ClientThread) -> None:
    """From whatever thread they are asked for; what they raise comes back."""
    done: list[int] = []

    def job(number: int) -> int:
        done.append(number)
        return threading.get_ident()

    places = {future.result(5) for future in [thread.submit(partial(job, number)) for number in range(10)]}
    assert done == list(range(10))
    assert len(places) == 1

    with pytest.raises(ZeroDivisionError):
        thread.submit(lambda: 1 // 0).result(5)


def test_a_long_job_lets_others_in_between(thread: ClientThread) -> None:
    """They are done when it says so."""
    waiting = threading.Event()
    inner: list[Future[str]] = []

    def long() -> str:
        waiting.wait(5)
        thread.serve()
        return inner[0].result(0)

    outer = thread.submit(long)
    inner.append(thread.submit(lambda: "in between"))
    waiting.set()
    assert outer.result(5) == "in between"


async def test_a_callback_may_wait_for_the_event_loop_that_waits_for_the_client(thread: ClientThread) -> None:
    """As a rebalance does, whose listener commits."""
    loop = asyncio.get_running_loop()

    async def listener() -> str:
        return await asyncio.wrap_future(thread.submit(lambda: "committed"))

    def callback() -> str:
        told = asyncio.run_coroutine_threadsafe(listener(), loop)
        thread.serve_until(told)
        return told.result(0)

    async with asyncio.timeout(5):
        assert await asyncio.wrap_future(thread.submit(callback)) == "committed"


def test_closing_does_the_jobs_that_wait(thread: ClientThread) -> None:
    """Also when it is asked for from inside a job's own waiting."""
    first = thread.submit(thread.serve)
    last = thread.submit(lambda: "last")
    thread.close()
    first.result(5)
    assert last.result(5) == "last"
