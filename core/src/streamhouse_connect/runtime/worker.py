"""The worker: everything an application needs to define, run and watch connectors, whatever the broker.

async with Worker(SqliteBroker("data")) as worker:
    await worker.create({"name": "orders-to-files", "connectorClass": "file-sink", "topics": ["orders"],
                         "config": {"file.path": "out"}})
    await worker.drained("orders-to-files")
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final, Self

import attrs

from streamhouse_connect.definitions import TargetState
from streamhouse_connect.definitions.memory import MemoryDefinitionStore
from streamhouse_connect.metrics import Metrics
from streamhouse_connect.plugins import Registry
from streamhouse_connect.runtime import edits
from streamhouse_connect.runtime.assembly import Assembly
from streamhouse_connect.runtime.checking import check_destination
from streamhouse_connect.runtime.editor import Editor
from streamhouse_connect.runtime.leftovers import Leftovers
from streamhouse_connect.runtime.looking import Lookout
from streamhouse_connect.runtime.memory import MemoryBudget
from streamhouse_connect.runtime.peers import Peers
from streamhouse_connect.runtime.reconciler import Reconciler
from streamhouse_connect.runtime.roster import Roster
from streamhouse_connect.runtime.spec import parse_body, parse_update
from streamhouse_connect.runtime.states import State

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from streamhouse_connect.brokers import Broker
    from streamhouse_connect.definitions import Definition, DefinitionStore
    from streamhouse_connect.metrics import ConnectorSample
    from streamhouse_connect.runtime.info import ConnectorInfo
    from streamhouse_connect.runtime.spec import ConnectorSpec

__all__ = ["Worker"]

_OTHERS_SECONDS: Final = 1.0
"""So long the answer to a pause waits for the other workers to say that they pause, too."""

_CHECK_SECONDS: Final = 20.0
_TROUBLED: Final = frozenset({State.FAILED, State.DEGRADED, State.RETRYING})


class Worker:
    """Runs connectors. It owns the broker and the definitions that it is given: it opens them, and closes them.

    `definitions` defaults to ones in memory: then connectors are defined by the application at each start, and one of the
    same name counts as the same. Workers that are given the same definitions and the same broker share the work; `worker_id`
    tells them apart. The tasks that run here share `buffer_memory` bytes for what they have read. Connectors run in threads of
    their own; the methods are for the worker's event loop.

    Methods that change a connector take the version of the definition that the caller has seen, if that matters: see `update`.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        definitions: DefinitionStore | None = None,
        registry: Registry | None = None,
        shutdown_timeout: float = 30.0,
        buffer_memory: int = 256 << 20,
        worker_id: str | None = None,
    ) -> None:
        self.id = worker_id or f"{socket.gethostname()}-{secrets.token_hex(3)}"
        self.broker = broker
        self.registry = registry or Registry()
        self.metrics = Metrics(self._samples)
        self._definitions = definitions or MemoryDefinitionStore()
        self._shutdown_timeout = shutdown_timeout
        self._assembly = Assembly(broker, self._definitions, self.metrics, MemoryBudget(buffer_memory))
        self._reconciler = Reconciler(self._assembly, self.registry)
        self._editor = Editor(self._definitions, self._reconciler)
        self._lookout = Lookout(self.id, broker, self._definitions)
        self._leftovers = Leftovers(broker, self._definitions, self._reconciler)
        self._peers = Peers(self.id, self._definitions, self._reconciler)
        self._roster = Roster(broker, self._reconciler, self._lookout, self._peers)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.broker)
            await stack.enter_async_context(self._definitions)
            stack.push_async_callback(self._stop)
            await self._peers.start()
            self._stack = stack.pop_all()

        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _stop(self) -> None:
        await self._leftovers.close()
        await self._peers.stop()
        await self._reconciler.close(within=self._shutdown_timeout)
        await self._peers.withdraw()

    def validate(self, body: Mapping[str, object]) -> list[str]:
        """Check the body of a create request and return its warnings.

        :raises ConfigError: with everything that is wrong.
        """
        spec = parse_body(body, self.registry)
        return [*spec.warnings, *self._assembly.warnings(spec.plan)]

    async def check(self, body: Mapping[str, object]) -> list[str]:
        """Do what `validate` does, and ask the destination whether it can be reached and written to; nothing is left there.

        :raises ConfigError: with everything that is wrong.
        """
        plan = parse_body(body, self.registry).plan
        return [*self.validate(body), *await check_destination(plan, within=_CHECK_SECONDS)]

    async def create(self, body: Mapping[str, object]) -> ConnectorInfo:
        """Define a connector and start it. `body` has the shape of `POST /api/v1/connectors`.

        :raises ConfigError: with everything that is wrong.
        :raises ConflictError: with the code `connector_exists`; or `definition_damaged`, if there is one that can't be read.
        """
        spec = parse_body(body, self.registry)
        await self._editor.create(spec)
        return await self._answer(spec.name, spec.warnings)

    async def update(
        self, name: str, body: Mapping[str, object], *, expected_version: int | None = None
    ) -> ConnectorInfo:
        """Replace a connector's topics and configuration, once what was read is flushed; masked secrets keep what is stored.

        A change of an option that is marked with `identity` raises the epoch; what the destination has not taken in time may then be
        written twice, and `warnings` say what that is.

        :raises NotFoundError: with the code `unknown_connector`.
        :raises ConfigError: with everything that is wrong; another name or class is.
        :raises ConflictError: with the code `version_changed`, if the definition has another version than `expected_version`.
        """
        spec: ConnectorSpec

        def replaced(current: Definition) -> Definition:
            nonlocal spec
            plan, _ = self._reconciler.plan(current)
            spec = parse_update(current, plan, body, self.registry)
            return edits.updated(current, plan, spec, at=datetime.now(UTC))

        await self._editor.change(name, replaced, expected_version, event="connector_updated")
        return await self._answer(spec.name, spec.warnings)

    async def delete(self, name: str, *, expected_version: int | None = None) -> None:
        """Stop a connector, and forget it and its offsets: made again, it starts anew. One that can't be read can be deleted too.

        :raises NotFoundError: with the code `unknown_connector`.
        :raises ConflictError: see `update`.
        """

        async def then() -> None:
            await self._peers.report()
            await self._leftovers.forget(name)

        await self._editor.delete(name, expected_version, then=then)

    async def pause(self, name: str, *, expected_version: int | None = None) -> ConnectorInfo:
        """Flush, commit and stop delivering until `resume`; what the destination does not take in time is read again.

        :raises NotFoundError: with the code `unknown_connector`.
        :raises ConflictError: see `update`.
        """
        return await self._want(name, TargetState.PAUSED, expected_version, event="connector_paused")

    async def stop(self, name: str, *, expected_version: int | None = None) -> ConnectorInfo:
        """Like `pause`; the connector is out of service."""
        return await self._want(name, TargetState.STOPPED, expected_version, event="connector_stopped")

    async def resume(self, name: str, *, expected_version: int | None = None) -> ConnectorInfo:
        """Go on exactly where it was; a connector in trouble is restarted."""
        is_troubled = (await self._lookout.tasks(await self._roster.find(name))).state in _TROUBLED
        resumed = partial(edits.resumed, is_troubled=is_troubled, at=datetime.now(UTC))
        await self._editor.change(name, resumed, expected_version, event="connector_resumed")
        return await self._answer(name)

    async def restart(self, name: str, *, expected_version: int | None = None) -> ConnectorInfo:
        """Start the tasks anew; a paused or stopped connector stays so."""
        await self._editor.change(name, edits.restarted, expected_version, event="connector_restarted")
        return await self._answer(name)

    async def connectors(self) -> list[ConnectorInfo]:
        """Return every connector, by name."""
        return await self._roster.all()

    async def get(self, name: str) -> ConnectorInfo:
        """Return one connector.

        :raises NotFoundError: with the code `unknown_connector`.
        """
        return await self._roster.get(name)

    async def drained(self, name: str, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - the caller's patience
        """Wait until all that is in the connector's topics now is delivered and committed; batches are cut short for it.

        :raises FatalError: if the connector fails.
        :raises TimeoutError: after `timeout` seconds.
        """
        async with asyncio.timeout(timeout):
            await self._roster.drained(name)

    async def delete_topic(self, name: str) -> None:
        """Delete a topic that no connector reads, or puts dead letters into.

        :raises NotFoundError: with the code `unknown_topic`.
        :raises ConflictError: with the code `topic_in_use`.
        """
        await self.broker.topic(name)
        self._reconciler.check_unused(name)
        await self.broker.delete_topic(name)

    async def _want(self, name: str, target: TargetState, expected: int | None, *, event: str) -> ConnectorInfo:
        aimed = partial(edits.aimed_at, target=target, at=datetime.now(UTC))
        await self._editor.change(name, aimed, expected, event=event)
        await self._lookout.wait_for_others(await self._roster.find(name), State(target.value), within=_OTHERS_SECONDS)
        return await self._answer(name)

    async def _answer(self, name: str, warnings: tuple[str, ...] = ()) -> ConnectorInfo:
        """Return what became of a request, with the warnings about it; the other workers hear of it."""
        await self._peers.report()
        info = await self.get(name)
        return attrs.evolve(info, warnings=tuple(dict.fromkeys((*warnings, *info.warnings))))

    def _samples(self) -> list[ConnectorSample]:
        return self._roster.samples()
