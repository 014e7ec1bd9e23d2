"""Every definition store of ours, by the suite for all."""

from pathlib import Path

import pytest

from services import Topics
from streamhouse_connect import (
    DefinitionStore,
    KafkaDefinitionStore,
    MemoryDefinitionStore,
    SqliteDefinitionStore,
)
from streamhouse_connect.testing.definitions import DefinitionStoreConformance


class TestMemory(DefinitionStoreConformance):
    @pytest.fixture
    def store(self) -> DefinitionStore:
        return MemoryDefinitionStore()


class TestSqlite(DefinitionStoreConformance):
    @pytest.fixture
    def store(self, tmp_path: Path) -> DefinitionStore:
        return SqliteDefinitionStore(tmp_path / "data")


class TestKafka(DefinitionStoreConformance):
    @pytest.fixture
    def store(self, kafka: Topics) -> DefinitionStore:
        return KafkaDefinitionStore(kafka.bootstrap, group=f"{kafka.prefix}group")
