from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streamhouse_connect import Definition, SqliteBroker, SqliteDefinitionStore

from .conftest import Run, ScriptedServer


def test_a_topic_is_made_listed_described_and_deleted(run: Run, tmp_path: Path) -> None:
    """In a data directory that is made with it."""
    there = ("--data-dir", tmp_path / "new" / "data")
    assert run("topics", "create", "orders", "--partitions", 2, "--retention-ms", 5000, *there).out == (
        "created topic orders with 2 partitions\n"
    )
    assert run("topics", "list", *there).out.splitlines()[1].split() == ["orders", "2", "0", "5,000", "ms"]
    assert run("topics", "describe", "orders", *there).out.splitlines()[-1].split() == ["1", "0", "0", "0"]
    assert run("topics", "delete", "orders", *there).out == "deleted topic orders\n"
    assert run("topics", "list", *there).out.startswith("no topics yet")


def test_a_script_gets_what_the_rest_api_gives(run: Run, tmp_path: Path) -> None:
    """The same fields by either way."""
    there = ("--data-dir", tmp_path)
    run("topics", "create", "orders", *there)
    run("produce", "orders", "--file", "-", *there, stdin=b"1\n2\n")
    (topic,) = json.loads(run("topics", "list", "-o", "json", *there).out)
    assert topic == {
        "name": "orders",
        "partition_count": 1,
        "retention_ms": None,
        "retention_bytes": None,
        "partitions": [{"partition": 0, "startOffset": 0, "endOffset": 2}],
    }
    assert json.loads(run("topics", "describe", "orders", "-o", "json", *there).out) == topic


@pytest.mark.parametrize("command", [["list"], ["describe", "orders"], ["delete", "orders"]])
def test_looking_makes_no_data_directory(run: Run, tmp_path: Path, command: list[str]) -> None:
    """A misspelt path is told, not filled."""
    outcome = run("topics", *command, "--data-dir", tmp_path / "typo")
    assert outcome.code == 1
    assert "there is no data directory" in outcome.err
    assert not (tmp_path / "typo").exists()


def test_what_there_is_not_is_an_error(run: Run, tmp_path: Path) -> None:
    """And so is what there is already, or may not be."""
    there = ("--data-dir", tmp_path)
    assert run("topics", "describe", "orders", *there).code == 1
    assert run("topics", "delete", "orders", *there).code == 1
    assert run("topics", "create", "a/b", *there).code == 2
    run("topics", "create", "orders", *there)
    outcome = run("topics", "create", "orders", *there)
    assert outcome.code == 1
    assert "orders" in outcome.err


@pytest.mark.parametrize(
    ("topic", "config", "use"),
    [
        ("orders", {}, "is read by c"),
        ("letters", {"errors.tolerance": "all", "errors.deadletterqueue.topic.name": "letters"}, "dead letters of c"),
        ("c-dlq", {"errors.tolerance": "all"}, "dead letters of c"),
    ],
)
def test_a_topic_that_a_connector_uses_is_kept(
    run: Run, tmp_path: Path, topic: str, config: dict[str, object], use: str
) -> None:
    """As a server would, whether it is read or takes dead letters."""
    run("topics", "create", topic, "--data-dir", tmp_path)
    define(tmp_path, topics=("orders",), config=config)
    outcome = run("topics", "delete", topic, "--data-dir", tmp_path)
    assert outcome.code == 1
    assert use in outcome.err
    assert topic in run("topics", "list", "--data-dir", tmp_path).out


def test_a_topic_that_matches_a_connectors_pattern_is_kept(run: Run, tmp_path: Path) -> None:
    """It is read, too."""
    run("topics", "create", "orders-eu", "--data-dir", tmp_path)
    define(tmp_path, topics=(), config={"topics.regex": "orders-.*"})
    assert "is read by c" in run("topics", "delete", "orders-eu", "--data-dir", tmp_path).err


def define(data_dir: Path, *, topics: tuple[str, ...], config: dict[str, object]) -> None:
    """Leave the definition of a connector `c` in a data directory."""
    now = datetime.now(UTC)
    definition = Definition(
        name="c",
        connector_class="file-sink",
        topics=topics,
        config=config,
        uid="u",
        created_at=now,
        updated_at=now,
    )

    async def create() -> None:
        async with SqliteBroker(data_dir), SqliteDefinitionStore(data_dir) as store:
            await store.create(definition)

    asyncio.run(create())


def test_a_held_data_directory_is_refused(run: Run, tmp_path: Path) -> None:
    """With the way to the server that holds it."""

    async def try_it() -> str:
        async with SqliteBroker(tmp_path):
            return (await asyncio.to_thread(run, "topics", "list", "--data-dir", tmp_path)).err

    assert "--url" in asyncio.run(try_it())


def test_two_ways_to_the_topics_are_one_too_many(
    run: Run, tmp_path: Path, scripted_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both options are bad usage; a URL of the environment gives way."""
    there = ("--data-dir", tmp_path)
    assert run("topics", "list", "--url", scripted_server.url, *there).code == 2
    monkeypatch.setenv("STREAMHOUSE_CONNECT_URL", scripted_server.url)
    assert run("topics", "list", *there).code == 0
    assert scripted_server.requests == []


def test_a_servers_topics_are_listed(run: Run, scripted_server: ScriptedServer) -> None:
    """What a strange server calls a topic can't steer the terminal."""
    scripted_server.body = (
        b'[{"name":"t\\u001b","partition_count":1,"retention_ms":null,"retention_bytes":9,"partitions":[]}]'
    )
    outcome = run("topics", "list", "--url", scripted_server.url)
    assert outcome.code == 0
    assert outcome.out.splitlines()[1].split() == ["t\\x1b", "1", "0", "9", "bytes"]
