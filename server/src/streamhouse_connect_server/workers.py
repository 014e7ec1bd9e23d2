"""The worker that settings ask for: its broker, and where its definitions are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streamhouse_connect import KafkaBroker, KafkaDefinitionStore, SqliteBroker, SqliteDefinitionStore, Worker

if TYPE_CHECKING:
    from streamhouse_connect import Broker, DefinitionStore
    from streamhouse_connect_server.settings import Settings

__all__ = ["make_worker", "private_topics"]

_ASSIGNMENT: Final = "consumer.assignment"
"""A property of the broker's, not of the library's."""
_PRIVATE: Final = ("configs", "status")


def make_worker(settings: Settings, *, shutdown_timeout: float) -> Worker:
    """Make the worker; nothing is opened."""
    definitions = _definitions(settings)
    return Worker(
        _broker(settings, definitions),
        definitions=definitions,
        shutdown_timeout=shutdown_timeout,
        worker_id=settings.worker_id,
    )


def private_topics(settings: Settings) -> frozenset[str]:
    """Return the topics that hold definitions, with their secrets."""
    return frozenset(f"{settings.group}-{each}" for each in _PRIVATE if settings.shares_definitions)


def _broker(settings: Settings, definitions: DefinitionStore) -> Broker:
    if settings.broker == "embedded":
        return SqliteBroker(settings.data_dir)

    return KafkaBroker(
        settings.bootstrap_servers or "",
        properties=settings.broker_properties,
        offsets=definitions if settings.assigns_all_partitions else None,
        hidden=private_topics(settings),
    )


def _definitions(settings: Settings) -> DefinitionStore:
    if not settings.shares_definitions:
        return SqliteDefinitionStore(settings.data_dir)

    properties = {key: value for key, value in settings.broker_properties.items() if key != _ASSIGNMENT}
    return KafkaDefinitionStore(settings.bootstrap_servers or "", group=settings.group, properties=properties)
