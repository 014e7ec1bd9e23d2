from __future__ import annotations

import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs
import httpx2 as httpx
import pytest
from starlette.testclient import TestClient

from fakes import Destination
from streamhouse_connect import MemoryBroker, Registry, Worker
from streamhouse_connect_server import create_app

from .processes import Process, spawn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@attrs.frozen
class Api:
    """Calls the application of a worker that runs."""

    client: TestClient
    destination: Destination

    def call(self, method: str, path: str, body: object = None) -> httpx.Response:
        """Send `body` as JSON."""
        content = None if body is None else json.dumps(body)
        return self.client.request(method, path, content=content, headers={"Content-Type": "application/json"})

    def get(self, path: str) -> Any:
        """Return what is at a path."""
        response = self.call("GET", path)
        assert response.status_code == 200, response.text
        return response.json()

    def post(self, path: str, body: object = None) -> httpx.Response:
        return self.call("POST", path, body)

    def create(self, **fields: object) -> Any:
        """Make the connector `c` of the topic `orders`."""
        wanted = {
            "name": "c",
            "connectorType": "sink",
            "connectorClass": "fake-sink",
            "topics": ["orders"],
            "config": {},
        }
        response = self.post("/api/v1/connectors", {**wanted, **fields})
        assert response.status_code == 201, response.text
        return response.json()

    def produce(self, *values: object) -> None:
        """Append values to the topic `orders`."""
        records = [{"value": value} for value in values]
        assert self.post("/api/v1/produce/batch", {"topic": "orders", "records": records}).status_code == 200

    def reach(self, *, name: str = "c", **fields: object) -> Any:
        """Wait until the connector's fields have these values."""
        deadline = time.monotonic() + 10

        while True:
            shown = self.get(f"/api/v1/connectors/{name}")

            if {key: shown[key] for key in fields} == fields:
                return shown

            assert time.monotonic() < deadline, shown
            time.sleep(0.01)


@contextmanager
def run_api(registry: Registry, destination: Destination) -> Iterator[Api]:
    """Run a worker with the topic `orders`, and its application."""
    worker = Worker(MemoryBroker(), registry=registry, shutdown_timeout=2.0)

    with TestClient(create_app(worker), base_url="http://127.0.0.1:8080") as client:
        assert client.portal is not None

        with client.portal.wrap_async_context_manager(worker):
            api = Api(client, destination)
            assert api.post("/api/v1/topics", {"name": "orders"}).status_code == 201
            yield api


@pytest.fixture
def destination() -> Destination:
    """A destination that takes everything."""
    return Destination()


@pytest.fixture
def api(destination: Destination) -> Iterator[Api]:
    """A worker whose connectors write to `destination`."""
    with run_api(destination.registry(), destination) as api:
        yield api


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Start servers of one data directory; they end with the test."""
    processes: list[Process] = []

    def start(cwd: Path | None = None, **settings: object) -> Process:
        popen = spawn(cwd=cwd, **{"data_dir": tmp_path / "data", "port": 0, "shutdown_timeout": 10, **settings})
        assert popen.stdout is not None
        url = popen.stdout.readline().strip()
        assert url, popen.communicate()
        processes.append(Process(popen, httpx.Client(base_url=url, trust_env=False)))
        return processes[-1]

    yield start

    for process in processes:
        process.http.close()

        if process.popen.poll() is None:
            process.popen.kill()

        process.popen.communicate()
