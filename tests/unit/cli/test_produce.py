from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from streamhouse_connect import SqliteBroker, TopicPartition

from .conftest import Run, ScriptedServer


def records(
    data_dir: Path, *, partition: int = 0
) -> tuple[Sequence[bytes | None], Sequence[bytes | None], Sequence[int]]:
    """Return keys, values and timestamps of the topic `t`."""

    async def read() -> tuple[Sequence[bytes | None], Sequence[bytes | None], Sequence[int]]:
        async with SqliteBroker(data_dir) as broker:
            batch = await broker.read(TopicPartition("t", partition), 0, max_records=1_000_000)
            return batch.keys, batch.values, batch.timestamps

    return asyncio.run(read())


def test_lines_become_records(run: Run, tmp_path: Path) -> None:
    """Byte for byte, with key and time from their fields."""
    file = tmp_path / "t.ndjson"
    file.write_bytes(b'{"k":"a", "at": 5}\n\n{"k":1.50,"at":"1970-01-01"}\r\n"x"')
    outcome = run("produce", "t", "--file", file, "--key-field", "k", "--timestamp-field", "at", "--data-dir", tmp_path)
    assert outcome.code == 0
    assert outcome.out.startswith("sent 3 records to t in ")
    assert outcome.err.count("1 records have no field") == 2
    keys, values, timestamps = records(tmp_path)
    assert list(keys) == [b"a", b"1.50", None]
    assert list(values) == [b'{"k":"a", "at": 5}', b'{"k":1.50,"at":"1970-01-01"}', b'"x"']
    assert list(timestamps[:2]) == [5, 0]


def test_standard_input_is_a_file(run: Run, tmp_path: Path) -> None:
    """Called so in errors."""
    outcome = run("produce", "t", "--file", "-", "--data-dir", tmp_path, stdin=b"1\n2\n{\n4\n")
    assert outcome.code == 1
    assert outcome.err.startswith("error: standard input, line 3: not JSON: it ends too early")
    assert outcome.err.endswith("(2 records were sent, up to line 2)\n")
    assert list(records(tmp_path)[1]) == [b"1", b"2"]


def test_a_script_gets_figures(run: Run, tmp_path: Path) -> None:
    """How many were sent, and how far each partition reaches; of nothing, and of no topic, too."""
    there = ("--file", "-", "-o", "json", "--data-dir", tmp_path)
    outcome = run("produce", "t", *there, "--partitions", 2, stdin=b"1\n2\n3\n")
    figures = json.loads(outcome.out)
    assert (outcome.code, outcome.err) == (0, "")
    assert figures.pop("seconds") >= 0
    assert sum(each["endOffset"] for each in figures["partitions"]) == 3
    assert [(each["partition"], each["startOffset"]) for each in figures.pop("partitions")] == [(0, 0), (1, 0)]
    assert figures == {"topic": "t", "count": 3}

    nothing = json.loads(run("produce", "other", *there).out)
    assert (nothing["count"], nothing["partitions"]) == (0, [])


def test_equal_keys_stay_together(run: Run, tmp_path: Path) -> None:
    """A topic that is made gets the partitions asked for, and keys choose among them."""
    data = "".join(json.dumps({"id": number % 7}) + "\n" for number in range(700)).encode()
    run("produce", "t", "--file", "-", "--key-field", "id", "--partitions", 3, "--data-dir", tmp_path, stdin=data)
    seen = [set(records(tmp_path, partition=partition)[0]) for partition in range(3)]
    assert sum(map(len, seen)) == 7


def test_partitions_of_a_topic_that_is_there_are_not_changed(run: Run, tmp_path: Path) -> None:
    """It is told that the option had no effect; without the option there is nothing to tell."""
    there = ("--file", "-", "--data-dir", tmp_path)
    run("topics", "create", "t", "--partitions", 2, "--data-dir", tmp_path)
    assert "had no effect" in run("produce", "t", *there, "--partitions", 4, stdin=b"1").err
    assert run("produce", "t", *there, stdin=b"1").err == ""


def test_more_than_a_batch_comes_through(run: Run, tmp_path: Path) -> None:
    """In order, all of it."""
    data = b"".join(b"%d\n" % number for number in range(25_000))
    assert run("produce", "t", "--file", "-", "--data-dir", tmp_path, stdin=data).out.startswith("sent 25,000 records")
    assert list(records(tmp_path)[1]) == data.split()


def test_a_server_gets_values_as_text(run: Run, scripted_server: ScriptedServer) -> None:
    """So that a JSON string, null and spaces arrive as they are written."""
    scripted_server.body = (
        b'{"name":"t","partition_count":1,"retention_ms":null,"retention_bytes":null,"partitions":[],"count":3}'
    )
    outcome = run("produce", "t", "--file", "-", "--url", scripted_server.url, stdin=b'"x"\nnull\n {"a" : 1} \n')
    assert outcome.code == 0
    method, path, body = scripted_server.requests[-1]
    assert (method, path) == ("POST", "/api/v1/produce/batch")
    assert json.loads(body) == {
        "topic": "t",
        "records": [{"value": '"x"'}, {"value": "null"}, {"value": ' {"a" : 1} '}],
    }


@pytest.mark.parametrize("option", ["--key-field", "--timestamp-field"])
def test_a_field_that_is_none_is_bad_usage(run: Run, tmp_path: Path, option: str) -> None:
    """Nothing is sent."""
    outcome = run("produce", "t", "--file", "-", option, "a..b", "--data-dir", tmp_path, stdin=b"1")
    assert outcome.code == 2
    assert "no field" in outcome.err


def test_a_file_that_is_not_there_is_bad_usage(run: Run, tmp_path: Path) -> None:
    """Like a directory in its place."""
    assert run("produce", "t", "--file", tmp_path / "x", "--data-dir", tmp_path).code == 2
    assert run("produce", "t", "--file", tmp_path, "--data-dir", tmp_path).code == 2


def test_a_hostile_topic_is_refused_before_anything_is_sent(run: Run, tmp_path: Path) -> None:
    """Its name does not become a path."""
    outcome = run("produce", "../../x", "--file", "-", "--data-dir", tmp_path / "data", stdin=b"1")
    assert outcome.code == 2
    assert "name: must be 1 to 249 letters" in outcome.err
