from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import attrs
import pytest
from starlette.testclient import TestClient

from streamhouse_connect import MemoryBroker
from streamhouse_connect_server import Limits, create_app

from .fakes import FakeWorker

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx2 as httpx

    from streamhouse_connect import Worker

SMALL = Limits(body_bytes=10_000, records_bytes=100_000, consumed_records=50, consumed_bytes=400)


@attrs.frozen
class Api:
    """Calls the application, and looks at every answer for what all of them have."""

    worker: FakeWorker
    client: TestClient

    def call(self, method: str, path: str, body: object = None, **options: Any) -> httpx.Response:
        """Send `body`: bytes as they are, anything else as JSON."""
        if body is not None:
            options["content"] = body if isinstance(body, bytes) else json.dumps(body).encode()
            options["headers"] = {"Content-Type": "application/json", **options.get("headers", {})}

        response = self.client.request(method, path, **options)

        if response.status_code >= 400 and method != "HEAD":
            check_error(response)

        return response

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.call("GET", path, **options)

    def post(self, path: str, body: object = None, **options: Any) -> httpx.Response:
        return self.call("POST", path, body, **options)

    def fields(self, path: str, body: object) -> dict[str, str]:
        """Post what is invalid, and return field → message."""
        response = self.post(path, body)
        assert response.status_code == 400, response.text
        return {problem["field"]: problem["message"] for problem in response.json()["problems"]}


def check_error(response: httpx.Response) -> None:
    """Assert that an error has the one shape of errors."""
    error = response.json()
    assert response.headers["content-type"] == "application/json"
    assert list(error) == ["error_code", "code", "message", "problems"]
    assert error["error_code"] == response.status_code
    assert error["code"]
    assert error["message"]
    assert all(list(problem) == ["field", "message"] for problem in error["problems"])


@pytest.fixture
def worker() -> FakeWorker:
    return FakeWorker(MemoryBroker())


@pytest.fixture
def api(worker: FakeWorker) -> Iterator[Api]:
    app = create_app(cast("Worker", worker), allowed_hosts=["connect.example"], limits=SMALL)

    with TestClient(app, base_url="http://127.0.0.1:8080", follow_redirects=False) as client:
        client.portal.call(worker.broker.open)  # type: ignore[union-attr]  # there is one inside `with`
        yield Api(worker, client)
        client.portal.call(worker.broker.close)  # type: ignore[union-attr]  # the same
