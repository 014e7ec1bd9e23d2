"""What only definitions in Kafka do: workers that share them, write at the same time, and die while they write."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import attrs
import pytest
from confluent_kafka import KafkaError, KafkaException, Producer

from fakes import until
from integration.definitions.conftest import Group
from streamhouse_connect import ConfigError, ConflictError, Definition, FatalError, KafkaDefinitionStore
from streamhouse_connect.definitions import _clients, _fenced
from streamhouse_connect.testing.definitions import make_definition


@attrs.define
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


async def changed(changes: AsyncIterator[frozenset[str]], name: str) -> None:
    """Wait until a name is among the changed ones."""
    async with asyncio.timeout(10):
        async for names in changes:
            if name in names:
                return


async def known(store: KafkaDefinitionStore, name: str) -> None:
    """Wait until a store knows a definition of that name."""
    async with asyncio.timeout(10):
        while all(definition.name != name for definition in await store.all()):
            await asyncio.sleep(0.01)


# ---------------------------------------------------------------------------------------------------------- together


async def test_what_one_writes_the_other_hears_of(group: Group) -> None:
    """Each hears of what the other creates, replaces and deletes, and then finds it so; states too."""
    async with group.store() as one, group.store() as other:
        changes = other.changes()

        created = await one.create(make_definition("a"))
        await changed(changes, "a")
        assert await other.all() == [created]

        replaced = await other.replace(attrs.evolve(created, epoch=9), expected=1)
        version = await other.put_state("uid-1", "schema", b"1", expected=None)

        while await one.get_state("uid-1", "schema") is None:
            await asyncio.sleep(0.01)

        assert await one.all() == [replaced]
        assert await one.get_state("uid-1", "schema") == (b"1", version)
        await changed(changes, "a")
        await one.delete("a", expected=2)
        await changed(changes, "a")
        assert await other.all() == []
        assert await other.get_state("uid-1", "schema") is None


async def test_changes_count_from_the_call_on(group: Group) -> None:
    """Between the call and the first look nothing is missed; what was before is not told."""
    async with group.store() as one, group.store() as other:
        await one.create(make_definition("before"))
        await known(other, "before")
        changes = other.changes()
        await one.create(make_definition("after"))
        await known(other, "after")

        assert await anext(changes) == {"after"}


async def test_closing_ends_the_changes(group: Group) -> None:
    """Who waits for changes is let go when the store is closed."""
    async with group.store() as store:
        waiting = asyncio.ensure_future(anext(store.changes()))
        await asyncio.sleep(0)

    with pytest.raises(StopAsyncIteration):
        await waiting


async def test_definitions_survive_all_stores(group: Group) -> None:
    """Who opens the group later finds what was written, secrets and all."""
    definition = attrs.evolve(make_definition(), config={"password": "hunter2", "url": "postgres://u:p@h/d"})

    async with group.store() as store:
        created = await store.create(definition)
        await store.put_state("uid-1", "schema", b"\x00\xff", expected=None)

    async with group.store() as store:
        assert await store.all() == [created]
        assert created.config == definition.config
        assert await store.get_state("uid-1", "schema") == (b"\x00\xff", 1)


async def test_of_racing_creates_one_succeeds(group: Group) -> None:
    """Two workers that create the same name at the same time: one has it, one is told so, and both know which one it is."""
    async with group.store() as one, group.store() as other:
        for number in range(20):
            name = f"c-{number}"
            outcomes = await asyncio.gather(
                one.create(make_definition(name, uid="one")),
                other.create(make_definition(name, uid="other")),
                return_exceptions=True,
            )
            created = [outcome for outcome in outcomes if isinstance(outcome, Definition)]
            refused = [outcome for outcome in outcomes if isinstance(outcome, ConflictError)]

            assert (len(created), len(refused)) == (1, 1), outcomes
            assert created[0] in await one.all()
            await known(other, name)
            assert created[0] in await other.all()

    async with group.store() as later:
        assert len(await later.all()) == 20


async def test_many_writers_get_their_turn(group: Group) -> None:
    """Workers that all write at the same time, as when all start, hold each other up, but nobody fails."""
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(group.store()) for _ in range(4)]
        await asyncio.gather(
            *(
                store.put_state(f"uid-{number}", f"key-{key}", b"1", expected=None)
                for number, store in enumerate(stores)
                for key in range(5)
            )
        )

    async with group.store() as later:
        assert [await later.get_state(f"uid-{number}", "key-4") for number in range(4)] == [(b"1", 1)] * 4


# ----------------------------------------------------------------------------------------------------- dying writers


async def test_who_dies_in_the_middle_holds_nobody_up(group: Group) -> None:
    """A transaction that nobody ends is aborted by the next writer, and its writer can't go on afterwards."""
    async with group.store() as store:
        zombie = group.writer()
        zombie.produce(group.configs, key=b'["definition","zombie"]', value=b"{}")
        zombie.flush(10)

        created = await asyncio.wait_for(store.create(make_definition("a")), 5)

        with pytest.raises(KafkaException) as raised:
            zombie.commit_transaction(10)

        assert raised.value.args[0].code() == KafkaError._FENCED
        assert await store.all() == [created]


