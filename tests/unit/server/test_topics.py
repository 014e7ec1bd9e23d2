from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streamhouse_connect import ConfigError, ConflictError, Problem

if TYPE_CHECKING:
    from streamhouse_connect import Topic

    from .conftest import Api
    from .fakes import FakeWorker


@pytest.mark.parametrize("field", ["partition_count", "partitions"])
def test_create_answers_201_with_the_topic_and_where_it_is(api: Api, field: str) -> None:
    """The number of partitions has two names."""
    response = api.post("/api/v1/topics", {"name": "orders", field: 2, "retention_ms": 1000, "retention_bytes": 2000})

    assert response.status_code == 201
    assert response.headers["location"] == "/api/v1/topics/orders"
    assert response.json() == {
        "name": "orders",
        "partition_count": 2,
        "retention_ms": 1000,
        "retention_bytes": 2000,
        "partitions": [
            {"partition": 0, "startOffset": 0, "endOffset": 0},
            {"partition": 1, "startOffset": 0, "endOffset": 0},
        ],
    }


def test_a_topic_has_one_partition_and_no_retention_unless_asked(api: Api) -> None:
    """A name is enough."""
    topic = api.post("/api/v1/topics", {"name": "orders"}).json()

    assert (topic["partition_count"], topic["retention_ms"], topic["retention_bytes"]) == (1, None, None)


def test_topics_are_listed_by_name_with_their_extent(api: Api) -> None:
    """GET of all and of one show each partition's first and next offset."""
    for name in ("b", "a"):
        api.post("/api/v1/topics", {"name": name})

    api.post("/api/v1/produce", {"topic": "a", "value": "x"})

    listed = api.get("/api/v1/topics").json()
    assert [topic["name"] for topic in listed] == ["a", "b"]
    assert listed[0]["partitions"] == [{"partition": 0, "startOffset": 0, "endOffset": 1}]
    assert api.get("/api/v1/topics/a").json() == listed[0]


def test_an_existing_topic_made_again_is_409(api: Api) -> None:
    """A name is taken, whatever the rest of the body says."""
    api.post("/api/v1/topics", {"name": "orders"})

    assert api.post("/api/v1/topics", {"name": "orders", "partitions": 9}).status_code == 409


def test_delete_is_204_then_404(api: Api) -> None:
    """A topic that is gone is gone."""
    api.post("/api/v1/topics", {"name": "orders"})

    assert api.call("DELETE", "/api/v1/topics/orders").status_code == 204
    assert api.call("DELETE", "/api/v1/topics/orders").json()["code"] == "unknown_topic"
    assert api.get("/api/v1/topics/orders").json()["code"] == "unknown_topic"


def test_a_topic_in_use_is_409(api: Api, worker: FakeWorker) -> None:
    """The worker knows who reads a topic."""
    worker.failure = ConflictError("topic 'orders' is read by 'a'", code="topic_in_use")

    response = api.call("DELETE", "/api/v1/topics/orders")

    assert (response.status_code, response.json()["code"]) == (409, "topic_in_use")


def test_a_key_that_nobody_knows_is_a_warning(api: Api) -> None:
    """As with a connector's options."""
    response = api.post("/api/v1/topics", {"name": "orders", "retention_mss": 5, "replication_factor": 3})

    assert response.status_code == 201
    assert response.json()["warnings"] == [
        "retention_mss is not known; did you mean 'retention_ms'?",
        "replication_factor is not known",
    ]


def test_two_numbers_of_partitions_must_agree(api: Api) -> None:
    """partition_count and partitions are the same thing."""
    assert api.fields("/api/v1/topics", {"name": "orders", "partition_count": 1, "partitions": 2}).keys() == {
        "partition_count"
    }
    assert api.post("/api/v1/topics", {"name": "a", "partition_count": 2, "partitions": 2}).status_code == 201


@pytest.mark.parametrize("field", ["partition_count", "partitions"])
def test_a_wrong_number_of_partitions_is_named_as_it_was_given(api: Api, field: str) -> None:
    """The problem is about the field that the client sent."""
    assert api.fields("/api/v1/topics", {"name": "orders", field: 0}).keys() == {field}


@pytest.mark.parametrize(
    "given", [{"retention_ms": 5}, {"retention_bytes": 5}, {"retention_ms": 5, "retention_bytes": 5}]
)
def test_a_retention_that_the_broker_refuses_is_named_as_it_was_given(
    api: Api, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch, given: dict[str, int]
) -> None:
    """Brokers that can't tell the two limits apart blame both, if both were given."""

    async def refuse(_name: str, **_settings: object) -> Topic:
        raise ConfigError([Problem("retention", "is more than the brokers allow")])

    monkeypatch.setattr(worker.broker, "create_topic", refuse)

    assert api.fields("/api/v1/topics", {"name": "orders", **given}).keys() == given.keys()


def test_many_keys_that_nobody_knows_are_counted(api: Api) -> None:
    """A hundred of them are told one by one."""
    response = api.post("/api/v1/topics", {"name": "orders", **{f"k{number}": 1 for number in range(250)}})

    assert response.status_code == 201
    assert len(response.json()["warnings"]) == 101
    assert response.json()["warnings"][-1] == "150 more are not known"


def test_every_wrong_field_is_named(api: Api) -> None:
    """The types of all fields are checked at once."""
    body = {"partition_count": "4", "partitions": 2.5, "retention_ms": True, "retention_bytes": 10**30}

    assert api.fields("/api/v1/topics", body) == {
        "name": "is required",
        "partition_count": "must be an integer or null, not a string",
        "partitions": "must be an integer or null, not a number",
        "retention_ms": "must be an integer or null, not true or false",
        "retention_bytes": "must be an integer <= 9223372036854775807",
    }


@pytest.mark.parametrize(
    "body",
    [
        {"name": ""},
        {"name": "a/b"},
        {"name": ".."},
        {"name": "a" * 250},
        {"name": "ä"},
        {"name": "a\u0000"},
        {"name": "orders", "partitions": 0},
        {"name": "orders", "partitions": -1},
        {"name": "orders", "partitions": 2**31 - 1},
        {"name": "orders", "retention_ms": -5},
        {"name": "orders", "retention_bytes": -(2**63)},
    ],
)
def test_what_no_topic_can_have_is_400(api: Api, body: object) -> None:
    """The broker's rules are answered with the field that breaks them."""
    assert api.fields("/api/v1/topics", body)
    assert api.get("/api/v1/topics").json() == []
