from __future__ import annotations

from datetime import timedelta, timezone
from typing import TYPE_CHECKING

import attrs
import pytest

from streamhouse_connect import ConfigError, PluginError, Problem, State, TargetState, TaskInfo

from .fakes import make_info

if TYPE_CHECKING:
    from .conftest import Api
    from .fakes import FakeWorker

BODY = {
    "name": "orders-to-files",
    "connectorType": "sink",
    "connectorClass": "file",
    "topics": ["orders"],
    "config": {},
}
SHOWN = {
    "name": "orders-to-files",
    "connectorType": "sink",
    "connectorClass": "file-sink",
    "topics": ["orders"],
    "config": {"file.path": "out", "batch.size": 500},
    "state": "running",
    "targetState": "running",
    "errorMessage": None,
    "recordsProcessed": 7,
    "createdAt": "2026-02-10T14:00:00Z",
    "updatedAt": "2026-02-10T14:00:00.250000Z",
    "status": {
        "stale": None,
        "tasks": [
            {
                "id": 0,
                "worker": "w1",
                "state": "running",
                "error": None,
                "partitions": [{"topic": "orders", "partition": 0}],
            },
        ],
        "partitions": [
            {
                "topic": "orders",
                "partition": 0,
                "committedOffset": 7,
                "endOffset": 9,
                "lag": 2,
                "recordsProcessed": 7,
                "missed": 1,
            },
        ],
        "guarantee": {"level": "exactly-once", "reason": "names are derived"},
    },
}


def test_create_answers_201_with_the_connector_and_where_it_is(api: Api, worker: FakeWorker) -> None:
    """POST hands the body to the worker as it is."""
    response = api.post("/api/v1/connectors", BODY)

    assert response.status_code == 201
    assert response.headers["location"] == "/api/v1/connectors/orders-to-files"
    assert response.json() == SHOWN
    assert worker.calls == [("create", BODY)]


def test_a_location_is_a_path(api: Api) -> None:
    """A name is quoted in Location, and the quoted name finds the connector."""
    response = api.post("/api/v1/connectors", {**BODY, "name": "bestellungen ä?#"})

    assert response.headers["location"] == "/api/v1/connectors/bestellungen%20%C3%A4%3F%23"
    assert api.get(response.headers["location"]).json()["name"] == "bestellungen ä?#"


def test_warnings_are_there_when_there_are_any(api: Api, worker: FakeWorker) -> None:
    """A connector's warnings are an array; without any there is no such field."""
    worker.infos["a"] = attrs.evolve(make_info("a"), warnings=("config.s3.buckt is not known",))
    worker.infos["b"] = make_info("b")

    with_warnings, without = api.get("/api/v1/connectors").json()

    assert with_warnings["warnings"] == ["config.s3.buckt is not known"]
    assert "warnings" not in without


def test_list_is_a_bare_array(api: Api, worker: FakeWorker) -> None:
    """GET of all answers with an array, also of nothing."""
    assert api.get("/api/v1/connectors").json() == []

    worker.infos["orders-to-files"] = make_info()
    assert api.get("/api/v1/connectors").json() == [SHOWN]


def test_a_failure_is_shown_with_its_trace(api: Api, worker: FakeWorker) -> None:
    """Where a task has a trace, it is shown; a connector without a guarantee has null."""
    failed = TaskInfo(0, State.FAILED, error="KeyError: 'a'", trace="Traceback …")
    worker.infos["a"] = attrs.evolve(
        make_info("a"), state=State.FAILED, error="KeyError: 'a'", tasks=(failed,), guarantee=None
    )

    shown = api.get("/api/v1/connectors/a").json()

    assert shown["state"] == "failed"
    assert shown["errorMessage"] == "KeyError: 'a'"
    assert shown["status"]["tasks"] == [
        {"id": 0, "worker": "", "state": "failed", "error": "KeyError: 'a'", "trace": "Traceback …", "partitions": []}
    ]
    assert shown["status"]["guarantee"] is None


