"""The topics of definitions and statuses: made if they are missing, refused if definitions would not last in them."""

from __future__ import annotations

import logging
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import ConfigResource, NewTopic, ResourceType  # type: ignore[attr-defined]  # no `as` there

from streamhouse_connect.errors import FatalError, RetriableError
from streamhouse_connect.librdkafka import cause, translate, translated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from confluent_kafka.admin import AdminClient

    from streamhouse_connect.definitions._clients import Complaints

__all__ = ["ensure_topics"]

_LOG: Final = logging.getLogger("streamhouse_connect.definitions.kafka")
_REPLICAS: Final = 3
_PAUSE_SECONDS: Final = 0.05
_POLICY: Final = "cleanup.policy"
_NOT_TOLD: Final = frozenset(
    {
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError._UNSUPPORTED_FEATURE,  # noqa: SLF001 - librdkafka's name
    }
)
_CONFIGS: Final = {_POLICY: "compact"}
_STATUS: Final = {  # of no use after seconds, and those of workers that are gone have to go
    _POLICY: "compact,delete",
    "retention.ms": str(24 * 60 * 60 * 1000),
    "segment.ms": str(60 * 60 * 1000),
}


def ensure_topics(admin: AdminClient, *, configs: str, status: str, complaints: Complaints, timeout: float) -> None:
    """Make the topics that are missing, and wait until they can be used. Blocks.

    :raises FatalError: if the topic of definitions has several partitions, or is not (only) compacted.
    :raises RetriableError: if the brokers do not answer in time.
    """
    deadline = monotonic() + timeout

    try:
        _ensure(admin, {configs: _CONFIGS, status: _STATUS}, deadline)
        _check(admin, configs, deadline)
    except RetriableError as error:
        admin.poll(0)  # hear the complaints

        if complaints.last is None:
            raise

        raise translate(complaints.last, "reach the topic of definitions") from error


def _ensure(admin: AdminClient, wanted: Mapping[str, Mapping[str, str]], deadline: float) -> None:
    found = _metadata(admin, deadline)
    replicas = min(_REPLICAS, len(found.brokers))
    missing = [
        NewTopic(name, num_partitions=1, replication_factor=replicas, config=dict(config))
        for name, config in wanted.items()
        if name not in found.topics
    ]

    if not missing:
        return

    for name, future in admin.create_topics(missing, operation_timeout=_left(deadline)).items():
        try:
            future.result(_left(deadline))
        except KafkaException as error:
            why = cause(error)

            if why is None or why.code() != KafkaError.TOPIC_ALREADY_EXISTS:  # another worker was faster
                raise (translate(why, f"create the topic {name}") if why else error) from error

    while not all(_can_be_used(_metadata(admin, deadline), name) for name in wanted):
        if monotonic() > deadline:
            raise RetriableError(f"the topics {', '.join(wanted)} were created, but the brokers do not list them")

        sleep(_PAUSE_SECONDS)


def _can_be_used(found: Any, name: str) -> bool:
    topic = found.topics.get(name)
    return topic is not None and not topic.error and all(each.leader >= 0 for each in topic.partitions.values())


def _check(admin: AdminClient, name: str, deadline: float) -> None:
    count = len(_metadata(admin, deadline).topics[name].partitions)

    if count != 1:
        raise FatalError(
            f"the topic {name} holds definitions and has to have 1 partition, but has {count}; choose another group, "
            "or move its records into a new topic of that name"
        )

    policy = _policy(admin, name, deadline)

    if policy not in (None, "compact"):
        raise FatalError(
            f"the topic {name} holds definitions and has to be kept by compaction alone, but its {_POLICY} is {policy!r}; "
            f"set {_POLICY}=compact, or choose another group"
        )


def _policy(admin: AdminClient, name: str, deadline: float) -> str | None:
    asked = ConfigResource(ResourceType.TOPIC, name)
    described = admin.describe_configs([asked], request_timeout=_left(deadline))[asked]

    try:
        return str(described.result(_left(deadline))[_POLICY].value)
    except KafkaException as error:
        why = cause(error)

        if why is None or why.code() not in _NOT_TOLD:
            raise (translate(why, f"look at the topic {name}") if why else error) from error

        _LOG.warning("cannot check that definitions last", extra={"topic": name, "reason": why.str()})
        return None


def _metadata(admin: AdminClient, deadline: float) -> Any:
    with translated("list topics"):
        return admin.list_topics(timeout=_left(deadline))


def _left(deadline: float) -> float:
    return max(0.001, deadline - monotonic())
