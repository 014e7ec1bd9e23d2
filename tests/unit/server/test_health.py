from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import attrs
import pytest

from streamhouse_connect import RetriableError, State

from .fakes import make_info

if TYPE_CHECKING:
    from .conftest import Api
    from .fakes import FakeWorker


def test_live_as_long_as_the_process_answers(api: Api, worker: FakeWorker) -> None:
    """Being live depends on nothing."""
    worker.failure = RuntimeError()

    assert api.get("/live").json() == {"status": "live"}


def test_ready_when_the_broker_answers(api: Api) -> None:
    """Ready is 200."""
    assert api.get("/ready").json() == {"status": "ready"}


def test_not_ready_while_the_broker_is_out_of_reach(
    api: Api, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 with what is known of it; of what nobody expected, only its kind is told."""
    failure: Exception = RetriableError("cannot read: connection refused")

    async def fail(_group: str) -> None:
        raise failure

    monkeypatch.setattr(worker.broker, "committed", fail)
    response = api.get("/ready")
    assert (response.status_code, response.json()["code"]) == (503, "not_ready")
    assert response.json()["message"] == "the broker is not usable: cannot read: connection refused"

    failure = RuntimeError("hunter2")
    assert api.get("/ready").json()["message"] == "the broker is not usable: RuntimeError"


def test_readiness_is_no_matter_of_connectors(api: Api, worker: FakeWorker) -> None:
    """It is asked for often: nobody looks at connectors for it."""
    assert api.get("/ready").status_code == 200
    assert worker.calls == []


def test_not_ready_without_a_broker(api: Api, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that does not answer in time is 503."""

    async def hang(_group: str) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(worker.broker, "committed", hang)
    monkeypatch.setattr("streamhouse_connect_server.health._BROKER_TIMEOUT", 0.01)

    response = api.get("/ready")

    assert response.status_code == 503
    assert "does not answer" in response.json()["message"]


@pytest.mark.parametrize(
    ("states", "status", "counts"),
    [
        ([], "healthy", {}),
        ([State.RUNNING, State.RUNNING, State.PAUSED], "healthy", {"running": 2, "paused": 1}),
        ([State.RUNNING, State.FAILED], "degraded", {"running": 1, "failed": 1}),
        ([State.RETRYING], "degraded", {"retrying": 1}),
    ],
)
def test_health_counts_connectors_by_state(
    api: Api, worker: FakeWorker, states: list[State], status: str, counts: dict[str, int]
) -> None:
    """One that has failed, or can't deliver, makes the whole degraded; the answer stays 200."""
    worker.infos = {str(n): attrs.evolve(make_info(str(n)), state=state) for n, state in enumerate(states)}

    body = api.get("/health").json()

    assert (body["status"], body["connectors"]) == (status, counts)
    assert body["version"]
