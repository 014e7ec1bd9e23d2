"""Asks a sink whether its destination can be reached and written to, before there is a connector for it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import attrs

from streamhouse_connect.errors import ConfigError, DeliveryError, Problem
from streamhouse_connect.sinks import Sink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamhouse_connect.runtime.plan import Plan

__all__ = ["check_destination"]

_CLOSE_SECONDS: Final = 5.0


async def check_destination(plan: Plan, *, within: float) -> tuple[str, ...]:
    """Ask the sink on a loop of its own, as a task has one, for so many seconds at most; return warnings.

    :raises ConfigError: with what is in the way.
    """
    if plan.sink_class.check is Sink.check:
        return (f"the destination was not checked: {plan.sink_class.name} can't do that before it runs",)

    problems = await asyncio.to_thread(lambda: asyncio.run(_problems(plan, within)))

    if problems:
        raise ConfigError([_shown(problem, plan) for problem in problems])

    return ()


async def _problems(plan: Plan, within: float) -> Sequence[Problem]:
    sink = plan.make_sink()

    try:
        async with asyncio.timeout(within):
            return await sink.check()

    except TimeoutError:
        return [Problem("", f"did not get an answer of its destination within {within:g} s")]

    except (DeliveryError, OSError) as error:
        return [Problem("", f"can't use its destination: {error}")]

    finally:
        with suppress(Exception):  # what was asked is answered
            async with asyncio.timeout(_CLOSE_SECONDS):
                await sink.close()


def _shown(problem: Problem, plan: Plan) -> Problem:
    field = f"config.{problem.field}" if problem.field else "connectorClass"
    return attrs.evolve(problem, field=field, message=plan.redact(problem.message))
