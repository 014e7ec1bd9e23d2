"""The worker: everything an application needs to define, run and watch connectors, whatever the broker.

async with Worker(SqliteBroker("data")) as worker:
    await worker.create({"name": "orders-to-files", "connectorClass": "file-sink", "topics": ["orders"],
                         "config": {"file.path": "out"}})
    await worker.drained("orders-to-files")
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Self

import attrs

from streamhouse_connect.definitions import Definition, TargetState
from streamhouse_connect.definitions.memory import MemoryDefinitionStore
from streamhouse_connect.errors import ConfigError, ConflictError, FatalError, NotFoundError
from streamhouse_connect.metrics import ConnectorSample, Metrics
from streamhouse_connect.plugins import Registry
from streamhouse_connect.runtime.assembly import Assembly, group_of
from streamhouse_connect.runtime.looking import Running, look
from streamhouse_connect.runtime.memory import MemoryBudget
from streamhouse_connect.runtime.plan import Plan, make_plan
from streamhouse_connect.runtime.sources import extents
from streamhouse_connect.runtime.spec import parse_body, parse_update
from streamhouse_connect.runtime.states import State

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from streamhouse_connect.brokers import Broker
    from streamhouse_connect.definitions import DefinitionStore
    from streamhouse_connect.runtime.info import ConnectorInfo

__all__ = ["Worker"]

_NAMESPACE: Final = uuid.UUID("9f0b7d7e-0f5c-5d0a-8f57-0d8f2f1c6a55")
_PAUSE_SECONDS: Final = 1.2
_LOOK_SECONDS: Final = 0.02

log = logging.getLogger(__name__)


class Worker:
    """Runs connectors. It owns the broker and the definitions that it is given: it opens them, and closes them.

    `definitions` defaults to ones in memory: then connectors are defined by the application at each start, and one of the
    same name counts as the same. The tasks that run share `buffer_memory` bytes for what they have read. Connectors run in threads of their own; the methods are for the worker's event loop.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        definitions: DefinitionStore | None = None,
        registry: Registry | None = None,
        shutdown_timeout: float = 30.0,
        buffer_memory: int = 256 << 20,
    ) -> None:
        self.broker = broker
        self.registry = registry or Registry()
        self.metrics = Metrics(self._samples)
        self._definitions = definitions or MemoryDefinitionStore()
        self._shutdown_timeout = shutdown_timeout
        self._assembly = Assembly(broker, self._definitions, self.metrics, MemoryBudget(buffer_memory))
        self._running: dict[str, Running] = {}
        self._lock = asyncio.Lock()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.broker)
            await stack.enter_async_context(self._definitions)

            for definition in await self._definitions.all():
                await self._start(definition, *self._planned(definition))

            self._stack = stack.pop_all()

        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        running = list(self._running.values())
        ended = await asyncio.gather(*(each.connector.close(within=self._shutdown_timeout) for each in running))

        for each, has_ended in zip(running, ended, strict=True):
            if not has_ended:
                log.warning(
                    "connector left behind: its plugin does not let go", extra={"connector": each.definition.name}
                )

        self._running.clear()
        await self._stack.aclose()

    def validate(self, body: Mapping[str, object]) -> list[str]:
        """Check the body of a create request and return its warnings.

        :raises ConfigError: with everything that is wrong.
        """
        spec = parse_body(body, self.registry)
        return [*spec.warnings, *self._assembly.warnings(spec.plan)]

    async def create(self, body: Mapping[str, object]) -> ConnectorInfo:
        """Define a connector and start it. `body` has the shape of `POST /api/v1/connectors`.

        :raises ConfigError: with everything that is wrong.
        :raises ConflictError: with the code `connector_exists`.
        """
        spec = parse_body(body, self.registry)
        now = datetime.now(UTC)

        definition = Definition(
            name=spec.name,
            connector_class=spec.connector_class,
            topics=spec.topics,
            config=spec.config,
            uid=spec.uid or self._mint(spec.name),
            target=spec.target,
            created_at=now,
            updated_at=now,
        )

        async with self._lock:
            if spec.name in self._running:
                message = f"a connector called {spec.name!r} exists; change it with PUT, or choose another name"
                raise ConflictError(message, code="connector_exists")

            definition = await self._definitions.create(definition)
            await self._start(definition, spec.plan, spec.warnings)

        return await self.get(spec.name)

    async def update(self, name: str, body: Mapping[str, object]) -> ConnectorInfo:
        """Replace a connector's topics and configuration; masked secrets keep what is stored.

        :raises NotFoundError: with the code `unknown_connector`.
        :raises ConfigError: with everything that is wrong; another name or class is.
        """
        async with self._lock:
            running = self._find(name)
            spec = parse_update(running.definition, running.plan, body, self.registry)
            definition = await self._definitions.replace(
                attrs.evolve(running.definition, topics=spec.topics, config=spec.config, updated_at=datetime.now(UTC))
            )
            await running.connector.close(within=_PAUSE_SECONDS)
            await self._start(definition, spec.plan, spec.warnings)

        return await self.get(name)

    async def delete(self, name: str) -> None:
        """Stop a connector, and forget it and its offsets: made again, it starts anew.

        :raises NotFoundError: with the code `unknown_connector`.
        """
        async with self._lock:
            running = self._find(name)
            await running.connector.close(within=_PAUSE_SECONDS)
            await self._definitions.delete(name)
            await self.broker.delete_group(group_of(name))
            del self._running[name]
            self.metrics.forget(name)

    async def pause(self, name: str) -> ConnectorInfo:
        """Flush, commit and stop delivering until `resume`; what the destination does not take in time is read again."""
        return await self._want(name, TargetState.PAUSED)

    async def stop(self, name: str) -> ConnectorInfo:
        """Like `pause`; the connector is out of service."""
        return await self._want(name, TargetState.STOPPED)

    async def resume(self, name: str) -> ConnectorInfo:
        """Go on exactly where it was; a failed connector is restarted."""
        return await self._want(name, TargetState.RUNNING)

    async def restart(self, name: str) -> ConnectorInfo:
        """Start the task anew; a paused or stopped connector stays so."""
        running = self._find(name)
        await running.connector.restart(within=_PAUSE_SECONDS)
        return await self.get(name)

    async def connectors(self) -> list[ConnectorInfo]:
        """Return every connector, by name."""
        running = [self._running[name] for name in sorted(self._running)]
        return [await look(each, self.broker) for each in running]

    async def get(self, name: str) -> ConnectorInfo:
        """Return one connector.

        :raises NotFoundError: with the code `unknown_connector`.
        """
        return await look(self._find(name), self.broker)

    async def drained(self, name: str, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - the caller's patience
        """Wait until all that is in the connector's topics now is delivered and committed; batches are cut short for it.

        :raises FatalError: if the connector fails.
        :raises TimeoutError: after `timeout` seconds.
        """
        running = self._find(name)
        present = await extents(running.subscription, self.broker)
        ends = {extent.tp: extent.end for extent in present if extent.end > extent.start}

        async with asyncio.timeout(timeout):
            while any(extent.lag(running.connector.snapshot.committed) for extent in present):
                if running.connector.snapshot.state is State.FAILED:
                    message = f"connector {name} has failed: {running.connector.snapshot.error}"
                    raise FatalError(message)

                running.connector.drain(ends)
                await asyncio.sleep(_LOOK_SECONDS)

    async def delete_topic(self, name: str) -> None:
        """Delete a topic that no connector reads.

        :raises NotFoundError: with the code `unknown_topic`.
        :raises ConflictError: with the code `topic_in_use`.
        """
        await self.broker.topic(name)
        readers = sorted(each.definition.name for each in self._running.values() if each.subscription.includes(name))

        if readers:
            message = f"topic {name!r} is read by {', '.join(readers)}; delete the connectors first"
            raise ConflictError(message, code="topic_in_use")

        await self.broker.delete_topic(name)

    def _find(self, name: str) -> Running:
        if name not in self._running:
            message = f"there is no connector called {name!r}"
            raise NotFoundError(message, code="unknown_connector")

        return self._running[name]

    def _mint(self, name: str) -> str:
        return str(uuid.uuid4() if self._definitions.durable else uuid.uuid5(_NAMESPACE, name))

    def _planned(self, definition: Definition) -> tuple[Plan | None, tuple[str, ...]]:
        try:
            plan = make_plan(definition.name, definition.connector_class, definition.config, self.registry)
        except ConfigError as error:
            return None, tuple(str(problem) for problem in error.problems)

        return plan, plan.loaded.warnings

    async def _start(self, definition: Definition, plan: Plan | None, warnings: tuple[str, ...]) -> None:
        committed = await self.broker.committed(group_of(definition.name))
        connector = self._assembly.connector(definition, plan, committed, "; ".join(warnings))
        warnings += self._assembly.warnings(plan) if plan else ()
        self._running[definition.name] = Running(definition, plan, connector, warnings)
        connector.start()

    async def _want(self, name: str, target: TargetState) -> ConnectorInfo:
        async with self._lock:
            running = self._find(name)

            if running.definition.target is not target:
                changed = attrs.evolve(running.definition, target=target, updated_at=datetime.now(UTC))
                running.definition = await self._definitions.replace(changed)

            await running.connector.apply(target, within=_PAUSE_SECONDS)

        return await self.get(name)

    def _samples(self) -> list[ConnectorSample]:
        snapshots = [(name, each.connector.snapshot) for name, each in sorted(self._running.items())]
        return [ConnectorSample(name, snapshot.state.reported, snapshot.processed) for name, snapshot in snapshots]
