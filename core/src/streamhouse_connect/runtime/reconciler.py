"""Makes what runs in a worker what is defined, one connector at a time, whoever has changed its definition."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

import attrs

from streamhouse_connect.errors import ConfigError
from streamhouse_connect.runtime.journal import tell
from streamhouse_connect.runtime.plan import Plan, make_plan
from streamhouse_connect.runtime.sources import Seen, subscription_of
from streamhouse_connect.runtime.succession import notes_of_change
from streamhouse_connect.runtime.uses import check_unused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamhouse_connect.brokers import Subscription
    from streamhouse_connect.definitions import Definition
    from streamhouse_connect.plugins import Registry
    from streamhouse_connect.runtime.assembly import Assembly
    from streamhouse_connect.runtime.connector import Connector

__all__ = ["PAUSE_SECONDS", "Reconciler", "Running"]

PAUSE_SECONDS: Final = 1.2
"""So long a connector may take to flush before it is paused, changed or deleted."""


@attrs.define(eq=False)
class Running:
    """One defined connector; `plan` is None while its configuration can't be loaded here."""

    definition: Definition
    plan: Plan | None
    connector: Connector
    warnings: tuple[str, ...] = ()
    seen: Seen = attrs.field(factory=Seen)
    """What was last known of the broker's part of it."""

    @property
    def subscription(self) -> Subscription:
        """What the connector reads."""
        return subscription_of(self.definition, self.plan)


class Reconciler:
    """Holds what runs. A name's `lock` is to be held while its connector is changed."""

    def __init__(self, assembly: Assembly, registry: Registry) -> None:
        self.running: dict[str, Running] = {}
        self._damaged: Mapping[str, str] = {}
        self._assembly = assembly
        self._registry = registry
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def lock(self, name: str) -> asyncio.Lock:
        """Return what keeps a connector from being changed twice at the same time."""
        return self._locks.setdefault(name, asyncio.Lock())

    @property
    def damaged(self) -> Mapping[str, str]:
        """Why connectors do not run whose definitions can't be read."""
        return {name: reason for name, reason in self._damaged.items() if name not in self.running}

    @damaged.setter
    def damaged(self, found: Mapping[str, str]) -> None:
        for name in sorted(found.keys() - self._damaged.keys()):
            tell(name, "definition_damaged", {"error": found[name]}, level=logging.ERROR)

        self._damaged = found

    async def apply(self, name: str, definition: Definition | None) -> None:
        """Start, change or stop a connector as its definition says; None: there is none any more."""
        running = self.running.get(name)

        if running is not None and (definition is None or definition.uid != running.definition.uid):
            await running.connector.close(within=PAUSE_SECONDS)
            del self.running[name]
            self._assembly.metrics.forget(name)
            running = None

        if definition is None:
            return

        if running is None:
            await self._start(definition)

        elif definition.version > running.definition.version:
            await self._change(running, definition)

    def check_unused(self, topic: str) -> None:
        """Check that no connector reads a topic or puts dead letters into it.

        :raises ConflictError: with the code `topic_in_use`, naming those that do.
        """
        check_unused(topic, ((each.definition, each.plan) for each in self.running.values()))

    async def close(self, *, within: float) -> None:
        """Stop everything for good."""
        running = list(self.running.values())
        ended = await asyncio.gather(*(each.connector.close(within=within) for each in running))

        for each, has_ended in zip(running, ended, strict=True):
            if not has_ended:
                tell(each.definition.name, "threads_left_behind", level=logging.WARNING)

        self.running.clear()

    def plan(self, definition: Definition) -> tuple[Plan | None, tuple[str, ...]]:
        """Return how a connector is run, with warnings; or None, and why it can't be."""
        try:
            plan = make_plan(definition.name, definition.connector_class, definition.config, self._registry)
        except ConfigError as error:
            return None, tuple(str(problem) for problem in error.problems)
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything; the other connectors are to run
            return None, (f"{type(error).__name__}: {error}",)

        return plan, (*plan.loaded.warnings, *self._assembly.warnings(plan))

    async def _start(
        self, definition: Definition, *, before: Running | None = None, notes: tuple[str, ...] = ()
    ) -> None:
        plan, warnings = self.plan(definition)
        known = before.connector.snapshot if before else None
        connector = await self._assembly.connector(
            definition, plan, why_not="; ".join(warnings), before=known, notes=notes
        )
        self.running[definition.name] = Running(
            definition, plan, connector, warnings, before.seen if before else Seen()
        )
        connector.start()

    async def _change(self, running: Running, definition: Definition) -> None:
        was, running.definition = running.definition, definition

        if _as_configured(was) != _as_configured(definition):
            has_ended = await running.connector.close(within=PAUSE_SECONDS)
            notes: tuple[str, ...] = ()

            if definition.epoch != was.epoch and definition.reset_epoch == was.reset_epoch:
                left = running.connector.snapshot.unsettled if has_ended else None
                notes = await notes_of_change(was, left, subscription_of(was, running.plan), self._assembly.broker)

            await self._start(definition, before=running, notes=notes)
            return

        if was.target is not definition.target:
            await running.connector.apply(definition.target, within=PAUSE_SECONDS)

        elif was.restarts != definition.restarts:
            await running.connector.restart(within=PAUSE_SECONDS)


def _as_configured(definition: Definition) -> tuple[object, ...]:
    """Return what can't change while a connector runs."""
    return definition.connector_class, definition.topics, dict(definition.config), definition.epoch
