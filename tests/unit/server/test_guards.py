from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
from starlette.testclient import TestClient

from streamhouse_connect_server import create_app

if TYPE_CHECKING:
    from streamhouse_connect import Worker

    from .conftest import Api
    from .fakes import FakeWorker


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:8080",
        "localhost",
        "LOCALHOST:8080",
        "[::1]:8080",
        "10.0.0.7:80",
        "connect.example",
        "Connect.Example:1",
    ],
)
def test_our_own_names_are_answered(api: Api, host: str) -> None:
    """An address can't be rebound; localhost and the configured names are ours."""
    assert api.get("/live", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8080",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "user@evil.example",
        "[",
        "",
    ],
)
def test_a_foreign_name_is_refused(api: Api, host: str) -> None:
    """A page's own name that was rebound to our address gives it nothing to read."""
    response = api.get("/api/v1/connectors", headers={"Host": host})

    assert (response.status_code, response.json()["code"]) == (403, "foreign_host")


def test_any_name_will_do_if_none_is_given(worker: FakeWorker) -> None:
    """Who opens the API to a network, or embeds the app, gives it names that we can't know."""
    with TestClient(create_app(cast("Worker", worker)), base_url="http://connect.internal") as client:
        assert client.get("/live").status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:9999", "http://[", ""])
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/api/v1/connectors/a/pause"), ("DELETE", "/api/v1/connectors/a"), ("POST", "/api/v1/topics")],
)
def test_a_page_of_another_origin_changes_nothing(
    api: Api, worker: FakeWorker, origin: str, method: str, path: str
) -> None:
    """Browsers name the page that asks; a request without a body needs no JSON type that would have stopped it."""
    response = api.call(method, path, headers={"Origin": origin})

    assert (response.status_code, response.json()["code"]) == (403, "foreign_origin")
    assert worker.calls == []


def test_a_page_of_our_own_origin_may(api: Api) -> None:
    """Same origin, same rights."""
    headers = {"Origin": "http://127.0.0.1:8080"}

    assert api.post("/api/v1/topics", {"name": "a"}, headers=headers).status_code == 201
