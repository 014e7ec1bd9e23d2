"""The body of a create request: every problem at once, each with the field it is about."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhouse_connect import ConfigError, Registry, TargetState
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
    ],
)
def test_each_problem_names_its_field(fields: dict[str, Any], expected: list[str]) -> None:
    """So that a form can show it where it belongs."""
    assert fields_of(**fields) == expected


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