async def test_what_was_not_committed_is_never_seen(group: Group) -> None:
    """Neither while the transaction is open, nor when it is aborted, nor by a store that is opened later."""
    async with group.store() as store:
        created = await store.create(make_definition("a"))
        loser = group.writer()
        loser.produce(group.configs, key=b'["definition","a"]', value=None)
        loser.flush(10)

        async with group.store() as later:
            assert await later.all() == [created]

        loser.abort_transaction(10)
        await store.put_state("uid", "key", b"", expected=None)
        assert await store.all() == [created]


async def test_a_lost_answer_is_found_out(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit that succeeded, and whose answer was lost, is not done twice, and is no conflict with itself."""
    make_writer = _clients.make_writer
    losses = iter([True, False])

    class Losing:
        def __init__(self, producer: Producer) -> None:
            self._producer = producer

        def __getattr__(self, name: str) -> Any:
            return getattr(self._producer, name)

        def commit_transaction(self, timeout: float) -> None:
            self._producer.commit_transaction(timeout)

            if next(losses):
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT))

    monkeypatch.setattr(_fenced, "make_writer", lambda *given, **more: Losing(make_writer(*given, **more)))

    async with group.store() as store:
        created = await store.create(make_definition())

        assert created.version == 1
        assert await store.all() == [created]
        assert len([key for key, _ in group.records() if key == b'["definition","orders-to-files"]']) == 1


async def test_what_is_too_large_is_refused(group: Group) -> None:
    """The author is told; the next write succeeds."""
    async with group.store() as store:
        with pytest.raises(ConfigError, match="too large"):
            await store.create(attrs.evolve(make_definition(), config={"a": "x" * 2_000_000}))

        await store.create(make_definition())


# ------------------------------------------------------------------------------------------------------------ topics


async def test_topics_are_made_as_they_have_to_be(group: Group) -> None:
    """Definitions are kept for ever; statuses only as long as somebody may ask."""
    async with group.store():
        topics = group.server.admin().list_topics(timeout=10).topics

    assert {len(topics[name].partitions) for name in (group.configs, group.status)} == {1}
    assert group.settings(group.configs)["cleanup.policy"] == "compact"
    assert set(group.settings(group.status)["cleanup.policy"].split(",")) == {"compact", "delete"}


async def test_stores_that_are_opened_together_make_the_topics_once(group: Group) -> None:
    """A new cluster's workers all start at the same time."""
    async with AsyncExitStack() as stack:
        await asyncio.gather(*(stack.enter_async_context(group.store()) for _ in range(3)))


@pytest.mark.parametrize(
    ("partitions", "policy", "message"),
    [
        (3, "compact", "1 partition, but has 3"),
        (1, "delete", "cleanup.policy is 'delete'; set cleanup.policy=compact"),
        (1, "compact,delete", "set cleanup.policy=compact"),
    ],
)
async def test_a_topic_that_loses_definitions_is_refused(
    group: Group, partitions: int, policy: str, message: str
) -> None:
    """With what is wrong, and what to do."""
    group.server.create_topic(group.configs, partitions=partitions, settings={"cleanup.policy": policy})

    with pytest.raises(FatalError, match=message):
        await group.store().open()


async def test_compaction_changes_nothing(group: Group) -> None:
    """What is left of the topic says the same as all of it: nothing deleted and no loser's record comes back."""
    settings = {"cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.001"}
    group.server.create_topic(group.configs, settings={**settings, "delete.retention.ms": "100"})

    async with group.store() as store:
        kept = await store.create(make_definition("kept", uid="uid-kept"))
        await store.create(make_definition("gone", uid="uid-gone"))
        await store.put_state("uid-gone", "schema", b"1", expected=None)
        loser = group.writer()
        loser.produce(group.configs, key=b'["definition","loser"]', value=b"lost")
        loser.produce(group.configs, key=b'["definition","kept"]', value=b"lost")
        loser.flush(10)
        assert sum(value == b"lost" for _, value in group.records()) == 2
        await store.delete("gone")
        version, written = None, 9

        while written < 20 or len(group.records()) > 10 or any(value == b"lost" for _, value in group.records()):
            kept = await store.replace(attrs.evolve(kept, epoch=kept.epoch + 1))
            version = await store.put_state("uid-kept", "schema", b"2", expected=version)
            written += 2
            await asyncio.sleep(0.1)  # segments are closed, and compacted, by age

        async with group.store() as later:
            assert await later.all() == await store.all() == [kept]
            assert await later.get_state("uid-gone", "schema") is None
            assert await later.get_state("uid-kept", "schema") == (b"2", version)


async def test_what_cannot_be_read_is_skipped(group: Group, caplog: pytest.LogCaptureFixture) -> None:
    """Foreign and damaged records harm nobody else, and are logged without what is in them; a damaged definition can be deleted."""
    async with group.store() as store:
        created = await store.create(make_definition("a"))

        with caplog.at_level(logging.WARNING):
            for key in (b"hunter2?", b"\xff", b'["later","a"]', b'["definition","b"]', b'["state","uid","key"]'):
                group.produce(key, b'{"password": "hunter2"}')

            await until(lambda: len(caplog.records) == 5)

        assert "hunter2" not in "".join(str(vars(record)) for record in caplog.records)
        assert await store.all() == [created]

        with pytest.raises(ConflictError) as raised:
            await store.create(make_definition("b"))

        assert raised.value.code == "definition_damaged"
        assert list(await store.damaged()) == ["b"]
        await store.delete("b")
        assert await store.damaged() == {}
        await store.create(make_definition("b"))


async def test_a_topic_that_was_made_again_is_read_anew(group: Group) -> None:
    """What is not in it any more is gone, and its names count as changed."""
    async with group.store() as store:
        await store.create(make_definition("a"))
        changes = store.changes()
        admin = group.server.admin()
        admin.delete_topics([group.configs])[group.configs].result(10)
        await until(lambda: store.stale)
        group.server.create_topic(group.configs, settings={"cleanup.policy": "compact"})

        await changed(changes, "a")
        assert await store.all() == []
        await until(lambda: not store.stale)
        await store.create(make_definition("b"))


# ----------------------------------------------------------------------------------------------------------- reports


async def _reports(store: KafkaDefinitionStore, wanted: dict[str, bytes]) -> None:
    """Wait until what workers report of the connector `c` is this."""
    async with asyncio.timeout(10):
        while await store.reports("c") != wanted:
            await asyncio.sleep(0.01)


async def test_workers_hear_each_others_reports(group: Group) -> None:
    """Every worker knows what all report, until they withdraw it or close."""
    async with group.store() as one:
        async with group.store() as other:
            await one.report("one", "c", b"1")
            await other.report("other", "c", b"2")
            await other.report("other", "d", b"3")
            await _reports(one, {"one": b"1", "other": b"2"})
            await _reports(other, {"one": b"1", "other": b"2"})

            await one.report("one", "c", b"4")
            await _reports(other, {"one": b"4", "other": b"2"})
            await one.report("one", "c", None)
            await _reports(other, {"other": b"2"})

        await _reports(one, {})
        assert await one.reports("d") == {}


async def test_who_is_opened_later_hears_of_earlier_reports(group: Group) -> None:
    """A worker that has just started need not wait for the others to repeat themselves."""
    silent = Clock()

    async with group.store(clock=silent) as one:
        await one.report("one", "c", b"1")

        async with group.store() as before:
            await _reports(before, {"one": b"1"})

        async with group.store() as later:
            await _reports(later, {"one": b"1"})


async def test_who_is_not_heard_of_is_forgotten(group: Group) -> None:
    """A worker that has died, or is cut off, is left out after a while, and is back when it is heard of again."""
    speaking, listening = Clock(), Clock()

    async with group.store(clock=speaking) as one, group.store(clock=listening) as other:
        await one.report("one", "c", b"1")
        await _reports(other, {"one": b"1"})

        listening.now += 15.1
        assert await other.reports("c") == {}

        speaking.now += 3.0
        await _reports(other, {"one": b"1"})
