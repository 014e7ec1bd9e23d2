"""What the API promises about connectors, with a worker that runs them."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING

import pytest

from streamhouse_connect import RetriableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fakes import Destination
    from streamhouse_connect import Batch

    from .conftest import Api


def test_a_new_connector_starts_by_itself_and_delivers(api: Api, destination: Destination) -> None:
    """From POST to the destination, with the progress in every place where it is shown."""
    api.produce({"a": 1}, "two")
    api.create()

    shown = api.reach(recordsProcessed=2, state="running")

    assert destination.values() == [b'{"a": 1}', b"two"]
    assert shown["targetState"] == "running"
    assert shown["errorMessage"] is None
    assert shown["status"]["partitions"] == [
        {
            "topic": "orders",
            "partition": 0,
            "committedOffset": 2,
            "endOffset": 2,
            "lag": 0,
            "recordsProcessed": 2,
            "missed": 0,
        }
    ]
    text = api.client.get("/metrics").text
    assert 'connector_records_processed{connector="c"} 2.0' in text
    assert 'connector_state{connector="c",state="running"} 1.0' in text
    assert 'connector_errors_total{connector="c"} 0.0' in text
    assert api.get("/health")["connectors"] == {"running": 1}


@pytest.mark.parametrize("state", ["paused", "stopped"])
def test_a_new_connector_may_start_otherwise(api: Api, destination: Destination, state: str) -> None:
    """The wish is part of the definition; resume starts it."""
    api.produce("a")
    assert api.create(initialState=state)["targetState"] == state
    api.reach(state=state)
    assert destination.values() == []

    assert api.post("/api/v1/connectors/c/resume").json()["targetState"] == "running"
    api.reach(state="running", recordsProcessed=1)


def test_pause_and_resume_lose_nothing(api: Api, destination: Destination) -> None:
    """What is produced meanwhile is delivered afterwards, once."""
    api.create()
    api.produce("a")
    api.reach(recordsProcessed=1)

    for _ in range(2):
        assert api.post("/api/v1/connectors/c/pause").json()["state"] == "paused"

    api.produce("b")
    assert api.call("PUT", "/api/v1/connectors/c/restart").json()["state"] == "paused"

    for _ in range(2):
        assert api.call("PUT", "/api/v1/connectors/c/resume").status_code == 200

    api.reach(recordsProcessed=2, state="running")
    assert destination.values() == [b"a", b"b"]


def test_everything_that_is_wrong_is_in_one_answer(api: Api) -> None:
    """Each problem has its field, be it of the body or of the configuration; also where the name is taken."""
    api.create()
    wrong = {
        "name": "c",
        "connectorType": "source",
        "connectorClass": "fake-sink",
        "topics": [],
        "config": {"batch.size": "many", "errors.tolerance": "some", "retry.backoff.ms": 0},
    }

    response = api.post("/api/v1/connectors", wrong)

    assert (response.status_code, response.json()["code"]) == (400, "invalid_config")
    assert {problem["field"] for problem in response.json()["problems"]} == {
        "connectorType",
        "topics",
        "config.batch.size",
        "config.errors.tolerance",
        "config.retry.backoff.ms",
    }


def test_a_second_one_of_a_name_is_409(api: Api) -> None:
    """A valid body for a name that is taken changes nothing."""
    api.create()

    response = api.post(
        "/api/v1/connectors", {"name": "c", "connectorClass": "fake-sink", "topics": ["other"], "config": {}}
    )

    assert (response.status_code, response.json()["code"]) == (409, "connector_exists")
    assert api.get("/api/v1/connectors/c")["topics"] == ["orders"]


def test_a_key_that_nobody_knows_is_a_warning(api: Api) -> None:
    """The connector is made, and the answer says what may have been meant."""
    (warning,) = api.create(config={"batch.siz": 5})["warnings"]

    assert "batch.siz" in warning
    assert "batch.size" in warning


def test_an_unknown_class_is_400(api: Api) -> None:
    """The field is named."""
    response = api.post(
        "/api/v1/connectors", {"name": "c", "connectorClass": "nope", "topics": ["orders"], "config": {}}
    )

    assert response.status_code == 400
    assert [problem["field"] for problem in response.json()["problems"]] == ["connectorClass"]


def test_secrets_are_masked_and_an_answer_can_be_sent_back(api: Api) -> None:
    """What GET shows is a body for PUT; a masked secret keeps the stored one."""
    shown = api.create(config={"fake.password": "hunter2", "fake.mood": "bad"})
    assert "hunter2" not in str(shown)

    shown["config"]["fake.mood"] = "good"
    response = api.call("PUT", "/api/v1/connectors/c", shown)

    assert response.status_code == 200, response.text
    assert response.json()["config"]["fake.mood"] == "good"
    assert "hunter2" not in response.text
    assert "hunter2" not in api.client.get("/api/v1/connectors").text


def test_another_name_or_class_is_another_connector(api: Api) -> None:
    """PUT replaces the configuration, not the identity."""
    api.create()
    body = {"name": "d", "connectorClass": "file-sink", "topics": ["orders"], "config": {"file.path": "never"}}

    response = api.call("PUT", "/api/v1/connectors/c", body)

    assert response.status_code == 400
    assert {problem["field"] for problem in response.json()["problems"]} == {"name", "connectorClass"}


def test_a_connector_made_again_starts_anew(api: Api, destination: Destination) -> None:
    """DELETE forgets the committed offsets too."""
    api.produce("a")
    api.create()
    api.reach(recordsProcessed=1)

    assert api.call("DELETE", "/api/v1/connectors/c").status_code == 204
    assert api.call("GET", "/api/v1/connectors/c").status_code == 404

    api.create()
    api.reach(recordsProcessed=1)
    assert destination.values() == [b"a", b"a"]


def test_a_topic_in_use_can_not_be_deleted(api: Api) -> None:
    """Only once its connector is gone."""
    api.create()
    assert api.call("DELETE", "/api/v1/topics/orders").json()["code"] == "topic_in_use"

    api.call("DELETE", "/api/v1/connectors/c")
    assert api.call("DELETE", "/api/v1/topics/orders").status_code == 204


def test_a_destination_that_is_down_is_shown_and_tried_again(api: Api, destination: Destination) -> None:
    """The state is retrying, with the reason, and health is degraded; then all is delivered."""
    is_down = True

    def write(_: Batch) -> None:
        if is_down:
            message = "no route to host"
            raise RetriableError(message)

    destination.on_write = write
    api.produce("a")
    api.create()

    shown = api.reach(state="retrying")
    assert "no route to host" in shown["status"]["tasks"][0]["error"]
    assert api.get("/health")["status"] == "degraded"

    is_down = False
    api.reach(state="running", recordsProcessed=1)


def test_a_failure_is_shown_with_its_reason(api: Api, destination: Destination) -> None:
    """An unexpected exception of a sink fails the connector, with its traceback in the status only."""

    def write(_: Batch) -> None:
        raise KeyError("surprise")

    destination.on_write = write
    api.produce("a")
    api.create()

    shown = api.reach(state="failed")
    (task,) = shown["status"]["tasks"]
    assert "surprise" in shown["errorMessage"]
    assert "Traceback" in task["trace"]
    assert 'connector_state{connector="c",state="failed"} 1.0' in api.client.get("/metrics").text


@pytest.fixture
def hang(destination: Destination) -> Iterator[threading.Event]:
    """Let every write block its thread until the event is set."""
    release = threading.Event()

    def write(_: Batch) -> None:
        release.wait()

    destination.on_write = write
    yield release
    release.set()


def test_a_sink_that_hangs_holds_up_nobody(api: Api, hang: threading.Event) -> None:
    """With a connector whose thread is blocked for good, the API answers, pause takes effect and delete works."""
    api.produce("a")
    api.create()
    api.create(name="d", topics=["other"])
    before = time.monotonic()

    assert api.get("/ready") == {"status": "ready"}
    assert len(api.get("/api/v1/connectors")) == 2
    assert time.monotonic() - before < 1.0

    assert api.post("/api/v1/connectors/c/pause").status_code == 200
    assert api.post("/api/v1/connectors/d/pause").json()["state"] == "paused"
    assert api.call("DELETE", "/api/v1/connectors/c").status_code == 204
    assert time.monotonic() - before < 10.0


def test_a_slow_write_does_not_hold_up_the_loop(api: Api, destination: Destination) -> None:
    """A sink that awaits for ever is on a loop of its own."""
    destination.before_write = asyncio.Event().wait
    api.produce("a")
    api.create()

    assert api.reach(state="running")["recordsProcessed"] == 0
    assert api.post("/api/v1/connectors/c/pause").status_code == 200


def test_one_that_vanishes_while_all_are_listed_harms_no_list(api: Api) -> None:
    """Lists are taken while others delete."""
    for n in range(20):
        api.create(name=f"c{n}", initialState="stopped")

    failures: list[int] = []

    def list_all() -> None:
        while len(answer := api.call("GET", "/api/v1/connectors").json()) > 0:
            if not isinstance(answer, list):
                failures.append(1)
                return

    thread = threading.Thread(target=list_all)
    thread.start()

    for n in range(20):
        assert api.call("DELETE", f"/api/v1/connectors/c{n}").status_code == 204

    thread.join(10)
    assert not failures
