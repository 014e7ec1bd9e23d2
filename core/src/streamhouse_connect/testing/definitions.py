"""What every definition store keeps to: subclass, say how one is made, and pytest runs the rest.

    class TestMyStore(DefinitionStoreConformance):
        @pytest.fixture
        def store(self, tmp_path: Path) -> DefinitionStore:
            return MyStore(tmp_path)

The store is empty and not open yet.
"""

# ruff: noqa: PLR2004 - the expected value is a magic value

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import attrs
import pytest

from streamhouse_connect import (
    ConfigError,
    ConflictError,
    Definition,
    DefinitionStore,
    NotFoundError,
    TargetState,
)

__all__ = ["DefinitionStoreConformance", "make_definition"]


def make_definition(name: str = "orders-to-files", *, uid: str = "uid-1") -> Definition:
    """Make a definition that has a value of every kind."""
    return Definition(
        name=name,
        connector_class="file-sink",
        topics=("orders", "returns"),
        config={"file.path": "out/ä", "batch.size": 10, "ratio": 0.5, "flag": True, "none": None, "list": ["a", 1]},
        uid=uid,
        epoch=3,
        target=TargetState.PAUSED,
        restarts=2,
        created_at=datetime(2026, 2, 10, 14, 0, 0, 123456, tzinfo=UTC),
        updated_at=datetime(2026, 2, 11, 14, tzinfo=timezone(timedelta(hours=-5))),
    )


