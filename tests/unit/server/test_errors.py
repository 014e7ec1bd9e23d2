from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

import streamhouse_connect
from streamhouse_connect import FatalError, RetriableError, StreamHouseError

from .fakes import make_info

if TYPE_CHECKING:
    from starlette.types import Message

    from .conftest import Api
    from .fakes import FakeWorker


def kinds(root: type[StreamHouseError]) -> set[type[StreamHouseError]]:
    """Return the library's own; plugins and tests that share the process may have others."""
    own = [kind for kind in root.__subclasses__() if kind.__module__.startswith("streamhouse_connect.")]
    return {root}.union(*map(kinds, own))


def test_every_public_error_has_a_status(api: Api, worker: FakeWorker) -> None:
    """An error of the library that is raised on purpose keeps its code and its message."""
    assert kinds(StreamHouseError) <= {getattr(streamhouse_connect, kind.__name__) for kind in kinds(StreamHouseError)}

    for kind in kinds(StreamHouseError):
        failure = kind.__new__(kind)
        failure.args = ("told on purpose",)
        failure.problems = ()  # type: ignore[attr-defined]  # what ConfigError has
        failure.retry_after = None  # type: ignore[attr-defined]  # what RetriableError has
        worker.failure = failure
        response = api.get("/api/v1/connectors")
        assert response.json()["message"] == "told on purpose"


def test_later_is_503(api: Api, worker: FakeWorker) -> None:
    """What can be tried again says when."""
    worker.failure = RetriableError("the broker is busy", retry_after=2.6)

    response = api.get("/api/v1/connectors")

    assert (response.status_code, response.headers["retry-after"]) == (503, "3")
    assert (response.json()["code"], response.json()["message"]) == ("unavailable", "the broker is busy")


@pytest.mark.parametrize(
    "failure", [RetriableError("no broker"), TimeoutError("no broker"), ConnectionError("no broker")]
)
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/v1/connectors", None),
        ("POST", "/api/v1/connectors", {"name": "a"}),
        ("GET", "/api/v1/connectors/a", None),
        ("PUT", "/api/v1/connectors/a", {}),
        ("DELETE", "/api/v1/connectors/a", None),
        *(("POST", f"/api/v1/connectors/a/{action}", None) for action in ("pause", "resume", "restart", "stop")),
        ("GET", "/api/v1/topics", None),
        ("POST", "/api/v1/topics", {"name": "a"}),
        ("GET", "/api/v1/topics/a", None),
        ("DELETE", "/api/v1/topics/a", None),
        ("POST", "/api/v1/produce", {"topic": "a", "value": 1}),
        ("POST", "/api/v1/produce", {"topic": "a", "value": 1, "partition": 0}),
        ("POST", "/api/v1/produce/batch", {"topic": "a", "records": [{"value": 1}]}),
        ("POST", "/api/v1/produce/batch", {"topic": "a", "records": []}),
        ("GET", "/api/v1/consume?topic=a", None),
        ("GET", "/health", None),
    ],
)
def test_what_is_out_of_reach_is_503_everywhere(  # noqa: PLR0917 - parameters of two tables
    api: Api,
    worker: FakeWorker,
    monkeypatch: pytest.MonkeyPatch,
    failure: Exception,
    method: str,
    path: str,
    body: object,
) -> None:
    """Whatever needs a broker, or the definitions, says why there is none, and when to come again."""

    async def fail(*_arguments: object, **_named: object) -> None:
        raise failure

    for name in ("topics", "topic", "create_topic", "delete_topic", "watermarks", "append", "read", "committed"):
        monkeypatch.setattr(worker.broker, name, fail)

    worker.failure = failure
    response = api.call(method, path, body)

    assert (response.status_code, response.json()["code"]) == (503, "unavailable")
    assert "no broker" in response.json()["message"]
    assert response.headers["retry-after"] == "1"


def test_our_own_trouble_is_500_and_logged(api: Api, worker: FakeWorker, caplog: pytest.LogCaptureFixture) -> None:
    """An error raised on purpose that is nobody's fault but ours says what it says."""
    worker.failure = FatalError("disk is full")

    response = api.get("/api/v1/connectors")

    assert (response.status_code, response.json()["message"]) == (500, "disk is full")
    assert "request_failed" in caplog.text


def test_what_nobody_expected_is_500_without_a_word_of_it(
    api: Api, worker: FakeWorker, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the answer nor the log above DEBUG shows what the exception says; the log shows where it came from."""
    worker.failure = KeyError("hunter2")

    with caplog.at_level(logging.INFO):
        response = api.get("/api/v1/connectors")

    assert (response.status_code, response.json()["code"]) == (500, "internal_error")
    assert "hunter2" not in response.text
    assert "Traceback" not in response.text
    assert "hunter2" not in caplog.text
    assert "KeyError" in caplog.text
    assert "fakes.py" in caplog.text


def test_all_goes_on_after_an_unexpected_error(api: Api, worker: FakeWorker) -> None:
    """The next request is answered."""
    worker.failure = RuntimeError()
    api.get("/api/v1/connectors")
    worker.failure = None
    worker.infos["a"] = make_info("a")

    assert api.get("/api/v1/connectors/a").status_code == 200


async def test_a_client_that_went_away_is_no_error(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """There is nobody to answer, and nothing to log."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": "/api/v1/topics",
        "raw_path": b"/api/v1/topics",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
    }
    await api.client.app(scope, receive, send)

    assert sent == []
    assert caplog.text == ""
