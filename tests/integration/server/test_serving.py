"""The process: it starts, it is stopped in every way there is, and what it was told survives."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import time
from typing import TYPE_CHECKING

import httpx2 as httpx
import pytest

from services.ports import free_port
from streamhouse_connect import ConfigError
from streamhouse_connect_server import Settings, serve

from .processes import DEADLINE, spawn

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .processes import Process


def file_sink(tmp_path: Path, name: str = "c", interval_ms: int = 10, size: int = 1000) -> dict[str, object]:
    return {
        "name": name,
        "connectorType": "sink",
        "connectorClass": "file-sink",
        "topics": ["orders"],
        "config": {"file.path": str(tmp_path / name), "batch.interval_ms": interval_ms, "batch.size": size},
    }


def lines(tmp_path: Path, name: str = "c") -> list[str]:
    files = (tmp_path / name).rglob("*.json")
    return sorted(line for file in files for line in file.read_text().splitlines())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_flushes_commits_and_ends_with_0(
    start: Callable[..., Process], tmp_path: Path, number: signal.Signals
) -> None:
    """What connectors have buffered is written and committed; after a restart nothing is written twice."""
    process = start()
    process.post("/api/v1/topics", {"name": "orders"})
    process.post("/api/v1/connectors", file_sink(tmp_path, interval_ms=600_000, size=30))
    process.post("/api/v1/produce/batch", {"topic": "orders", "records": [{"value": {"n": n}} for n in range(50)]})
    process.reach("c", recordsProcessed=30)  # the rest came with them, and waits
    code, log = process.end(number)

    assert code == 0
    assert "Traceback" not in log

    again = start()
    shown = again.reach("c", recordsProcessed=50, state="running")
    assert shown["status"]["partitions"][0]["lag"] == 0
    assert len(lines(tmp_path)) == len(set(lines(tmp_path))) == 50


def test_everything_survives_a_restart(start: Callable[..., Process], tmp_path: Path) -> None:
    """Topics, records, definitions, offsets and counts are there again; paused stays paused."""
    process = start()
    process.post("/api/v1/topics", {"name": "orders", "partitions": 2})
    process.post("/api/v1/produce", {"topic": "orders", "value": {"a": 1}, "partition": 1})

    for name in ("running", "paused", "stopped"):
        process.post("/api/v1/connectors", file_sink(tmp_path, name))
        process.reach(name, recordsProcessed=1)

    process.post("/api/v1/connectors/paused/pause")
    process.post("/api/v1/connectors/stopped/stop")
    process.post("/api/v1/produce", {"topic": "orders", "value": {"a": 2}, "partition": 1})
    process.reach("running", recordsProcessed=2)
    before = {each["name"]: each for each in process.get("/api/v1/connectors")}
    assert process.end(signal.SIGTERM)[0] == 0

    again = start()
    again.reach("running", state="running", recordsProcessed=2)
    again.reach("paused", state="paused", recordsProcessed=1)
    again.reach("stopped", state="stopped", recordsProcessed=1)
    after = {each["name"]: each for each in again.get("/api/v1/connectors")}

    for name, shown in before.items():
        same = ("config", "topics", "connectorClass", "targetState", "createdAt", "updatedAt")
        assert {key: after[name][key] for key in same} == {key: shown[key] for key in same}

    assert [record["value"] for record in again.get("/api/v1/consume?topic=orders&partition=1")["records"]] == [
        '{"a":1}',
        '{"a":2}',
    ]
    again.post("/api/v1/connectors/paused/resume")
    again.reach("paused", state="running", recordsProcessed=2)
    assert lines(tmp_path, "paused") == ['{"a":1}', '{"a":2}']


def test_a_kill_loses_nothing_that_was_answered(start: Callable[..., Process], tmp_path: Path) -> None:
    """Topics, records and definitions are durable once the API has answered."""
    process = start()
    process.post("/api/v1/topics", {"name": "orders"})
    process.post("/api/v1/connectors", {**file_sink(tmp_path), "initialState": "paused"})
    process.post("/api/v1/produce", {"topic": "orders", "value": {"a": 1}})
    process.end(signal.SIGKILL)

    again = start()
    assert again.post("/api/v1/connectors/c/resume").status_code == 200
    again.reach("c", recordsProcessed=1)
    assert lines(tmp_path) == ['{"a":1}']


def test_a_second_process_on_the_same_data_is_refused(start: Callable[..., Process], tmp_path: Path) -> None:
    """With one line that names the directory; the first one does not notice."""
    process = start()

    second = spawn(data_dir=tmp_path / "data", port=0)
    _, errors = second.communicate(timeout=DEADLINE)

    assert second.returncode == 1
    assert errors.startswith("ConflictError data_dir_in_use: ")
    assert str(tmp_path / "data") in errors
    assert errors.count("\n") == 1
    assert process.get("/ready") == {"status": "ready"}


def test_a_port_in_use_is_one_line(start: Callable[..., Process], tmp_path: Path) -> None:
    """It is known before the data directory is touched."""
    process = start()
    port = process.port

    second = spawn(data_dir=tmp_path / "other", port=port)
    _, errors = second.communicate(timeout=DEADLINE)

    assert second.returncode == 1
    assert errors == (
        f"ConflictError port_in_use: port {port} of 127.0.0.1 is in use by another process; "
        "stop it, or take another port with --port\n"
    )
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid", "a" * 300, "ä..b", "1.2.3.4.5"])
async def test_a_host_that_is_not_ours_is_a_problem_of_the_settings(tmp_path: Path, host: str) -> None:
    """Whatever the resolver makes of it."""
    with pytest.raises(ConfigError) as caught:
        await serve(Settings(data_dir=tmp_path / "data", port=0, host=host))

    assert [problem.field for problem in caught.value.problems] == ["host"]


async def test_a_data_directory_that_is_a_file_is_a_problem_of_the_settings(tmp_path: Path) -> None:
    """The directory is named."""
    (tmp_path / "data").write_text("")

    with pytest.raises(ConfigError, match=r"data_dir .*/data"):
        await serve(Settings(data_dir=tmp_path / "data", port=0))


async def test_an_application_may_serve_and_cancel(tmp_path: Path) -> None:
    """Inside another program, to cancel is to stop, and nothing is left behind."""
    settings = Settings(data_dir=tmp_path / "data", port=0, host="localhost")

    for _ in range(2):
        url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(serve(settings, ready=url.set_result))

        async with httpx.AsyncClient(trust_env=False) as http:
            assert (await http.get(f"{await url}/live")).status_code == 200

        serving.cancel()

        with pytest.raises(asyncio.CancelledError):
            await serving

    assert gc.get_freeze_count() == 0


def test_the_port_is_free_again_at_once(start: Callable[..., Process]) -> None:
    """A restart does not wait for connections of the last run."""
    port = free_port()

    for _ in range(2):
        process = start(port=port)
        assert process.get("/live") == {"status": "live"}
        assert process.end(signal.SIGTERM)[0] == 0


def test_a_request_that_hangs_does_not_keep_the_process(start: Callable[..., Process]) -> None:
    """A client that never sends its body is left behind when time is up."""
    process = start(shutdown_timeout=2)

    with socket.create_connection(("127.0.0.1", process.port)) as connection:
        connection.sendall(
            b"POST /api/v1/topics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n"
            b"Content-Type: application/json\r\n\r\n"
        )
        process.get("/live")
        before = time.monotonic()
        code, log = process.end(signal.SIGTERM)

    assert code == 0
    assert "Traceback" not in log
    assert time.monotonic() - before < 10


def test_a_second_signal_does_not_wait(start: Callable[..., Process]) -> None:
    """Whoever presses Ctrl-C twice means it."""
    process = start(shutdown_timeout=3600)

    with socket.create_connection(("127.0.0.1", process.port)) as connection:
        connection.sendall(b"POST /api/v1/topics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n")
        process.get("/live")
        process.popen.send_signal(signal.SIGINT)
        assert process.popen.stderr is not None

        while "stopping" not in process.popen.stderr.readline():
            pass

        assert process.end(signal.SIGINT)[0] != 0


def test_what_is_no_http_harms_nobody(start: Callable[..., Process]) -> None:
    """The connection is closed, without a traceback, and the next request is answered."""
    process = start()

    for request in (
        b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000,
        b"GET /live HTTP/1.1\r\n\r\n",
        b"POST /api/v1/topics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST /api/v1/topics HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ):
        with socket.create_connection(("127.0.0.1", process.port), timeout=10) as connection:
            connection.sendall(request)
            status = connection.recv(1000).split(b"\r\n")[0]

        assert status.startswith(b"HTTP/1.1 4"), (request[:50], status)
        assert process.get("/live") == {"status": "live"}

    assert "Traceback" not in process.end(signal.SIGTERM)[1]


def test_a_body_above_the_limit_is_answered_over_the_wire(start: Callable[..., Process]) -> None:
    """Chunks without an announced length are refused with 413, which reaches a client that is still sending."""
    process = start()

    response = process.http.post(
        "/api/v1/topics",
        content=(b" " * 65_536 for _ in range(64)),
        headers={"Content-Type": "application/json"},
    )

    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")


def test_a_foreign_name_is_refused_on_loopback_only(start: Callable[..., Process]) -> None:
    """On loopback nobody else's name leads to us; who opens the API to a network says so."""
    process = start()
    assert process.http.get("/live", headers={"Host": "evil.example"}).status_code == 403
    assert process.http.get("/live", headers={"Host": "localhost"}).status_code == 200
    process.end(signal.SIGTERM)

    named = start(allowed_hosts=["connect.example"])
    assert named.http.get("/live", headers={"Host": "connect.example:80"}).status_code == 200
    assert named.http.get("/live", headers={"Host": "evil.example"}).status_code == 403
    named.end(signal.SIGTERM)

    opened = start(host="0.0.0.0")
    url = f"http://127.0.0.1:{opened.port}/live"
    assert opened.http.get(url, headers={"Host": "connect"}).status_code == 200
    assert "open_to_network" in opened.end(signal.SIGTERM)[1]


