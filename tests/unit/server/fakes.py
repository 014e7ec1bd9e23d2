"""A worker that remembers what it was asked for, for the tests of what HTTP makes of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import attrs

from streamhouse_connect import (
    ConflictError,
    ConnectorInfo,
    Guarantee,
    NotFoundError,
    PartitionInfo,
    State,
    TargetState,
    TaskInfo,
    TopicPartition,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamhouse_connect import BrokenPlugin, Broker, PluginInfo

ORDERS = TopicPartition("orders", 0)


def make_info(name: str = "orders-to-files") -> ConnectorInfo:
    """Make a connector that runs."""
    return ConnectorInfo(
        name=name,
        connector_class="file-sink",
        topics=("orders",),
        config={"file.path": "out", "batch.size": 500},
        state=State.RUNNING,
        target=TargetState.RUNNING,
        error=None,
        processed=7,
        created_at=datetime(2026, 2, 10, 14, tzinfo=UTC),
        updated_at=datetime(2026, 2, 10, 14, 0, 0, 250_000, tzinfo=UTC),
        tasks=(TaskInfo(0, State.RUNNING, partitions=(ORDERS,), worker="w1"),),
        partitions=(PartitionInfo(ORDERS, committed=7, end=9, lag=2, processed=7, missed=1),),
        guarantee=Guarantee("exactly-once", "names are derived"),
        version=3,
    )


@attrs.frozen
class FakeSample:
    """One number."""

    name: str
    labels: Mapping[str, str]
    value: float


@attrs.define
class FakeMetrics:
    """One number."""

    content_type: str = "text/plain; version=0.0.4; charset=utf-8"

    def text(self) -> bytes:
        return b'connector_records_processed{connector="a"} 7.0\n'

    def samples(self) -> list[FakeSample]:
        return [FakeSample("connector_records_processed", {"connector": "a"}, 7.0)]


@attrs.define
class FakeRegistry:
    """What is installed."""

    working: list[PluginInfo] = attrs.field(factory=list)
    not_working: list[BrokenPlugin] = attrs.field(factory=list)

    def plugins(self) -> list[PluginInfo]:
        return self.working

    def broken(self) -> list[BrokenPlugin]:
        return self.not_working


@attrs.define
class FakeWorker:
    """Knows `infos`; every call is noted in `calls`, and raises `failure` if there is one."""

    broker: Broker
    registry: FakeRegistry = attrs.field(factory=FakeRegistry)
    metrics: FakeMetrics = attrs.field(factory=FakeMetrics)
    infos: dict[str, ConnectorInfo] = attrs.field(factory=dict)
    calls: list[tuple[object, ...]] = attrs.field(factory=list)
    failure: Exception | None = None

    def _note(self, *call: object) -> None:
        self.calls.append(call)

        if self.failure is not None:
            raise self.failure

    def _known(self, name: str) -> ConnectorInfo:
        if name not in self.infos:
            message = f"there is no connector {name!r}"
            raise NotFoundError(message, code="unknown_connector")

        return self.infos[name]

    def _expected(self, name: str, version: int | None) -> ConnectorInfo:
        info = self._known(name)

        if version not in (None, info.version):
            message = f"connector {name!r} has version {info.version}, not {version}"
            raise ConflictError(message, code="version_changed")

        return info

    async def connectors(self) -> list[ConnectorInfo]:
        self._note("connectors")
        return [self.infos[name] for name in sorted(self.infos)]

    async def get(self, name: str) -> ConnectorInfo:
        self._note("get", name)
        return self._known(name)

    def validate(self, body: Mapping[str, object]) -> list[str]:
        self._note("validate", body)
        return ["odd"]

    async def check(self, body: Mapping[str, object]) -> list[str]:
        self._note("check", body)
        return ["odd"]

    async def create(self, body: Mapping[str, object]) -> ConnectorInfo:
        self._note("create", body)
        name = str(body["name"])

        if name in self.infos:
            message = f"there is a connector {name!r} already"
            raise ConflictError(message, code="connector_exists")

        self.infos[name] = make_info(name)
        return self.infos[name]

    async def update(
        self, name: str, body: Mapping[str, object], *, expected_version: int | None = None
    ) -> ConnectorInfo:
        self._note("update", name, body)
        return self._expected(name, expected_version)

    async def delete(self, name: str, *, expected_version: int | None = None) -> None:
        self._note("delete", name)
        self._expected(name, expected_version)
        del self.infos[name]

    async def pause(self, name: str, *, expected_version: int | None = None) -> ConnectorInfo:
        self._note("pause", name)
        return self._expected(name, expected_version)

    async def resume(self, name: str, *, expected_version: int | None = None) -> ConnectorInfo:
        self._note("resume", name)
        return self._expected(name, expected_version)

    async def restart(self, name: str, *, expected_version: int | None = None) -> ConnectorInfo:
        self._note("restart", name)
        return self._expected(name, expected_version)

    async def stop(self, name: str, *, expected_version: int | None = None) -> ConnectorInfo:
        self._note("stop", name)
        return self._expected(name, expected_version)

    async def delete_topic(self, name: str) -> None:
        self._note("delete_topic", name)
        await self.broker.delete_topic(name)
