"""What operators make of a definition. Pure: the time is passed in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from streamhouse_connect.definitions import TargetState

if TYPE_CHECKING:
    from datetime import datetime

    from streamhouse_connect.definitions import Definition
    from streamhouse_connect.runtime.plan import Plan
    from streamhouse_connect.runtime.spec import ConnectorSpec

__all__ = ["aimed_at", "restarted", "resumed", "updated"]


def updated(current: Definition, plan: Plan | None, spec: ConnectorSpec, *, at: datetime) -> Definition:
    """Return the definition with the topics and options of `spec`; `plan` is what could be made of the current one.

    The epoch is raised where the destination would not know the connector again. The same once more restarts it: it may have been
    sent to get the connector going again.
    """
    is_same = (spec.topics, spec.config) == (current.topics, current.config)
    is_known_again = plan is not None and plan.loaded.identity() == spec.plan.loaded.identity()

    return attrs.evolve(
        current,
        topics=spec.topics,
        config=spec.config,
        epoch=current.epoch + (not is_known_again),
        restarts=current.restarts + is_same,
        updated_at=at,
    )


def aimed_at(current: Definition, target: TargetState, *, at: datetime) -> Definition:
    """Return the definition with another target; the very same if that is its target."""
    return current if current.target is target else attrs.evolve(current, target=target, updated_at=at)


def resumed(current: Definition, *, is_troubled: bool, at: datetime) -> Definition:
    """Return the definition of a connector that runs; one in trouble is restarted, another one that runs is left alone."""
    if current.target is not TargetState.RUNNING:
        return aimed_at(current, TargetState.RUNNING, at=at)

    return restarted(current) if is_troubled else current


def restarted(current: Definition) -> Definition:
    """Return the definition that has tasks start anew; its target stays."""
    return attrs.evolve(current, restarts=current.restarts + 1)
