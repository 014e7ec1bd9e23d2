from __future__ import annotations

from pathlib import Path

from streamhouse_connect import KafkaBroker, KafkaDefinitionStore, SqliteBroker, SqliteDefinitionStore
from streamhouse_connect_server import Settings
from streamhouse_connect_server.workers import make_worker, private_topics

KAFKA = Settings(broker="kafka", bootstrap_servers="a:9092", group="g", worker_id="w1")


def test_all_of_it_is_in_the_data_directory(tmp_path: Path) -> None:
    """Nothing is opened before the worker starts, and no topic is private."""
    settings = Settings(data_dir=tmp_path / "data")
    worker = make_worker(settings, shutdown_timeout=1.0)

    assert isinstance(worker.broker, SqliteBroker)
    assert isinstance(worker._definitions, SqliteDefinitionStore)
    assert private_topics(settings) == frozenset()
    assert not (tmp_path / "data").exists()


def test_all_of_it_is_in_kafka() -> None:
    """Definitions are in topics that are the workers' own."""
    worker = make_worker(KAFKA, shutdown_timeout=1.0)

    assert worker.id == "w1"
    assert isinstance(worker.broker, KafkaBroker)
    assert isinstance(worker._definitions, KafkaDefinitionStore)
    assert worker._definitions.group == "g"
    assert private_topics(KAFKA) == {"g-configs", "g-status"}


def test_definitions_may_be_a_workers_own(tmp_path: Path) -> None:
    """Records come from Kafka, and no topic is private."""
    settings = Settings(broker="kafka", bootstrap_servers="a:9092", definitions="sqlite", data_dir=tmp_path)
    worker = make_worker(settings, shutdown_timeout=1.0)

    assert isinstance(worker.broker, KafkaBroker)
    assert isinstance(worker._definitions, SqliteDefinitionStore)
    assert private_topics(settings) == frozenset()


def test_offsets_without_groups_are_kept_with_the_definitions(tmp_path: Path) -> None:
    """And the worker is told that it has all partitions."""
    settings = Settings(
        broker="kafka",
        bootstrap_servers="a:9092",
        broker_properties={"consumer.assignment": "manual"},
        data_dir=tmp_path,
    )
    worker = make_worker(settings, shutdown_timeout=1.0)

    assert isinstance(worker._definitions, SqliteDefinitionStore)
    assert not worker.broker.shares_partitions


def test_what_is_only_the_brokers_does_not_reach_the_definitions(tmp_path: Path) -> None:
    """Their clients would not know it."""
    settings = Settings(
        broker="kafka", bootstrap_servers="a:9092", broker_properties={"consumer.assignment": "group", "client.id": "x"}
    )
    definitions = make_worker(settings, shutdown_timeout=1.0)._definitions

    assert isinstance(definitions, KafkaDefinitionStore)
    assert definitions._properties == {"client.id": "x", "bootstrap.servers": "a:9092"}
