"""Several processes on one real Kafka: each answers for all, and none forgets while Kafka is gone."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import httpx2 as httpx
import pytest
from confluent_kafka import Producer

from services import Kafka
from services.ports import free_port

from .processes import DEADLINE, spawn

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from services import Service, Topics

    from .processes import Process

T = TypeVar("T")

SOON = 2.0
"""Within so many seconds every worker does what one was told."""
BACK = 60.0
"""Within so many seconds clients have found a Kafka again that was gone."""

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def settings(kafka: Topics) -> dict[str, Any]:
    """Settings of workers that share a group of this test's own."""
    return {"broker": "kafka", "bootstrap_servers": kafka.bootstrap, "group": f"{kafka.prefix}workers"}


@pytest.fixture
def workers(start: Callable[..., Process], settings: dict[str, Any]) -> tuple[Process, Process]:
    """Two of them."""
    return start(**settings, worker_id="one"), start(**settings, worker_id="two")


def file_sink(directory: Path, *, prefix: str = "") -> dict[str, Any]:
    return {
        "name": f"{prefix}c",
        "connectorClass": "file-sink",
        "topics": [f"{prefix}orders"],
        "config": {"file.path": str(directory), "batch.interval_ms": 50},
    }


def call(process: Process, method: str, path: str, body: object = None, **headers: str) -> httpx.Response:
    """Send a request, and have patience with a worker that waits for Kafka."""
    return process.http.request(method, path, json=body, headers=headers, timeout=BACK)


def reach(within: float, look: Callable[[], T], wanted: Callable[[T], Any]) -> T:
    """Look until what is wanted is seen."""
    deadline = time.monotonic() + within

    while not wanted(seen := look()):
        assert time.monotonic() < deadline, seen
        time.sleep(0.02)

    return seen


def test_each_answers_for_all(workers: tuple[Process, Process], kafka: Topics, tmp_path: Path) -> None:
    """What one was told, the other shows and does within two seconds, and either may be told next."""
    one, two = workers
    body = file_sink(tmp_path / "out", prefix=kafka.prefix)
    name, topic, path = body["name"], body["topics"][0], f"/api/v1/connectors/{body['name']}"
    assert one.post("/api/v1/topics", {"name": topic, "partitions": 4}).status_code == 201
    made = call(one, "POST", "/api/v1/connectors", body)
    assert made.status_code == 201, made.text

    shown = reach(SOON, lambda: call(two, "GET", path), lambda answer: answer.status_code == 200)
    assert shown.headers["etag"] == made.headers["etag"]
    assert made.headers["etag"].startswith('"1-')
    records = [{"value": {"n": n}, "partition": n % 4} for n in range(40)]
    assert call(two, "POST", "/api/v1/produce/batch", {"topic": topic, "records": records}).status_code == 200

    def assigned(process: Process) -> list[tuple[str, int]]:
        tasks = process.get(path)["status"]["tasks"]
        return sorted((task["worker"], len(task["partitions"])) for task in tasks)

    for each in workers:
        status = each.reach(name, recordsProcessed=40, state="running")["status"]
        assert status["stale"] is None
        assert sum(partition["lag"] for partition in status["partitions"]) == 0
        reach(DEADLINE, lambda each=each: assigned(each), lambda found: found == [("one", 2), ("two", 2)])  # type: ignore[misc]

    def states() -> set[str]:
        return {each.get(path)["state"] for each in workers}

    for teller, action, state in ((two, "pause", "paused"), (one, "resume", "running")):
        answer = call(teller, "POST", f"{path}/{action}")
        assert (answer.status_code, answer.json()["targetState"]) == (200, state)
        reached = {state}
        reach(SOON, states, reached.__eq__)

    assert call(two, "DELETE", path).status_code == 204
    reach(SOON, lambda: call(one, "GET", path).status_code, lambda status: status == 404)
    assert [each.get("/api/v1/connectors") for each in workers] == [[], []]
    lines = [line for file in (tmp_path / "out").rglob("*.json") for line in file.read_text().splitlines()]
    assert len(lines) == len(set(lines)) == 40

    for each in workers:
        code, log = each.end(signal.SIGTERM)
        assert (code, "Traceback" in log) == (0, False), log


def test_of_two_at_the_same_time_one_is_first(workers: tuple[Process, Process], kafka: Topics, tmp_path: Path) -> None:
    """Of two creates one is 201, the other 409; of two changes of one version one is 412."""
    body = {**file_sink(tmp_path / "out", prefix=kafka.prefix), "initialState": "paused"}
    path = f"/api/v1/connectors/{body['name']}"

    def both(*request: Any, **headers: str) -> list[int]:
        with ThreadPoolExecutor(2) as threads:
            answers = threads.map(lambda process: call(process, *request, **headers), workers)
            return sorted(answer.status_code for answer in answers)

    for _ in range(3):
        assert both("POST", "/api/v1/connectors", body) == [201, 409]
        shown = reach(SOON, lambda: call(workers[1], "GET", path), lambda answer: answer.status_code == 200)
        first = {"If-Match": shown.headers["etag"]}
        assert both("PUT", path, body, **first) == [200, 412]
        late = call(workers[0], "POST", f"{path}/resume", **first)
        assert (late.status_code, late.json()["code"]) == (412, "version_changed")
        assert both("DELETE", path) == [204, 404]