class DefinitionStoreConformance:
    """The tests."""

    @pytest.fixture
    def store(self) -> DefinitionStore:
        """Return the store to be tested."""
        raise NotImplementedError

    async def test_definitions_come_back_as_they_were(self, store: DefinitionStore) -> None:
        """Every field of a definition is kept, and all are listed by name."""
        second, first = make_definition("b"), make_definition("a", uid="uid-2")

        async with store:
            await store.create(second)
            await store.create(first)

            assert await store.all() == [attrs.evolve(first, version=1), attrs.evolve(second, version=1)]

    async def test_a_name_is_taken_once(self, store: DefinitionStore) -> None:
        """A second definition of the same name is a conflict, and changes nothing."""
        async with store:
            first = await store.create(make_definition())

            with pytest.raises(ConflictError) as raised:
                await store.create(attrs.evolve(make_definition(), epoch=9))

            assert raised.value.code == "connector_exists"
            assert await store.all() == [first]

    async def test_of_many_at_once_one_is_created(self, store: DefinitionStore) -> None:
        """Of several who create the same name at the same time one succeeds."""
        async with store:
            outcomes = await asyncio.gather(
                *(store.create(make_definition()) for _ in range(5)), return_exceptions=True
            )

            assert sum(isinstance(outcome, ConflictError) for outcome in outcomes) == 4

    async def test_a_definition_is_replaced(self, store: DefinitionStore) -> None:
        """The new definition stands where the old one stood; others stay as they are."""
        changed = attrs.evolve(make_definition(), config={}, target=TargetState.STOPPED, epoch=4)
        other = make_definition("z", uid="uid-2")

        async with store:
            await store.create(make_definition())
            other = await store.create(other)
            changed = await store.replace(changed)

            assert changed.target is TargetState.STOPPED
            assert await store.all() == [changed, other]

    async def test_the_store_counts_versions(self, store: DefinitionStore) -> None:
        """Whatever version it is given, a new definition gets the first, and each replacement the one after the kept one."""
        given = attrs.evolve(make_definition(), version=7)

        async with store:
            created = await store.create(given)
            replaced = await store.replace(given)
            again = await store.replace(replaced)

            assert [created.version, replaced.version, again.version] == [1, 2, 3]
            assert created == attrs.evolve(given, version=1)
            assert await store.all() == [again]

            await store.delete(given.name)
            assert (await store.create(given)).version == 1

    async def test_who_knows_another_version_changes_nothing(self, store: DefinitionStore) -> None:
        """With the version it was read in, a definition is replaced or deleted only if nobody has changed it since."""
        async with store:
            await store.create(make_definition())
            kept = await store.replace(make_definition(), expected=1)

            for asked in (
                store.replace(attrs.evolve(kept, epoch=9), expected=1),
                store.replace(attrs.evolve(kept, epoch=9), expected=3),
                store.delete(kept.name, expected=1),
            ):
                with pytest.raises(ConflictError) as raised:
                    await asked

                assert raised.value.code == "version_changed"

            assert await store.all() == [kept]
            await store.delete(kept.name, expected=2)
            assert await store.all() == []

    async def test_of_many_at_once_one_replaces(self, store: DefinitionStore) -> None:
        """Of several who replace the same version at the same time one succeeds, and its definition is kept."""
        async with store:
            created = await store.create(make_definition())
            outcomes = await asyncio.gather(
                *(store.replace(attrs.evolve(created, epoch=epoch), expected=1) for epoch in range(5)),
                return_exceptions=True,
            )
            winners = [outcome for outcome in outcomes if isinstance(outcome, Definition)]

            assert len(winners) == 1
            assert await store.all() == winners

    async def test_an_unknown_name_is_not_found(self, store: DefinitionStore) -> None:
        """What does not exist can neither be replaced nor deleted."""
        async with store:
            for asked in (
                store.replace(make_definition()),
                store.replace(make_definition(), expected=1),
                store.delete("orders-to-files"),
                store.delete("orders-to-files", expected=1),
            ):
                with pytest.raises(NotFoundError) as raised:
                    await asked

                assert raised.value.code == "unknown_connector"

            assert await store.all() == []

    async def test_deleting_forgets_definition_and_states(self, store: DefinitionStore) -> None:
        """With a definition the states under its uid go; others stay."""
        async with store:
            await store.create(make_definition("a", uid="uid-1"))
            await store.create(make_definition("b", uid="uid-2"))
            await store.put_state("uid-1", "schema", b"1", expected=None)
            await store.put_state("uid-2", "schema", b"2", expected=None)
            await store.delete("a")

            assert [definition.name for definition in await store.all()] == ["b"]
            assert await store.get_state("uid-1", "schema") is None
            assert await store.get_state("uid-2", "schema") == (b"2", 1)

    async def test_states_change_by_comparing_versions(self, store: DefinitionStore) -> None:
        """A state is written only by who knows its version; every write gives another one."""
        async with store:
            assert await store.get_state("uid", "key") is None
            first = await store.put_state("uid", "key", b"\x00\xff", expected=None)
            assert await store.get_state("uid", "key") == (b"\x00\xff", first)
            second = await store.put_state("uid", "key", b"", expected=first)

            for expected in (None, first, second + 1):
                with pytest.raises(ConflictError) as raised:
                    await store.put_state("uid", "key", b"lost", expected=expected)

                assert raised.value.code == "state_changed"

            assert second != first
            assert await store.get_state("uid", "key") == (b"", second)

            with pytest.raises(ConflictError):
                await store.put_state("uid", "other", b"", expected=1)

    async def test_a_state_may_be_as_large_as_a_schema(self, store: DefinitionStore) -> None:
        """The columns of a topic that has thousands of them fit."""
        async with store:
            version = await store.put_state("uid", "key", b"\xff" * (512 << 10), expected=None)

            assert await store.get_state("uid", "key") == (b"\xff" * (512 << 10), version)

    async def test_of_many_writers_of_a_state_one_wins(self, store: DefinitionStore) -> None:
        """Of several who write the same version at the same time one succeeds, and its value is kept."""
        async with store:
            puts = [store.put_state("uid", "key", str(number).encode(), expected=None) for number in range(5)]
            outcomes = await asyncio.gather(*puts, return_exceptions=True)
            winners = [number for number, outcome in enumerate(outcomes) if not isinstance(outcome, Exception)]
            found = await store.get_state("uid", "key")

            assert len(winners) == 1
            assert found is not None
            assert found[0] == str(winners[0]).encode()

    @pytest.mark.parametrize("value", ["hunter2\ud800", object()], ids=["no Unicode", "an object"])
    async def test_what_cannot_be_kept_is_refused(self, store: DefinitionStore, value: object) -> None:
        """A configuration that could not be read back is an error of its author, which does not show the value."""
        async with store:
            with pytest.raises(ConfigError) as raised:
                await store.create(attrs.evolve(make_definition(), config={"password": value}))

            assert "hunter2" not in str(raised.value)
            assert await store.all() == []

    async def test_later_changes_of_the_given_do_not_reach_the_kept(self, store: DefinitionStore) -> None:
        """What is kept is a copy."""
        config: dict[str, object] = {"a": ["1"]}

        async with store:
            await store.create(attrs.evolve(make_definition(), config=config))
            config["a"] = "other"
            (found,) = await store.all()

            assert found.config == {"a": ["1"]}

    async def test_what_is_read_is_current(self, store: DefinitionStore) -> None:
        """Nothing that an open store tells is out of date."""
        async with store:
            assert store.stale is None

    async def test_reports_are_taken_at_any_time(self, store: DefinitionStore) -> None:
        """A status may be reported, again, and withdrawn, twice too; what was withdrawn is not told."""
        async with store:
            for status in (b"1", b"1", b"2", None, None):
                await store.report("worker-1", "orders-to-files", status)

            assert await store.reports("orders-to-files") == {}
            assert await store.reports("unheard-of") == {}

    async def test_nobody_else_no_changes(self, store: DefinitionStore) -> None:
        """Who waits for the changes of others can be cancelled at any time."""
        async with store:
            changes = store.changes()
            waiting = asyncio.ensure_future(anext(changes))
            await asyncio.sleep(0)
            waiting.cancel()

            with pytest.raises(asyncio.CancelledError):
                await waiting

    async def test_closing_twice_is_harmless(self, store: DefinitionStore) -> None:
        """A store may be closed again, or without having been opened."""
        await store.close()

        async with store:
            pass

        await store.close()
