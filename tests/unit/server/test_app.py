from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .fakes import make_info

if TYPE_CHECKING:
    from .conftest import Api
    from .fakes import FakeWorker

ROUTES = [
    ("/api/v1/connectors", "GET, HEAD, POST, OPTIONS"),
    ("/api/v1/connectors/a", "GET, HEAD, PUT, DELETE, OPTIONS"),
    ("/api/v1/connectors/a/pause", "POST, PUT, OPTIONS"),
    ("/api/v1/connectors/a/resume", "POST, PUT, OPTIONS"),
    ("/api/v1/connectors/a/restart", "POST, PUT, OPTIONS"),
    ("/api/v1/connectors/a/stop", "POST, PUT, OPTIONS"),
    ("/api/v1/topics", "GET, HEAD, POST, OPTIONS"),
    ("/api/v1/topics/orders", "GET, HEAD, DELETE, OPTIONS"),
    ("/api/v1/validate", "POST, OPTIONS"),
    ("/api/v1/produce", "POST, OPTIONS"),
    ("/api/v1/produce/batch", "POST, OPTIONS"),
    ("/api/v1/consume", "GET, HEAD, OPTIONS"),
    ("/api/v1/connector-plugins", "GET, HEAD, OPTIONS"),
    ("/api/v1/metrics", "GET, HEAD, OPTIONS"),
    ("/metrics", "GET, HEAD, OPTIONS"),
    ("/live", "GET, HEAD, OPTIONS"),
    ("/ready", "GET, HEAD, OPTIONS"),
    ("/health", "GET, HEAD, OPTIONS"),
]


@pytest.mark.parametrize(("path", "allow"), ROUTES)
def test_a_method_that_is_not_there_is_a_405_with_all_that_are(api: Api, path: str, allow: str) -> None:
    """405 carries Allow with every method of the path, not just the first route's."""
    response = api.call("PATCH", path)

    assert response.status_code == 405
    assert response.headers["allow"] == allow
    assert response.json()["code"] == "method_not_allowed"


@pytest.mark.parametrize(("path", "allow"), ROUTES)
def test_options_lists_the_methods(api: Api, path: str, allow: str) -> None:
    """OPTIONS answers 204 with Allow."""
    response = api.call("OPTIONS", path)

    assert response.status_code == 204
    assert response.headers["allow"] == allow


@pytest.mark.parametrize("path", ["/live", "/metrics", "/api/v1/connectors", "/api/v1/topics"])
def test_head_is_get(api: Api, path: str) -> None:
    """HEAD answers as GET would."""
    assert api.call("HEAD", path).status_code == api.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/", "/nothing", "/api/v1", "/api/v1/connectors/", "/api/v1/connectors/a/fly", "//x"])
def test_an_unknown_path_is_a_404_in_json(api: Api, path: str) -> None:
    """What is at no path is answered in the shape of all errors, and never by a redirect."""
    response = api.get(path)

    assert response.status_code == 404
    assert response.json()["code"] == "not_found"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "path",
    ["/api/v1/connectors/a%2Fpause", "/api/v1/connectors/a%2fpause", "/api/v1%2Fconnectors", "/api/v1/topics/a%2F"],
)
def test_an_encoded_slash_divides_nothing(api: Api, worker: FakeWorker, method: str, path: str) -> None:
    """It is part of a name, which no connector and no topic can have: 404, and the connector of half of the name is left alone."""
    worker.infos["a"] = make_info("a")
    response = api.call(method, path)

    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert path in response.json()["message"]
    assert worker.calls == []


def test_no_answer_allows_other_origins_to_read_it(api: Api) -> None:
    """There is no CORS header, not even for those who ask."""
    response = api.call("OPTIONS", "/api/v1/connectors", headers={"Origin": "https://evil.example"})

    assert not [name for name in response.headers if name.startswith("access-control")]
