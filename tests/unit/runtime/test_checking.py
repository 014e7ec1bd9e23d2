"""Asking a destination before there is a connector for it."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

import attrs
import pytest

from streamhouse_connect import (
    Batch,
    ConfigError,
    MemoryBroker,
    Problem,
    Registry,
    RetriableError,
    Secret,
    Sink,
    Worker,
    hookimpl,
    option,
)
from streamhouse_connect.runtime.checking import check_destination
from streamhouse_connect.runtime.plan import make_plan

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence


@attrs.frozen
class AskedConfig:
    """A destination's password."""

    password: Secret = option("asked.password", default=Secret("hunter2"), doc="The password.")


async def fine() -> Sequence[Problem]:
    """Find nothing wrong."""
    return ()


class Asked(Sink[AskedConfig]):
    """A sink that answers as it is told."""

    name = "asked-sink"
    config_class = AskedConfig
    answer: ClassVar[Callable[[], Awaitable[Sequence[Problem]]]] = fine
    closed: ClassVar[list[threading.Thread]] = []

    async def check(self) -> Sequence[Problem]:
        return await type(self).answer()

    async def write(self, batch: Batch) -> None: ...

    async def close(self) -> None:
        self.closed.append(threading.current_thread())


class Mute(Sink[AskedConfig]):
    """A sink that can't be asked."""

    name = "mute-sink"
    config_class = AskedConfig

    async def write(self, batch: Batch) -> None: ...


@hookimpl
def streamhouse_register_sinks() -> Iterable[type[Sink[Any]]]:
    return [Asked, Mute]


REGISTRY = Registry(
    entry_points=False, plugins=[SimpleNamespace(streamhouse_register_sinks=streamhouse_register_sinks)]
)


@pytest.fixture(autouse=True)
def forget() -> None:
    Asked.closed.clear()
    Asked.answer = fine


async def check(sink: str = "asked-sink", *, within: float = 5.0) -> Sequence[str]:
    """Ask the sink."""
    return await check_destination(make_plan("c", sink, {}, REGISTRY), within=within)


async def test_a_destination_that_is_fine() -> None:
    """It is asked away from the worker's loop, and closed."""
    assert await check() == ()
    (thread,) = Asked.closed
    assert thread is not threading.current_thread()


async def test_problems_are_those_of_options_and_without_secrets() -> None:
    """As in the answer to a create."""

    async def wrong() -> Sequence[Problem]:
        return [Problem("asked.password", "hunter2 is refused")]

    Asked.answer = wrong

    with pytest.raises(ConfigError) as caught:
        await check()

    assert caught.value.problems == (Problem("config.asked.password", "******** is refused"),)


async def test_a_destination_that_is_out_of_reach() -> None:
    """What a sink raises is a problem as well; the sink is closed."""

    async def down() -> Sequence[Problem]:
        raise RetriableError("the store is down")

    Asked.answer = down

    with pytest.raises(ConfigError, match="connectorClass can't use its destination: the store is down"):
        await check()

    assert len(Asked.closed) == 1


async def test_a_destination_that_hangs() -> None:
    """It is given up."""

    async def hang() -> Sequence[Problem]:
        await asyncio.Event().wait()
        return ()

    Asked.answer = hang

    with pytest.raises(ConfigError, match=r"connectorClass did not get an answer of its destination within 0\.01 s"):
        await check(within=0.01)

    assert len(Asked.closed) == 1


async def test_a_sink_that_can_t_be_asked_is_a_warning() -> None:
    """Nobody takes silence for an answer."""
    assert await check("mute-sink") == ("the destination was not checked: mute-sink can't do that before it runs",)


async def test_a_worker_tells_all_warnings() -> None:
    """Those about the body and those about the destination."""
    worker = Worker(MemoryBroker(), registry=REGISTRY)
    body = {"name": "c", "connectorClass": "mute-sink", "topics": ["t"], "config": {"asked.pasword": "x"}}
    odd, unasked = await worker.check(body)

    assert "did you mean asked.password?" in odd
    assert "was not checked" in unasked
