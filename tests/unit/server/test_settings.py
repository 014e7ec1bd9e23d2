from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from streamhouse_connect import ConfigError
from streamhouse_connect_server import Settings


def problems(**given: Any) -> dict[str, str]:
    """Return field → message."""
    with pytest.raises(ConfigError) as caught:
        Settings(**given)

    return {problem.field: problem.message for problem in caught.value.problems}


def test_the_documented_defaults() -> None:
    """This machine only, port 8080, all of it in one process."""
    settings = Settings()

    assert (settings.host, settings.port, settings.data_dir) == ("127.0.0.1", 8080, Path("data"))
    assert (settings.broker, settings.group, settings.shares_definitions) == ("embedded", "streamhouse-connect", False)


def test_all_that_is_out_of_range_is_named() -> None:
    """Every problem at once."""
    found = problems(port=65_536, shutdown_timeout=float("nan"), host="", group="a b", worker_id="", broker="kafka")

    assert set(found) == {"port", "shutdown_timeout", "host", "group", "worker_id", "bootstrap_servers"}


def test_what_is_for_kafka_needs_it() -> None:
    """Settings without effect would be a mistake that nobody notices."""
    found = problems(bootstrap_servers="a:9092", broker_properties={"a": "b"}, definitions="kafka")

    assert set(found) == {"bootstrap_servers", "broker_properties", "definitions"}
    assert all("--broker kafka" in message for message in found.values())


def test_definitions_are_where_the_topics_are() -> None:
    """Unless something else is asked for."""
    assert Settings(broker="kafka", bootstrap_servers="a:9092").shares_definitions
    assert not Settings(broker="kafka", bootstrap_servers="a:9092", definitions="sqlite").shares_definitions


def test_one_worker_without_consumer_groups_keeps_definitions_to_itself() -> None:
    """Workers that shared them would read everything twice."""
    manual: dict[str, Any] = {
        "broker": "kafka",
        "bootstrap_servers": "a:1",
        "broker_properties": {"consumer.assignment": "manual"},
    }
    assert not Settings(**manual).shares_definitions
    assert not Settings(**manual, definitions="sqlite").shares_definitions
    assert set(problems(**manual, definitions="kafka")) == {"definitions"}


def test_properties_are_not_shown() -> None:
    """There may be passwords among them."""
    settings = Settings(broker="kafka", bootstrap_servers="a:9092", broker_properties={"sasl.password": "hunter2"})

    assert "hunter2" not in repr(settings)