def test_secrets_are_in_no_log(start: Callable[..., Process], tmp_path: Path) -> None:
    """Not in the answers, not in the log, whatever happens to the connector."""
    process = start()
    body = {
        "name": "p",
        "connectorClass": "postgres-sink",
        "topics": ["orders"],
        "config": {
            "connection.url": f"postgresql://user:hunter2@127.0.0.1:{free_port()}/db",
            "table.name": "orders",
            "insert.mode": "insert",
        },
    }
    assert process.post("/api/v1/connectors", body).status_code == 201
    process.reach("p", state="retrying")
    answers = [process.post("/api/v1/connectors", body).text, process.http.get("/api/v1/connectors").text]
    answers.append(process.http.get("/api/v1/connectors/p").text)
    answers.append(process.http.put("/api/v1/connectors/p", json={**body, "config": {**body["config"], "x": "y"}}).text)  # type: ignore[dict-item]  # it is one
    code, log = process.end(signal.SIGTERM)

    assert code == 0
    assert "hunter2" not in "".join(answers) + log


def test_the_data_is_private(start: Callable[..., Process], tmp_path: Path) -> None:
    """Files are the owner's alone."""
    process = start()
    process.post("/api/v1/topics", {"name": "orders"})
    files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]

    assert files
    assert {oct(path.stat().st_mode & 0o777) for path in files} == {"0o600"}
    process.end(signal.SIGTERM)
