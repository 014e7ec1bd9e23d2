"""The file sink, by the suite for all object sinks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from streamhouse_connect import Formatter, ObjectSink, Partitioner
from streamhouse_connect.files import FileConfig, FileSink
from streamhouse_connect.testing.objects import ObjectDestination, ObjectSinkConformance


class _Directory:
    def __init__(self, path: Path) -> None:
        self._path = path

    def sink(self, *, formatter: Formatter[Any], partitioner: Partitioner[Any]) -> ObjectSink[Any]:
        return FileSink(FileConfig(path=str(self._path / "files")), formatter=formatter, partitioner=partitioner)

    async def objects(self) -> Mapping[str, bytes]:
        outside = [path for path in self._path.iterdir() if path.name != "files"]
        assert not outside
        root = self._path / "files"
        return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


class TestFileSink(ObjectSinkConformance):
    @pytest.fixture
    def destination(self, tmp_path: Path) -> ObjectDestination:
        return _Directory(tmp_path)
