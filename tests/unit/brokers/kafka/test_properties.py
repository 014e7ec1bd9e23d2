"""The properties of a consumer: a user's, ours, and those that are not to be changed."""

from __future__ import annotations

import pytest

from streamhouse_connect import FatalError, Subscription
from streamhouse_connect.brokers.kafka._properties import consumer_properties


def test_a_connectors_properties_win_over_the_brokers() -> None:
    """And both over our defaults."""
    subscription = Subscription(["t"], properties={"fetch.min.bytes": "2", "session.timeout.ms": "7000"})
    found = consumer_properties({"fetch.min.bytes": "1", "security.protocol": "SSL"}, "g", subscription)
    assert found["fetch.min.bytes"] == "2"
    assert found["session.timeout.ms"] == "7000"
    assert found["security.protocol"] == "SSL"
    assert found["group.id"] == "g"


def test_the_new_protocol_leaves_timeouts_to_the_brokers() -> None:
    """Librdkafka refuses them, and the assignor, with group.protocol=consumer."""
    found = consumer_properties({}, "g", Subscription(["t"], properties={"group.protocol": "consumer"}))
    assert not {"session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy"} & found.keys()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("enable.auto.commit", "true"),
        ("auto.offset.reset", "latest"),
        ("group.id", "other"),
        ("isolation.level", "read_uncommitted"),
        ("partition.assignment.strategy", "range"),
    ],
)
def test_what_delivery_depends_on_is_not_to_be_set(key: str, value: str) -> None:
    """Each is named; the same value as ours is no offence."""
    with pytest.raises(FatalError, match=f"^{key}: not to be set"):
        consumer_properties({}, "g", Subscription(["t"], properties={key: value}))

    own = consumer_properties({}, "g", Subscription(["t"]))
    assert consumer_properties({}, "g", Subscription(["t"], properties={key: own[key]})) == own
