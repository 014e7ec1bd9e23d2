"""The body of a create request: every problem at once, each with the field it is about."""

from __future__ import annotations

import sys
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhouse_connect import ConfigError, Definition, PluginError, Registry, Subscription, TargetState
from streamhouse_connect.runtime.spec import parse_body, parse_update

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


def problems_of(**fields: Any) -> list[str]:
    """Return the problems of a body as people read them."""
    with pytest.raises(ConfigError) as caught:
        parse_body(body(**fields), REGISTRY)

    return [str(problem) for problem in caught.value.problems]


def test_there_is_an_end_to_topics() -> None:
    """Beyond it, a pattern takes in all that match."""
    topics = [f"t{number}" for number in range(10_000)]
    assert len(parse_body(body(topics=topics), REGISTRY).topics) == 10_000
    (problem,) = problems_of(topics=["t"] * 40_000)
    assert problem.startswith("topics must name at most 10,000 topics, but names 40,000; config.topics.regex ")


def test_of_very_many_wrong_topics_the_first_are_told() -> None:
    """And how many more there are; names are compared in no time."""
    problems = problems_of(topics=["t"] * 10_000)
    assert len(problems) == 101
    assert problems[0] == "topics[1] names t a second time"
    assert problems[-1] == "topics has 9,899 more problems of these kinds"


def test_of_very_many_unknown_fields_the_first_are_told() -> None:
    """And how many more there are."""
    spec = parse_body(body(**{f"topic{number}": 1 for number in range(60_000)}), REGISTRY)
    assert len(spec.warnings) == 101
    assert spec.warnings[-1] == "59,900 more keys are not a field of a connector"


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        (
            {"connectorClass": "flie-sink"},
            "connectorClass is not known: 'flie-sink' names no sink; did you mean file-sink?",
        ),
        (
            {"config": {"file.path": "x", "format": "jsom"}},
            "config.format is not known: 'jsom' names no formatter; did you mean json?",
        ),
        ({"connectorType": ["source"]}, "connectorType must be sink, but is ['source']"),
    ],
)
def test_a_problem_reads_as_a_sentence_about_its_field(fields: dict[str, Any], problem: str) -> None:
    """The field is its subject."""
    assert problems_of(**fields) == [problem]


def test_a_format_whose_library_is_missing_is_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one sentence about the field, which is named once."""
    monkeypatch.delitem(sys.modules, "streamhouse_connect.formatters.parquet", raising=False)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)

    assert problems_of(config={"file.path": "x", "format": "parquet"}) == [
        'config.format "parquet" needs pyarrow: pip install "streamhouse-connect[parquet]"'
    ]


def test_a_plugin_that_is_broken_is_told_as_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its error says."""

    def broken(_: Registry, name: str) -> Any:
        message = f"two plugins claim {name}"
        raise PluginError(message)

    monkeypatch.setattr(Registry, "formatter", broken)

    assert problems_of(config={"file.path": "x"}) == ["config.format can not be used: two plugins claim json"]


@pytest.mark.parametrize("config", ["s3.secret.key=geheim", ["geheim"], 7])
def test_a_config_that_is_no_object_is_not_repeated(config: object) -> None:
    """It may hold secrets all the same."""
    what = {str: "text", list: "a list", int: "something else"}[type(config)]
    assert f"config must be an object, but is {what}" in problems_of(config=config)


def test_a_path_is_text() -> None:
    """Neither true nor a NUL can be part of one; a number can."""
    assert problems_of(config={"file.path": True}) == ["config.file.path must be text, but is true"]
    assert problems_of(config={"file.path": "a\0b"}) == ["config.file.path must not hold the character NUL"]
    assert parse_body(body(config={"file.path": 1}), REGISTRY).config == {"file.path": 1}


def test_an_update_warns_of_what_only_a_new_connector_takes() -> None:
    """A state is asked for by pause, resume and stop, and the uid stays."""
    now = datetime.now(UTC)
    definition = Definition(
        name="c",
        connector_class="file-sink",
        topics=("orders",),
        config={"file.path": "/data"},
        uid="u",
        created_at=now,
        updated_at=now,
    )
    update = partial(parse_update, definition, None, registry=REGISTRY)
    assert update(body={"topics": ["orders"], "config": {"file.path": "/data"}, "uid": "u"}).warnings == ()
    assert update(body=body(initialState="paused", uid="v")).warnings == (
        "initialState has no effect on a connector that exists; pause, stop or resume it",
        "uid has no effect on a connector that exists; it keeps the one that it was made with",
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
)


@given(wild=st.dictionaries(st.sampled_from([*body(), "uid", "initialState", "x"]), JSON))
def test_any_body_is_taken_or_refused(wild: dict[str, Any]) -> None:
    """No JSON makes anything but a spec or a ConfigError."""
    with suppress(ConfigError):
        parse_body({**body(), **wild}, REGISTRY)
