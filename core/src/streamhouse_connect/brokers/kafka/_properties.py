"""The properties of a consumer: what a user may choose, what we choose otherwise, and what is not to be changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streamhouse_connect.errors import FatalError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamhouse_connect.brokers.subscription import Subscription

__all__ = ["asks_for_versions", "consumer_properties"]

_DEFAULTS: Final = {
    # Its default of a second stalls whoever reads faster than that.
    "fetch.queue.backoff.ms": "10",
    "queued.max.messages.kbytes": "8192",
}
_CLASSIC: Final = {"partition.assignment.strategy": "cooperative-sticky"}
# Members hear of a rebalance by their heartbeats: it takes as long as the slowest of them.
_CLASSIC_DEFAULTS: Final = {"session.timeout.ms": "10000", "heartbeat.interval.ms": "1000"}
_FIXED: Final = {
    "enable.auto.commit": "false",  # what is durable is committed, and nothing else
    "enable.auto.offset.store": "false",
    "auto.offset.reset": "error",  # offset.reset decides
    "enable.partition.eof": "true",  # what follows the last record, markers of transactions, is passed over
}
_FALSE: Final = frozenset({"false", "f", "0"})


def asks_for_versions(properties: Mapping[str, str]) -> bool:
    """Tell whether brokers are asked which versions of the protocol they speak.

    Without that the library speaks the versions of Kafka 0.9: topics have no ids, there are no idempotent producers, and what is
    asked of a controller waits in vain for one.
    """
    return properties.get("api.version.request", "true").lower() not in _FALSE


def consumer_properties(properties: Mapping[str, str], group: str, subscription: Subscription) -> dict[str, str]:
    """Merge the broker's properties, the subscription's own and ours.

    :raises FatalError: naming the properties that must not be set.
    """
    given = {**properties, **subscription.properties}
    own = {**_FIXED, "group.id": group, "isolation.level": subscription.isolation_level}
    is_classic = given.get("group.protocol", "classic").lower() != "consumer"

    if is_classic:
        own |= _CLASSIC

    if taken := sorted(key for key in given if given[key] != own.get(key, given[key])):
        raise FatalError(
            f"{', '.join(taken)}: not to be set for a consumer; offsets, groups and isolation are options of the connector "
            "(offset.reset, isolation.level)"
        )

    return {**_DEFAULTS, **(_CLASSIC_DEFAULTS if is_classic else {}), **given, **own}