def test_without_kafka_reads_are_answered_from_what_is_known(
    start: Callable[..., Process], start_service: Callable[[Service], None], tmp_path: Path
) -> None:
    """Writes are 503 with the reason, reads say that they may be out of date; when Kafka is back, all is as before."""
    server = Kafka()
    start_service(server)
    process = start(broker="kafka", bootstrap_servers=server.bootstrap, worker_id="one")
    body = file_sink(tmp_path / "out")
    path = "/api/v1/connectors/c"
    assert call(process, "POST", "/api/v1/topics", {"name": "orders"}).status_code == 201
    assert call(process, "POST", "/api/v1/connectors", body).status_code == 201
    assert call(process, "POST", "/api/v1/produce", {"topic": "orders", "value": 1}).status_code == 200
    process.reach("c", state="running")
    server.kill()

    shown = reach(DEADLINE, lambda: call(process, "GET", path).json(), lambda found: found["status"]["stale"])
    assert (shown["name"], shown["config"]) == ("c", body["config"])
    assert [each["name"] for each in call(process, "GET", "/api/v1/connectors").json()] == ["c"]

    requests: list[tuple[str, str, object]] = [
        ("POST", "/api/v1/connectors", {**body, "name": "d"}),
        ("PUT", path, body),
        ("POST", f"{path}/pause", None),
        ("DELETE", path, None),
        ("POST", "/api/v1/topics", {"name": "other"}),
        ("DELETE", "/api/v1/topics/orders", None),
        ("POST", "/api/v1/produce", {"topic": "orders", "value": 1}),
        ("GET", "/api/v1/consume?topic=orders", None),
        ("GET", "/api/v1/topics", None),
    ]

    with ThreadPoolExecutor(len(requests)) as threads:
        for request, answer in zip(requests, threads.map(lambda each: call(process, *each), requests), strict=True):
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable"), (request, answer.text)
            assert answer.headers["retry-after"]

    assert call(process, "GET", "/live").status_code == 200
    assert call(process, "GET", "/ready").status_code == 503
    server.start()

    reach(BACK, lambda: call(process, "GET", path).json()["status"]["stale"], lambda stale: stale is None)
    reach(DEADLINE, lambda: call(process, "GET", "/ready").status_code, lambda status: status == 200)
    assert call(process, "POST", "/api/v1/produce", {"topic": "orders", "value": {"n": 2}}).status_code == 200
    reach(BACK, lambda: call(process, "GET", path).json()["status"]["partitions"][0]["endOffset"], lambda end: end == 2)
    assert call(process, "POST", f"{path}/pause").status_code == 200


def test_a_worker_waits_for_kafka(start_service: Callable[[Service], None], tmp_path: Path) -> None:
    """It is alive and not ready, says why, and starts by itself once there is a Kafka."""
    server, port = Kafka(), free_port()
    popen = spawn(broker="kafka", bootstrap_servers=server.bootstrap, port=port, data_dir=tmp_path)

    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=DEADLINE) as http:

            def status(path: str) -> int:
                try:
                    return http.get(path).status_code
                except httpx.TransportError:
                    return 0

            reach(DEADLINE, lambda: status("/live"), lambda found: found == 200)
            assert (status("/ready"), status("/api/v1/connectors")) == (503, 503)
            reach(DEADLINE, lambda: http.get("/ready").json()["message"], lambda reason: "refused" in reason)
            start_service(server)
            reach(BACK, lambda: status("/ready"), lambda found: found == 200)
            assert http.get("/api/v1/connectors").json() == []

        popen.send_signal(signal.SIGTERM)
        _, log = popen.communicate(timeout=DEADLINE)
        assert popen.returncode == 0
        assert "not_started" in log
    finally:
        popen.kill()
        popen.communicate()


