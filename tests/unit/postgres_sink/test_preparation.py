"""What is prepared of a batch, and when: a session of which only the plans are real."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from streamhouse_connect import SecretUrl
from streamhouse_connect.testing import make_batch
from streamhouse_postgres_sink import PostgresConfig
from streamhouse_postgres_sink._parts import Part
from streamhouse_postgres_sink._preparation import Preparation

CONFIG = PostgresConfig(url=SecretUrl("postgresql://h/d"), table_name="orders", insert_mode="insert")


class Steps:
    """A load of so many steps."""

    def __init__(self, count: int) -> None:
        self.left = count

    def step(self) -> bool:
        self.left -= 1
        return self.left >= 0


class Planner:
    """Plans one load for every batch."""

    def __init__(self) -> None:
        self.has_sent = asyncio.Event()
        self.has_sent.set()
        self.loads: list[Steps] = []

    def fitting(self, parts: Sequence[Part]) -> list[Any]:
        assert len(parts) == 1
        self.loads.append(Steps(3))
        return [self]  # stands for its work, too


@pytest.fixture
def planner() -> Planner:
    return Planner()


@pytest.fixture
def preparation() -> Preparation:
    return Preparation(make_batch([b'{"id":%d}' % n for n in range(1200)]), CONFIG)


async def test_all_of_a_batch_is_prepared_while_the_server_works(planner: Planner, preparation: Preparation) -> None:
    """Its records are read, its loads planned and their lines made."""
    await preparation.go_on(planner)  # type: ignore[arg-type]  # as much of a session as it takes
    assert len(preparation.works) == 1
    assert [load.left for load in planner.loads] == [-1]


async def test_nothing_is_prepared_while_there_is_something_to_send(planner: Planner, preparation: Preparation) -> None:
    """It goes on when that is sent."""
    planner.has_sent.clear()
    going = asyncio.create_task(preparation.go_on(planner))  # type: ignore[arg-type]  # as before
    await asyncio.sleep(0)
    assert preparation.works == ()
    planner.has_sent.set()
    await going
    assert len(preparation.works) == 1


@pytest.mark.parametrize("turns", range(5))
async def test_what_is_being_written_is_not_prepared_as_well(
    planner: Planner, preparation: Preparation, turns: int
) -> None:
    """The write does what was left to do, and nothing is done a second time beside it."""
    going = asyncio.create_task(preparation.go_on(planner))  # type: ignore[arg-type]  # as before

    for _ in range(turns):
        await asyncio.sleep(0)

    before = [load.left for load in planner.loads]
    preparation.is_over = True
    preparation.parts()
    await going
    assert [load.left for load in planner.loads] == before
