"""Puts a connector together from its definition, its plan, and what the worker shares."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import attrs

from streamhouse_connect.errors import FatalError
from streamhouse_connect.runtime.bookmarks import Bookmarks
from streamhouse_connect.runtime.connector import Connector
from streamhouse_connect.runtime.deadletters import DeadLetters
from streamhouse_connect.runtime.delivery import Delivery
from streamhouse_connect.runtime.journal import Journal, log_of
from streamhouse_connect.runtime.retries import Backoff
from streamhouse_connect.runtime.runner import TaskRunner
from streamhouse_connect.runtime.snapshots import Snapshot
from streamhouse_connect.runtime.sources import commits_of, group_of
from streamhouse_connect.runtime.states import State
from streamhouse_connect.runtime.task import Task
from streamhouse_connect.secrets import Redactor
from streamhouse_connect.sinks import SinkContext

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from streamhouse_connect.brokers import Broker
    from streamhouse_connect.definitions import Definition, DefinitionStore
    from streamhouse_connect.metrics import Metrics
    from streamhouse_connect.options import ConnectorOptions
    from streamhouse_connect.records import Batch
    from streamhouse_connect.runtime.memory import MemoryBudget
    from streamhouse_connect.runtime.observer import TaskObserver
    from streamhouse_connect.runtime.plan import Plan

__all__ = ["Assembly"]

_RESTART_BACKOFF: Final = Backoff(5.0, 300.0, random.random)


@attrs.frozen
class Assembly:
    """Makes connectors."""

    broker: Broker
    definitions: DefinitionStore
    metrics: Metrics
    budget: MemoryBudget

    async def connector(
        self,
        definition: Definition,
        plan: Plan | None,
        *,
        why_not: str,
        before: Snapshot | None,
        notes: tuple[str, ...] = (),
    ) -> Connector:
        """Make a connector that goes on from `before`; without a plan it is failed, and `why_not` tells why.

        `notes` are about how it came to be what it is.
        """
        if before is None:
            # Where workers share a group, what it has committed is asked for when it is shown.
            is_shared = self.broker.shares_partitions
            committed = {} if is_shared else await commits_of(definition.name, definition.uid, self.broker)
            before = Snapshot(State.STOPPED, committed=committed)
            self.metrics.of(definition.name).processed.inc(before.processed)

        tasks = plan.options.tasks_max if plan and self.broker.shares_partitions else 1
        first = Snapshot(State.STARTING, missed=before.missed, notes=notes, unsettled=before.unsettled)
        befores = [first, *[Snapshot(State.STARTING)] * (tasks - 1)]
        runners = [self._runner(task, definition, plan, why_not, befores[task]) for task in range(tasks)]
        return Connector(runners, before.committed)

    def warnings(self, plan: Plan) -> tuple[str, ...]:
        """Return what of a configuration has no effect here."""
        if plan.options.tasks_max == 1 or self.broker.shares_partitions:
            return ()

        return ("config.tasks.max has no effect: the consumers of this broker do not share partitions",)

    def _runner(
        self,
        task: int,
        definition: Definition,
        plan: Plan | None,
        why_not: str,
        before: Snapshot,
    ) -> TaskRunner:
        return TaskRunner(
            f"connector-{definition.name}-{task}",
            self._task_maker(task, definition, plan) if plan else _refuse(why_not),
            target=definition.target,
            backoff=_backoff(plan.options) if plan else _RESTART_BACKOFF,
            restart_backoff=_RESTART_BACKOFF,
            redact=plan.redact if plan else Redactor(()),
            metrics=self.metrics.of(definition.name),
            journal=Journal(definition.name, task, time.monotonic, _later),
            before=before,
        )

    def _task_maker(self, task: int, definition: Definition, plan: Plan) -> Callable[[TaskObserver], Task]:
        return lambda observer: self._task(task, definition, plan, observer)

    def _task(self, task: int, definition: Definition, plan: Plan, observer: TaskObserver) -> Task:
        sink = plan.make_sink()
        topic_ids: dict[str, str] = {}
        letters = DeadLetters(
            self.broker, plan.dead_letter_topic, definition.name, definition.connector_class, task, plan.redact
        )

        log = _RedactedLog(definition.name, task, plan.redact)

        async def bury(batch: Batch, reasons: Mapping[int, str]) -> None:
            await letters.append(batch, reasons)
            observer.dead_lettered(batch, reasons)

        return Task(
            group=group_of(definition.name),
            subscription=plan.subscription(definition.topics),
            broker=self.broker,
            sink=sink,
            context=SinkContext(
                connector=definition.name,
                uid=definition.uid,
                epoch=definition.epoch,
                topic_ids=topic_ids,
                log=log,
                count=self.metrics.of(definition.name).sink_event,
                level=partial(self.metrics.of(definition.name).sink_level, task),
                state=_State(self.definitions, definition.uid),
                batch_bytes=plan.options.batch_bytes,
            ),
            topic_ids=topic_ids,
            delivery=Delivery(
                sink,
                bury,
                _backoff(plan.options),
                asyncio.sleep,
                tolerant=plan.options.errors_tolerance == "all",
            ),
            options=plan.options,
            observer=observer,
            clock=time.monotonic,
            budget=self.budget,
            bookmarks=Bookmarks(self.definitions, definition.uid, definition.epoch, definition.reset_epoch, log),
        )


@attrs.frozen
class _State:
    """A sink's view of the definition store."""

    definitions: DefinitionStore
    uid: str

    async def get(self, key: str) -> tuple[bytes, int] | None:
        return await self.definitions.get_state(self.uid, key)

    async def put(self, key: str, value: bytes, *, expected: int | None) -> int:
        return await self.definitions.put_state(self.uid, key, value, expected=expected)


class _RedactedLog(logging.LoggerAdapter[logging.Logger]):
    """Takes the connector's secrets out of what its sink logs."""

    def __init__(self, connector: str, task: int, redact: Callable[[str], str]) -> None:
        super().__init__(log_of(connector), {"connector": connector, "task": task})
        self._redact = redact

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        if self.isEnabledFor(level):
            super().log(level, "%s", self._redact(str(msg) % args if args else str(msg)), **kwargs)


def _later(seconds: float, act: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_later(seconds, act)


def _backoff(options: ConnectorOptions) -> Backoff:
    return Backoff(options.retry_backoff_ms / 1000, options.retry_backoff_max_ms / 1000, random.random)


def _refuse(why_not: str) -> Callable[[TaskObserver], Task]:
    def refuse(_: TaskObserver) -> Task:
        raise FatalError(why_not)

    return refuse
