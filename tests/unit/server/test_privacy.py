from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
from starlette.testclient import TestClient

from streamhouse_connect import MemoryBroker
from streamhouse_connect_server import create_app

from .conftest import Api
from .fakes import FakeWorker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamhouse_connect import Worker


@pytest.fixture
def api(worker: FakeWorker) -> Iterator[Api]:
    """An application with the topic `own`, which is not for its clients."""
    app = create_app(cast("Worker", worker), private_topics=["own"])

    with TestClient(app, base_url="http://127.0.0.1:8080") as client:
        client.portal.call(worker.broker.open)  # type: ignore[union-attr]  # there is one inside `with`
        client.portal.call(worker.broker.create_topic, "own")  # type: ignore[union-attr]  # the same
        yield Api(worker, client)


@pytest.fixture
def worker() -> FakeWorker:
    return FakeWorker(MemoryBroker())


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/v1/consume?topic=own", None),
        ("POST", "/api/v1/produce", {"topic": "own", "value": 1}),
        ("POST", "/api/v1/produce/batch", {"topic": "own", "records": [{"value": 1}]}),
        ("DELETE", "/api/v1/topics/own", None),
    ],
)
def test_topics_of_the_workers_are_out_of_bounds(api: Api, method: str, path: str, body: object) -> None:
    """Nobody reads the secrets in them, writes connectors past the rules, or deletes them all."""
    response = api.call(method, path, body)

    assert (response.status_code, response.json()["code"]) == (403, "private_topic")


@pytest.mark.parametrize(("method", "path"), [("POST", "/api/v1/connectors"), ("PUT", "/api/v1/connectors/a")])
def test_no_connector_delivers_them(api: Api, worker: FakeWorker, method: str, path: str) -> None:
    """Each place where one is named is a problem; dead letters do not go there either."""
    letters = "errors.deadletterqueue.topic.name"
    response = api.call(
        method, path, {"name": "a", "topics": ["orders", "own", 5, None, ["own"]], "config": {letters: "own"}}
    )

    assert response.status_code == 400
    assert [problem["field"] for problem in response.json()["problems"]] == ["topics[1]", f"config.{letters}"]
    assert worker.calls == []


def test_that_one_is_there_is_no_secret(api: Api) -> None:
    """Who knows its name may see how far it reaches."""
    assert api.get("/api/v1/topics/own").json()["partition_count"] == 1