def test_times_are_utc(api: Api, worker: FakeWorker) -> None:
    """Times end with Z, whatever zone the store keeps."""
    zone = timezone(timedelta(hours=2))
    info = make_info("a")
    worker.infos["a"] = attrs.evolve(info, created_at=info.created_at.astimezone(zone))

    assert api.get("/api/v1/connectors/a").json()["createdAt"] == "2026-02-10T14:00:00Z"


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("target", TargetState)
def test_states_are_words(api: Api, worker: FakeWorker, state: State, target: TargetState) -> None:
    """What is and what is wanted are shown apart."""
    worker.infos["a"] = attrs.evolve(make_info("a"), state=state, target=target)

    shown = api.get("/api/v1/connectors/a").json()

    assert (shown["state"], shown["targetState"]) == (state.value, target.value)


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("action", ["pause", "resume", "restart", "stop"])
def test_actions_answer_with_the_connector(api: Api, worker: FakeWorker, method: str, action: str) -> None:
    """Each action works by POST and PUT, with and without a body, whatever its type."""
    worker.infos["orders-to-files"] = make_info()
    path = f"/api/v1/connectors/orders-to-files/{action}"

    assert api.call(method, path).json() == SHOWN
    assert api.call(method, path, b"{}").json() == SHOWN
    form = {"Content-Type": "application/x-www-form-urlencoded"}  # what `curl -d ''` says
    assert api.call(method, path, b"", headers=form).json() == SHOWN
    assert worker.calls == [(action, "orders-to-files")] * 3


def test_update_hands_over_the_body(api: Api, worker: FakeWorker) -> None:
    """PUT answers 200 with the connector."""
    worker.infos["orders-to-files"] = make_info()

    response = api.call("PUT", "/api/v1/connectors/orders-to-files", BODY)

    assert (response.status_code, response.json()) == (200, SHOWN)
    assert worker.calls == [("update", "orders-to-files", BODY)]


def test_delete_is_204_then_404(api: Api, worker: FakeWorker) -> None:
    """DELETE answers with nothing."""
    worker.infos["a"] = make_info("a")

    response = api.call("DELETE", "/api/v1/connectors/a")

    assert (response.status_code, response.content) == (204, b"")
    assert api.call("DELETE", "/api/v1/connectors/a").status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/pause"), ("PUT", "/resume"), ("POST", "/restart")],
)
def test_an_unknown_name_is_404(api: Api, method: str, path: str) -> None:
    """A connector that is not there has the worker's code."""
    response = api.call(method, f"/api/v1/connectors/nobody{path}", {} if method == "PUT" else None)

    assert response.status_code == 404
    assert response.json()["code"] == "unknown_connector"
    assert "nobody" in response.json()["message"]


def test_the_same_name_twice_is_409(api: Api) -> None:
    """A second connector of a name has the worker's code."""
    api.post("/api/v1/connectors", BODY)

    response = api.post("/api/v1/connectors", BODY)

    assert (response.status_code, response.json()["code"]) == (409, "connector_exists")


def test_every_problem_is_shown(api: Api, worker: FakeWorker) -> None:
    """A ConfigError becomes 400 with all of its problems."""
    worker.failure = ConfigError([Problem("config.s3.bucket", "is required"), Problem("topics", "must not be empty")])

    response = api.post("/api/v1/connectors", BODY)

    assert response.status_code == 400
    assert response.json() == {
        "error_code": 400,
        "code": "invalid_config",
        "message": "config.s3.bucket is required; topics must not be empty",
        "problems": [
            {"field": "config.s3.bucket", "message": "is required"},
            {"field": "topics", "message": "must not be empty"},
        ],
    }


def test_a_broken_plugin_is_the_users_choice(api: Api, worker: FakeWorker) -> None:
    """A connector class whose plugin is broken is 400 with the reason."""
    worker.failure = PluginError("webhook-sink (dist webhook 1.0) is broken: No module named 'requestz'")

    response = api.post("/api/v1/connectors", BODY)

    assert (response.status_code, response.json()["code"]) == (400, "broken_plugin")
    assert "requestz" in response.json()["message"]


@pytest.mark.parametrize("body", [b"[]", b"5", b"null", b'"a"'])
def test_a_body_must_be_an_object(api: Api, body: bytes, worker: FakeWorker) -> None:
    """Anything else does not reach the worker."""
    response = api.post("/api/v1/connectors", body)

    assert response.status_code == 400
    assert "must be an object" in response.json()["message"]
    assert worker.calls == []


def test_integers_of_any_size_come_back(api: Api, worker: FakeWorker) -> None:
    """A configuration is answered as it is, also with integers that no machine word holds."""
    worker.infos["a"] = attrs.evolve(make_info("a"), config={"x": 10**400})

    assert api.get("/api/v1/connectors/a").json()["config"] == {"x": 10**400}
