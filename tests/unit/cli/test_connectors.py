"""`connectors` shows what a server says of them, and asks it for what is wanted."""

from __future__ import annotations

import json

from .conftest import Run, ScriptedServer

CONNECTOR = {
    "name": "orders-to-table",
    "connectorClass": "postgres-sink",
    "topics": ["orders"],
    "config": {"table.name": "orders"},
    "state": "failed",
    "targetState": "running",
    "errorMessage": "there is no table",
    "recordsProcessed": 0,
    "createdAt": "2026-02-10T14:03:01Z",
    "updatedAt": "2026-02-10T14:03:01Z",
}


def shown(run: Run, server: ScriptedServer, *errors: str | None) -> str:
    """Return what is shown of the connector, given the errors of its tasks."""
    tasks = [{"id": index, "state": "failed", "error": error} for index, error in enumerate(errors)]
    server.body = json.dumps({**CONNECTOR, "status": {"tasks": tasks, "partitions": []}}).encode()
    return run("connectors", "get", "orders-to-table", "--url", server.url).out


def test_an_error_is_told_once(run: Run, scripted_server: ScriptedServer) -> None:
    """That of the only task is the connector's."""
    assert shown(run, scripted_server, "there is no table").count("there is no table") == 1


def test_tasks_with_other_errors_tell_theirs(run: Run, scripted_server: ScriptedServer) -> None:
    """The connector has one of them only."""
    lines = shown(run, scripted_server, "there is no table", "no host answers").splitlines()
    assert [line.split(None, 2)[2] for line in lines if line.startswith("task")] == [
        "failed, 0 partitions",
        "failed, 0 partitions: no host answers",
    ]


def test_a_connector_is_stopped_by_the_server(run: Run, scripted_server: ScriptedServer) -> None:
    """As it is paused."""
    body = {**CONNECTOR, "state": "stopped", "errorMessage": None, "status": {"tasks": [], "partitions": []}}
    scripted_server.body = json.dumps(body).encode()
    outcome = run("connectors", "stop", "orders-to-table", "--url", scripted_server.url)
    assert outcome.out == "asked to stop: connector orders-to-table is stopped\n"
    assert [request[:2] for request in scripted_server.requests] == [
        ("POST", "/api/v1/connectors/orders-to-table/stop")
    ]
