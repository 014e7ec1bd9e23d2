from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Self, cast

import attrs
import pytest
from starlette.testclient import TestClient

from streamhouse_connect import FatalError, MemoryBroker, RetriableError
from streamhouse_connect_server import create_app
from streamhouse_connect_server.startup import Startup

from .fakes import FakeWorker

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamhouse_connect import Worker


@attrs.define
class StartingWorker:
    """Fails to start with each of `failures` in turn, and hangs on None."""

    failures: list[Exception | None] = attrs.field(factory=list)
    on_attempt: Callable[[], None] = lambda: None
    attempts: int = 0
    is_running: bool = False

    async def __aenter__(self) -> Self:
        self.attempts += 1
        self.on_attempt()

        if self.failures:
            failure = self.failures.pop(0)

            if failure is not None:
                raise failure

            await asyncio.Event().wait()

        self.is_running = True
        return self

    async def __aexit__(self, *_: object) -> None:
        self.is_running = False


async def start(worker: StartingWorker, startup: Startup, *, until: asyncio.Future[None] | None = None) -> bool:
    """Start the worker, look whether it runs, and stop it."""
    until = until or asyncio.get_running_loop().create_future()

    async with AsyncExitStack() as stack:
        has_started = await startup.start(cast("Worker", worker), stack, until=until)
        assert worker.is_running == has_started

    assert not worker.is_running
    return has_started


async def test_a_worker_is_started_again_until_it_starts(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever may pass is waited for, and told in the meantime."""
    reasons = []
    startup = Startup(first_pause=0.0)
    worker = StartingWorker(
        [RetriableError("no broker"), TimeoutError(), ConnectionError("refused")],
        on_attempt=lambda: reasons.append(startup.reason),
    )

    assert await start(worker, startup)
    assert reasons == ["the worker is starting", "no broker", "TimeoutError", "refused"]
    assert startup.reason is None
    assert caplog.text.count("not_started") == 3


async def test_what_will_not_pass_ends_it() -> None:
    """Nobody is kept waiting for what somebody has to change."""
    worker = StartingWorker([RetriableError("no broker"), FatalError("correct sasl.password")])

    with pytest.raises(FatalError, match=r"correct sasl\.password"):
        await start(worker, Startup(first_pause=0.0))


@pytest.mark.parametrize("failure", [None, RetriableError("no broker")])
async def test_who_is_told_to_stop_does_not_wait_for_a_start(failure: Exception | None) -> None:
    """Neither in an attempt nor between two."""
    until: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def stop_soon() -> None:
        asyncio.get_running_loop().call_soon(until.set_result, None)

    worker = StartingWorker([failure], on_attempt=stop_soon)

    assert not await start(worker, Startup(first_pause=3600.0), until=until)
    assert worker.attempts == 1


async def test_cancelled_it_leaves_nothing_behind() -> None:
    """The attempt ends too."""
    begun = asyncio.Event()
    worker = StartingWorker([None], on_attempt=begun.set)
    starting = asyncio.create_task(start(worker, Startup()))
    await begun.wait()
    starting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await starting

    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_only_live_is_true_before_the_start() -> None:
    """Everything else is told to come again, and why; then nothing stands in its way."""
    startup = Startup(reason="cannot list topics: connection refused")
    worker = FakeWorker(MemoryBroker())

    with TestClient(create_app(cast("Worker", worker), startup=startup), base_url="http://127.0.0.1") as client:
        assert client.get("/live").json() == {"status": "live"}

        for path in ("/ready", "/health", "/metrics", "/api/v1/connectors", "/nothing"):
            response = client.get(path)
            assert (response.status_code, response.json()["code"]) == (503, "not_ready")
            assert response.json()["message"].endswith("cannot list topics: connection refused")
            assert response.headers["retry-after"] == "1"

        assert client.get("/ready", headers={"Host": "evil.example"}).status_code == 503
        startup.reason = None
        assert client.get("/api/v1/connectors").json() == []
