"""The body of a create request: every problem at once, each with the field it is about."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhouse_connect import ConfigError, Registry, Subscription, TargetState
from streamhouse_connect.runtime.spec import parse_body

REGISTRY = Registry(entry_points=False)


def body(**fields: Any) -> dict[str, Any]:
    """Return a body that is right, with some fields replaced."""
    return {
        "name": "c",
        "connectorType": "sink",
        "connectorClass": "file-sink",
        "topics": ["orders"],
        "config": {"file.path": "/data"},
        **fields,
    }


def fields_of(**fields: Any) -> list[str]:
    """Return the fields that a body's problems are about."""
    with pytest.raises(ConfigError) as caught:
        parse_body(body(**fields), REGISTRY)

    return [problem.field for problem in caught.value.problems]


def test_an_alias_is_answered_by_the_canonical_name() -> None:
    """Old class names go on working."""
    for alias in ("file", "com.streamhouse.connect.file.FileSinkConnector", "file-sink"):
        assert parse_body(body(connectorClass=alias), REGISTRY).connector_class == "file-sink"


def test_everything_that_is_wrong_is_told_at_once() -> None:
    """Fields of the body and options together."""
    wrong = fields_of(name="a/b", topics=[], initialState="asleep", connectorType="source", config={"batch.size": 0})
    assert wrong == ["name", "topics", "initialState", "connectorType", "config.file.path", "config.batch.size"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"name": ""}, ["name"]),
        ({"name": 7}, ["name"]),
        ({"name": "x" * 201}, ["name"]),
        ({"topics": "orders"}, ["topics"]),
        ({"topics": ["a", "a"]}, ["topics[1]"]),
        ({"topics": ["a", "b c", ".."]}, ["topics[1]", "topics[2]"]),
        ({"topics": ["c-dlq"]}, ["topics"]),
        ({"connectorClass": None}, ["connectorClass"]),
        ({"connectorClass": "nosuch"}, ["connectorClass"]),
        ({"config": []}, ["config", "config.file.path"]),
        ({"config": {"file.path": "x", "format": "xml"}}, ["config.format"]),
        ({"config": {"file.path": "x", "partitioning": "weekly"}}, ["config.partitioning"]),
        ({"uid": "a b"}, ["uid"]),
        ({"config": {"file.path": "x", "topics.regex": "o.*"}}, ["topics"]),
        ({"topics": [], "config": {"file.path": "x", "topics.regex": ""}}, ["topics"]),
        ({"topics": None, "config": {"file.path": "x", "topics.regex": "o("}}, ["config.topics.regex"]),
        ({"config": {"file.path": "x", "tasks.max": 0}}, ["config.tasks.max"]),
        ({"config": {"file.path": "x", "offset.reset": "first"}}, ["config.offset.reset"]),
    ],
)
def test_each_problem_names_its_field(fields: dict[str, Any], expected: list[str]) -> None:
    """So that a form can show it where it belongs."""
    assert fields_of(**fields) == expected


def test_a_pattern_stands_for_topics() -> None:
    """It takes in what matches as a whole, but not the connector's own dead letters."""
    spec = parse_body(body(topics=[], config={"file.path": "x", "topics.regex": "[a-z]+(-dlq)?"}), REGISTRY)
    subscription = spec.plan.subscription(spec.topics)
    assert spec.topics == ()
    assert [topic for topic in ("orders", "orders2", "c-dlq", "d-dlq") if subscription.includes(topic)] == [
        "orders",
        "d-dlq",
    ]


def test_how_a_connector_reads_is_part_of_its_configuration() -> None:
    """Where reading starts, what of transactions, and with which properties of the client library."""
    config = {
        "file.path": "x",
        "offset.reset": "latest",
        "isolation.level": "read_uncommitted",
        "consumer.override.fetch.min.bytes": 1,
        "consumer.override.check.crcs": True,
    }
    spec = parse_body(body(config=config), REGISTRY)
    assert spec.plan.subscription(spec.topics) == Subscription(
        ["orders"],
        excluded=frozenset({"c-dlq"}),
        offset_reset="latest",
        isolation_level="read_uncommitted",
        properties={"fetch.min.bytes": "1", "check.crcs": "true"},
    )
    assert spec.warnings == ()


def test_an_unknown_field_is_a_warning() -> None:
    """What an answer holds besides may be sent back without a warning."""
    spec = parse_body(body(topic=["x"], state="running", status={}), REGISTRY)
    assert spec.warnings == ("topic is not a field of a connector; did you mean topics?",)


def test_the_initial_state_may_be_chosen() -> None:
    """A connector can be made without being started."""
    assert parse_body(body(initialState="paused"), REGISTRY).target is TargetState.PAUSED
    assert parse_body(body(), REGISTRY).target is TargetState.RUNNING


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
)


@given(wild=st.dictionaries(st.sampled_from([*body(), "uid", "initialState", "x"]), JSON))
def test_any_body_is_taken_or_refused(wild: dict[str, Any]) -> None:
    """No JSON makes anything but a spec or a ConfigError."""
    with suppress(ConfigError):
        parse_body({**body(), **wild}, REGISTRY)