def test_topics_and_records_have_the_shapes_that_they_always_have(
    start: Callable[..., Process], settings: dict[str, Any], kafka: Topics
) -> None:
    """Create, list, produce, consume, delete: with Kafka behind them as with the embedded broker."""
    process = start(**settings)
    name = f"{kafka.prefix}orders"
    made = process.post("/api/v1/topics", {"name": name, "partition_count": 2, "retention_ms": 3_600_000_000})
    assert (made.status_code, made.headers["location"]) == (201, f"/api/v1/topics/{name}")
    assert made.json() == {
        "name": name,
        "partition_count": 2,
        "retention_ms": 3_600_000_000,
        "retention_bytes": None,
        "partitions": [
            {"partition": 0, "startOffset": 0, "endOffset": 0},
            {"partition": 1, "startOffset": 0, "endOffset": 0},
        ],
    }
    assert process.get(f"/api/v1/topics/{name}") == made.json()
    assert made.json() in process.get("/api/v1/topics")
    assert process.post("/api/v1/topics", {"name": name}).json()["code"] == "topic_exists"
    refused = process.post("/api/v1/topics", {"name": f"{kafka.prefix}bad", "partition_count": 0})
    assert [problem["field"] for problem in refused.json()["problems"]] == ["partition_count"]

    record = {"key": "o-1", "value": '{"total": 12.50}', "partition": 1, "timestamp": 1770732000000}
    one = process.post("/api/v1/produce", {"topic": name, **record, "headers": [["a", "1"], ["a", None]]})
    assert one.json() == {"offset": 0, "partition": 1}
    many = [{"value": None, "partition": 1}, {"valueBase64": "/wA=", "partition": 0}, {"value": "x", "partition": 1}]
    batch = process.post("/api/v1/produce/batch", {"topic": name, "records": many})
    assert batch.json() == {"count": 3, "offsets": [1, 0, 2]}

    found = process.get(f"/api/v1/consume?topic={name}&partition=1&max_records=2")
    assert found["nextOffset"] == 2
    assert found["records"][0] == {**record, "offset": 0, "headers": [["a", "1"], ["a", None]]}
    assert (found["records"][1]["offset"], found["records"][1]["value"]) == (1, None)
    past = process.get(f"/api/v1/consume?topic={name}&partition=1&offset=99")
    assert past == {"records": [], "nextOffset": 3}

    keyed = {"topic": name, "key": "o-1", "value": 1}
    assert len({process.post("/api/v1/produce", keyed).json()["partition"] for _ in range(5)}) == 1

    for query, code in ((f"topic={name}&partition=7", "unknown_partition"), ("topic=nothing-here", "unknown_topic")):
        assert process.http.get(f"/api/v1/consume?{query}").json()["code"] == code

    bad = process.post("/api/v1/produce", {"topic": name, "value": 1, "partition": 9})
    assert [problem["field"] for problem in bad.json()["problems"]] == ["partition"]
    assert call(process, "DELETE", f"/api/v1/topics/{name}").status_code == 204
    assert process.http.get(f"/api/v1/topics/{name}").status_code == 404
    assert process.http.delete(f"/api/v1/topics/{name}").json()["code"] == "unknown_topic"


def test_consume_passes_over_what_is_no_record(
    start: Callable[..., Process], settings: dict[str, Any], kafka: Topics
) -> None:
    """Markers of transactions and aborted records are not shown, and nextOffset is behind them: a reader gets to the end."""
    process = start(**settings)
    name = f"{kafka.prefix}orders"
    process.post("/api/v1/topics", {"name": name})
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": f"{kafka.prefix}tx"})
    producer.init_transactions()

    for number in range(6):
        producer.begin_transaction()
        producer.produce(name, value=str(number))
        producer.flush()

        if number % 2:
            producer.abort_transaction()
        else:
            producer.commit_transaction()

    end = process.get(f"/api/v1/topics/{name}")["partitions"][0]["endOffset"]
    values: list[str] = []
    position = 0

    while position < end:
        found = process.get(f"/api/v1/consume?topic={name}&offset={position}&max_records=1")
        assert found["nextOffset"] > position
        values += [record["value"] for record in found["records"]]
        position = found["nextOffset"]

    assert (values, position, end) == (["0", "2", "4"], 12, 12)
    assert process.get(f"/api/v1/consume?topic={name}&offset=9") == {"records": [], "nextOffset": end}


def test_topics_of_the_workers_are_not_for_clients(
    start: Callable[..., Process], settings: dict[str, Any], kafka: Topics, tmp_path: Path
) -> None:
    """Nobody reads secrets out of them, not even with a pattern that they match."""
    process = start(**settings)
    body = file_sink(tmp_path / "out", prefix=kafka.prefix)
    private = f"{settings['group']}-configs"
    config = {**body["config"], "topics.regex": f"{kafka.prefix}.*", "batch.interval_ms": 0}
    assert process.post("/api/v1/topics", {"name": f"{kafka.prefix}orders"}).status_code == 201
    assert process.post("/api/v1/produce", {"topic": f"{kafka.prefix}orders", "value": {"n": 1}}).status_code == 200
    made = process.post("/api/v1/connectors", {**body, "topics": [], "config": config})
    assert made.status_code == 201, made.text

    shown = process.reach(str(body["name"]), recordsProcessed=1, state="running")
    (task,) = shown["status"]["tasks"]
    assert {each["topic"] for each in (*task["partitions"], *shown["status"]["partitions"])} == set(body["topics"])
    assert not [topic for topic in process.get("/api/v1/topics") if topic["name"].startswith(settings["group"])]

    assert process.http.get(f"/api/v1/consume?topic={private}").status_code == 403
    assert process.http.delete(f"/api/v1/topics/{private}").status_code == 403
    assert process.post("/api/v1/produce", {"topic": private, "value": 1}).status_code == 403
    assert process.post("/api/v1/connectors", {**body, "name": "thief", "topics": [private]}).status_code == 400
