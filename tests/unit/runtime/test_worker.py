"""The worker: definitions, states and delivery as an application sees them, on the broker in memory."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator

import attrs
import pytest

from fakes import Destination, body, until
from streamhouse_connect import (
    Batch,
    Batching,
    ConfigError,
    ConflictError,
    ConnectorInfo,
    FatalError,
    Guarantee,
    MemoryBroker,
    NewRecords,
    NotFoundError,
    RejectedRecords,
    RetriableError,
    State,
    TargetState,
    Topic,
    TopicPartition,
    Worker,
)
from streamhouse_connect.runtime import reconciler

TP = TopicPartition("orders", 0)


@pytest.fixture
def destination() -> Destination:
    """A destination that takes everything."""
    return Destination()


@pytest.fixture
async def worker(destination: Destination) -> AsyncIterator[Worker]:
    """A worker with the topic orders, of one partition."""
    broker = MemoryBroker()

    async with Worker(broker, registry=destination.registry(), shutdown_timeout=2.0) as worker:
        await broker.create_topic("orders")
        yield worker


async def produce(worker: Worker, *values: bytes | None, topic: str = "orders") -> None:
    """Append values to a topic."""
    await worker.broker.append(topic, NewRecords(values=list(values)))


async def reach(worker: Worker, state: State, name: str = "c") -> ConnectorInfo:
    """Wait until a connector is in a state."""
    async with asyncio.timeout(10):
        while (info := await worker.get(name)).state is not state:
            await asyncio.sleep(0.005)

    return info


async def test_records_are_delivered_in_order_and_committed(worker: Worker, destination: Destination) -> None:
    """All of a topic's records reach the sink once, in their order, and the offset follows."""
    await produce(worker, *(b"%d" % n for n in range(1000)))
    await worker.create(body(batch_size=64))
    await worker.drained("c", timeout=10)
    assert destination.values() == [b"%d" % n for n in range(1000)]
    info = await worker.get("c")
    assert (info.state, info.processed, info.partitions[0].committed, info.partitions[0].lag) == (
        State.RUNNING,
        1000,
        1000,
        0,
    )


async def test_the_interval_writes_a_batch_that_is_not_full(worker: Worker, destination: Destination) -> None:
    """A few records do not wait for more than batch.interval_ms."""
    await worker.create(body())
    await produce(worker, b"only one")
    await until(lambda: destination.values() == [b"only one"])


async def test_a_second_connector_of_a_name_is_a_conflict(worker: Worker) -> None:
    """Names are unique."""
    await worker.create(body())

    with pytest.raises(ConflictError) as caught:
        await worker.create(body())

    assert caught.value.code == "connector_exists"


async def test_an_invalid_body_is_told_as_such_even_when_the_name_exists(worker: Worker) -> None:
    """What is wrong with the body comes before the conflict."""
    await worker.create(body())

    with pytest.raises(ConfigError):
        await worker.create(body(topics=[]))


async def test_an_unknown_connector_is_not_found(worker: Worker) -> None:
    """Every operation on a name that is not there says so."""
    for operation in (worker.get, worker.delete, worker.pause, worker.resume, worker.restart, worker.drained):
        with pytest.raises(NotFoundError) as caught:
            await operation("nobody")

        assert caught.value.code == "unknown_connector"


async def test_a_destination_that_is_down_means_retrying_and_no_loss(worker: Worker, destination: Destination) -> None:
    """While the destination is down the state is retrying with the error; once it is back everything is delivered."""
    down = threading.Event()
    down.set()

    def write(_: Batch) -> None:
        if down.is_set():
            raise RetriableError("the destination is down")

    destination.on_write = write
    await produce(worker, b"a", b"b")
    await worker.create(body())
    info = await reach(worker, State.RETRYING)
    assert info.error == "the destination is down"
    down.clear()
    await worker.drained("c", timeout=10)
    info = await worker.get("c")
    assert (info.state, info.error) == (State.RUNNING, None)
    assert destination.values() == [b"a", b"b"]


async def test_a_destination_that_is_down_at_the_start_means_retrying(worker: Worker, destination: Destination) -> None:
    """open() is tried again until it succeeds."""
    attempts = iter([RetriableError("not yet"), ConnectionRefusedError("nor yet")])

    def opening() -> None:
        if error := next(attempts, None):
            raise error

    destination.on_open = opening
    await produce(worker, b"a")
    await worker.create(body())
    await worker.drained("c", timeout=10)
    assert destination.opened == 3
    assert destination.closed == 2, "close() is called after a failed open, too"


async def test_a_rejected_record_fails_the_connector_at_its_offset(worker: Worker, destination: Destination) -> None:
    """Tolerance none: what is before it is delivered and committed, the connector is failed, and says where."""

    def write(batch: Batch) -> None:
        if bad := {i: "too bad" for i, v in enumerate(batch.values) if v == b"bad"}:
            raise RejectedRecords(bad)

    destination.on_write = write
    await produce(worker, b"a", b"b", b"bad", b"c")
    await worker.create(body())

    with pytest.raises(FatalError, match="orders, partition 0, offset 2: too bad"):
        await worker.drained("c", timeout=10)

    info = await worker.get("c")
    assert info.state is State.FAILED
    assert info.error is not None
    assert info.partitions[0].committed == 2
    assert destination.values() == [b"a", b"b"]
    assert b'connector_state{connector="c",state="failed"} 1.0' in worker.metrics.text()


async def test_a_failed_connector_stays_failed_until_a_write_has_succeeded(
    worker: Worker, destination: Destination
) -> None:
    """A restart alone does not turn failed into running; a write that succeeds does."""
    broken = threading.Event()
    broken.set()

    def write(_: Batch) -> None:
        if broken.is_set():
            raise FatalError("the table is gone")

    destination.on_write = write
    await produce(worker, b"a")
    await worker.create(body())

    await reach(worker, State.FAILED)
    opened = destination.opened
    assert (await worker.restart("c")).state is State.FAILED
    await until(lambda: destination.opened > opened)
    assert (await worker.get("c")).error == "the table is gone"
    broken.clear()
    await worker.resume("c")
    await until(lambda: destination.values() == [b"a"])
    await worker.drained("c", timeout=10)
    await reach(worker, State.RUNNING)


async def test_an_unexpected_error_shows_its_traceback_in_the_status(worker: Worker, destination: Destination) -> None:
    """A bug in a plugin fails its connector, with the traceback for the plugin's author."""

    def write(_: Batch) -> None:
        raise ZeroDivisionError("oops")

    destination.on_write = write
    await produce(worker, b"a")
    await worker.create(body())

    with pytest.raises(FatalError, match="ZeroDivisionError: oops"):
        await worker.drained("c", timeout=10)

    trace = (await worker.get("c")).tasks[0].trace
    assert trace is not None
    assert "test_worker.py" in trace


async def test_dead_letters_keep_key_value_and_headers_and_give_the_reason(
    worker: Worker, destination: Destination
) -> None:
    """Tolerance all: the record goes to the dead letter topic as it was, and the offset moves on."""

    def write(batch: Batch) -> None:
        if bad := {i: "too bad" for i, v in enumerate(batch.values) if v == b"bad"}:
            raise RejectedRecords(bad)

    destination.on_write = write
    headers = ((("h", b"1"), ("h", None)), ())
    await worker.broker.append(
        "orders", NewRecords(values=[b"bad", b"good"], keys=[b"\xff", None], timestamps=[5, -1], headers=headers)
    )
    await worker.create(body(errors_tolerance="all"))
    await worker.drained("c", timeout=10)
    (letter,) = await worker.broker.read(TopicPartition("c-dlq", 0), 0, max_records=10)
    assert (letter.key, letter.value, letter.timestamp, letter.headers[:2]) == (b"\xff", b"bad", 5, headers[0])
    reasons = dict(letter.headers[2:])
    assert reasons["__connect.errors.topic"] == b"orders"
    assert reasons["__connect.errors.offset"] == b"0"
    assert reasons["__connect.errors.exception.message"] == b"too bad"
    assert destination.values() == [b"good"]
    assert b'connector_dead_letters_total{connector="c"} 1.0' in worker.metrics.text()


async def test_tombstones_alone_move_the_offset(worker: Worker, destination: Destination) -> None:
    """A batch of which nothing is left to write is committed all the same, and the sink is told of the progress."""
    await produce(worker, None, None, None)
    await worker.create(body())
    await worker.drained("c", timeout=10)
    assert (await worker.get("c")).partitions[0].committed == 3
    assert destination.values() == []
    assert destination.skips == [{TP: 3}]


async def test_pause_flushes_and_resume_goes_on_exactly_there(worker: Worker, destination: Destination) -> None:
    """What is buffered is written at a pause; nothing is delivered while paused; nothing twice, nothing lost after."""
    await worker.create({**body(), "config": {"batch.interval_ms": 60_000}})
    await produce(worker, b"a", b"b")
    await asyncio.sleep(0.1)
    info = await worker.pause("c")
    assert (info.state, info.target) == (State.PAUSED, TargetState.PAUSED)
    assert destination.values() == [b"a", b"b"]
    assert info.partitions[0].committed == 2
    await produce(worker, b"c")
    assert (await worker.pause("c")).state is State.PAUSED
    assert destination.values() == [b"a", b"b"]
    await worker.resume("c")
    await worker.drained("c", timeout=10)
    assert destination.values() == [b"a", b"b", b"c"]


@pytest.mark.parametrize("rounds", [1, 5])
async def test_a_pause_in_a_backlog_commits_all_that_was_written(
    worker: Worker, destination: Destination, rounds: int
) -> None:
    """However much still waits: after a pause nothing is written that is not committed, so that nothing comes again."""

    async def before_write() -> None:
        await asyncio.sleep(0.02)

    destination.before_write = before_write
    await produce(worker, *(b"%d" % n for n in range(500)))
    await worker.create(body(batch_size=1))

    for _ in range(rounds):
        await asyncio.sleep(0.1)
        info = await worker.pause("c")
        assert info.state is State.PAUSED
        assert info.partitions[0].committed == len(destination.records) < 500
        await worker.resume("c")

    destination.before_write = None
    await worker.drained("c", timeout=10)
    assert [offset for _, offset, _ in destination.records] == list(range(500))


async def test_a_pause_while_the_destination_is_down_is_answered_as_paused(
    worker: Worker, destination: Destination
) -> None:
    """What could not be flushed is read again later."""

    def write(_: Batch) -> None:
        raise RetriableError("down")

    destination.on_write = write
    await produce(worker, b"a")
    await worker.create(body())
    await reach(worker, State.RETRYING)
    info = await worker.pause("c")
    assert (info.state, info.error, info.partitions[0].committed) == (State.PAUSED, None, None)


async def test_pause_takes_two_seconds_at_most_however_long_a_write_hangs(
    worker: Worker, destination: Destination
) -> None:
    """A hung destination does not hold a pause up; its records are read again later."""
    hang = True

    async def before_write() -> None:
        if hang:
            await asyncio.sleep(3600)

    destination.before_write = before_write
    await produce(worker, b"a")
    await worker.create(body())
    await asyncio.sleep(0.1)
    began = time.monotonic()
    info = await worker.pause("c")
    assert time.monotonic() - began < 2.0
    assert info.state is State.PAUSED
    assert info.partitions[0].committed is None
    hang = False
    await worker.resume("c")
    await worker.drained("c", timeout=10)
    assert destination.values() == [b"a"]


async def test_a_plugin_that_blocks_its_loop_holds_up_nobody_else(worker: Worker, destination: Destination) -> None:
    """One connector's trouble stays its own: another one delivers, and every operation is answered."""
    release = threading.Event()

    def write(batch: Batch) -> None:
        if batch.values[0] == b"block":
            release.wait(30)

    destination.on_write = write
    await worker.broker.create_topic("other")
    await produce(worker, b"block")
    await worker.create(body("blocked"))
    await asyncio.sleep(0.1)
    await produce(worker, b"fine", topic="other")
    await worker.create(body("healthy", topics=["other"]))
    await worker.drained("healthy", timeout=10)
    assert (await worker.pause("blocked")).target is TargetState.PAUSED
    release.set()


async def test_restart_of_a_paused_connector_leaves_it_paused(worker: Worker) -> None:
    """Restart changes nothing of what is wanted."""
    await worker.create(body() | {"initialState": "paused"})
    assert (await worker.restart("c")).state is State.PAUSED


async def test_a_failed_connector_that_is_paused_goes_on_saying_why(worker: Worker, destination: Destination) -> None:
    """Until it has worked again; the state is what is wanted."""
    broken = True

    def write(_: Batch) -> None:
        if broken:
            raise KeyError("the schema")

    destination.on_write = write
    await produce(worker, b"a")
    await worker.create(body())
    await reach(worker, State.FAILED)
    paused = await worker.pause("c")
    (task,) = paused.tasks
    assert (paused.state, paused.error) == (State.PAUSED, "KeyError: 'the schema'")
    assert (task.state, task.error, task.trace is not None) == (State.PAUSED, paused.error, True)
    broken = False
    await worker.resume("c")
    await worker.drained("c", timeout=10)
    info = await reach(worker, State.RUNNING)
    assert info.error is None


async def test_another_connectors_slow_pause_holds_up_nobody(
    worker: Worker, destination: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one is flushing, others are made, changed, paused and deleted."""
    monkeypatch.setattr(reconciler, "PAUSE_SECONDS", 60.0)
    writing, go_on = threading.Event(), threading.Event()

    async def write() -> None:
        writing.set()

        while not go_on.is_set():
            await asyncio.sleep(0.005)

    destination.before_write = write
    await worker.create(body("slow"))
    await produce(worker, b"a")
    await until(writing.is_set)
    pausing = asyncio.create_task(worker.pause("slow"))

    while (await worker.get("slow")).target is not TargetState.PAUSED:
        await asyncio.sleep(0.005)

    await worker.broker.create_topic("other")
    await worker.create(body("quick", topics=["other"]))
    await worker.update("quick", body("quick", topics=["other"], batch_size=7))
    await worker.pause("quick")
    await worker.delete("quick")
    assert not pausing.done()
    go_on.set()
    assert (await pausing).state is State.PAUSED


async def test_what_happens_to_a_connector_is_logged(
    worker: Worker, destination: Destination, caplog: pytest.LogCaptureFixture
) -> None:
    """What is asked for, and what becomes of it, without secrets."""
    errors: list[Exception] = [RetriableError("no login for geheim"), RejectedRecords({0: "geheim is no number"})]

    def write(_: Batch) -> None:
        if errors:
            raise errors.pop(0)

    destination.on_write = write
    config = {"fake.password": "geheim", "errors.tolerance": "all"}

    with caplog.at_level(logging.INFO):
        await produce(worker, b"a", b"b")
        await worker.create({**body(), "config": config})
        await worker.drained("c", timeout=10)
        await worker.update("c", {**body(topics=["orders", "other"]), "config": {**config, "batch.size": 7}})
        await worker.pause("c")
        await worker.pause("c")
        await worker.resume("c")
        await worker.restart("c")
        await worker.stop("c")
        await worker.delete("c")

    told = [record.getMessage() for record in caplog.records if record.name == "streamhouse_connect.connector.c"]
    asked = [event for event in told if event.startswith("connector_")]
    assert asked == [
        "connector_created connector=c version=1 class=fake-sink target=running topics=orders",
        "connector_updated connector=c version=2 changed=topics,batch.size",
        "connector_paused connector=c version=3",
        "connector_resumed connector=c version=4",
        "connector_restarted connector=c version=5",
        "connector_stopped connector=c version=6",
        "connector_deleted connector=c",
    ]
    assert told[1:6] == [
        "task_starting connector=c task=0",
        "task_running connector=c task=0",
        "task_retrying connector=c task=0 error=no login for ********",
        "dead_letters connector=c task=0 records=1 topic=orders partition=0 offset=0 reason=******** is no number",
        "task_recovered connector=c task=0",
    ]
    assert "geheim" not in caplog.text


async def test_operations_are_idempotent(worker: Worker) -> None:
    """Twice the same is no error."""
    await worker.create(body())

    for operation, state in ((worker.pause, State.PAUSED), (worker.stop, State.STOPPED)):
        assert (await operation("c")).state is state
        assert (await operation("c")).state is state

    await worker.resume("c")
    assert (await worker.resume("c")).target is TargetState.RUNNING


async def test_a_deleted_connector_starts_anew_when_made_again(worker: Worker, destination: Destination) -> None:
    """Delete forgets the committed offsets and the metrics."""
    await produce(worker, b"a")
    await worker.create(body())
    await worker.drained("c", timeout=10)
    await worker.delete("c")
    assert b'connector="c"' not in worker.metrics.text()
    await worker.create(body())
    await worker.drained("c", timeout=10)
    assert destination.values() == [b"a", b"a"]


async def test_update_goes_on_where_the_old_configuration_ended(worker: Worker, destination: Destination) -> None:
    """A new configuration neither loses nor repeats records."""
    await produce(worker, b"a")
    await worker.create(body())
    await worker.drained("c", timeout=10)
    await produce(worker, b"b")
    info = await worker.update("c", body(batch_size=7))
    await worker.drained("c", timeout=10)
    assert info.config == {"batch.size": 7}
    assert destination.values() == [b"a", b"b"]


@pytest.mark.parametrize("change", [{"name": "d"}, {"connectorClass": "file-sink"}])
async def test_update_can_change_neither_name_nor_class(worker: Worker, change: dict[str, object]) -> None:
    """They are what a connector is."""
    await worker.create(body())

    with pytest.raises(ConfigError, match=next(iter(change))):
        await worker.update("c", {**body(), "config": {"file.path": "x"}, **change})


async def test_an_answer_may_be_sent_back_with_its_masks(worker: Worker, destination: Destination) -> None:
    """A masked secret keeps the stored one."""
    info = await worker.create(body(fake_password="geheim"))
    assert info.config == {"fake.password": "********"}
    await worker.update("c", {**body(), "config": dict(info.config)})
    assert "geheim" not in repr(await worker.get("c"))
    assert destination.contexts[0].uid == destination.contexts[-1].uid


async def test_secrets_are_taken_out_of_errors(worker: Worker, destination: Destination) -> None:
    """Whatever a client library says, a secret is not repeated."""

    def opening() -> None:
        raise FatalError("login with geheim refused")

    destination.on_open = opening
    await worker.create(body(fake_password="geheim"))

    info = await reach(worker, State.FAILED)
    assert info.error == "login with ******** refused"


async def test_an_error_that_is_no_unicode_can_be_shown(worker: Worker, destination: Destination) -> None:
    """As one about a file whose name is none."""

    def opening() -> None:
        raise FatalError("cannot write out/\udcff")

    destination.on_open = opening
    await worker.create(body())

    info = await reach(worker, State.FAILED)
    assert info.error == "cannot write out/?"


class OldBroker(MemoryBroker):
    """Has no ids of topics."""

    async def topic(self, name: str) -> Topic:
        return attrs.evolve(await super().topic(name), id=name)


async def test_a_broker_without_topic_ids_is_part_of_the_guarantee(worker: Worker, destination: Destination) -> None:
    """What the sink promises holds as long as no topic is made again; with ids nothing is said of it."""
    await worker.create(body())
    promised = (await worker.get("c")).guarantee
    assert promised is not None

    async with Worker(OldBroker(), registry=destination.registry()) as old:
        await old.broker.create_topic("orders")
        await old.create(body())
        shown = (await old.get("c")).guarantee

    assert shown == Guarantee(
        promised.level,
        f"{promised.reason}; the broker has no ids for the topics orders: one that is deleted and made again is taken for the "
        "former one, and its records for ones that were delivered",
    )


async def test_a_destination_that_weakens_the_guarantee_is_shown(worker: Worker, destination: Destination) -> None:
    """What the sink found out when it opened is what the status promises."""
    destination.weakened = "this store ignores conditional creates"
    await worker.create(body())
    await reach(worker, State.RUNNING)
    guarantee = (await worker.get("c")).guarantee
    assert guarantee is not None
    assert (guarantee.level, guarantee.reason) == ("at-least-once", "this store ignores conditional creates")


async def test_a_misspelt_option_is_a_warning(worker: Worker) -> None:
    """A key that nobody knows does not fail, but is mentioned with what was probably meant."""
    info = await worker.create({**body(), "config": {"batch.siez": "5"}})
    assert info.warnings == ("config.batch.siez is not an option of this connector; did you mean batch.size?",)


async def test_an_offset_that_the_destination_keeps_wins(worker: Worker, destination: Destination) -> None:
    """resume() decides where reading starts, ahead of the broker's commit or behind it."""
    await produce(worker, b"a", b"b", b"c")
    destination.held = {TP: 2}
    await worker.create(body())
    await worker.drained("c", timeout=10)
    assert destination.values() == [b"c"]


async def test_a_topic_that_does_not_exist_yet_is_waited_for(worker: Worker, destination: Destination) -> None:
    """A connector may be made before its topic."""
    await worker.create(body(topics=["later"]))
    await asyncio.sleep(0.05)
    assert (await worker.get("c")).state is State.RUNNING
    await worker.broker.create_topic("later")
    await produce(worker, b"a", topic="later")
    await until(lambda: destination.values() == [b"a"])


async def test_a_topic_in_use_is_not_deleted(worker: Worker) -> None:
    """Its readers are named."""
    await worker.create(body())

    with pytest.raises(ConflictError, match="read by c") as caught:
        await worker.delete_topic("orders")

    assert caught.value.code == "topic_in_use"


async def test_a_topic_that_is_waited_for_is_a_warning(worker: Worker) -> None:
    """From the answer to the request on, until it is there; of very many, the number is told."""
    waiting = "topic nosuch does not exist yet; it is waited for"
    assert (await worker.create(body(topics=["nosuch", "orders"]))).warnings == (waiting,)
    assert (await worker.get("c")).warnings == (waiting,)
    await worker.broker.create_topic("nosuch")
    assert (await worker.get("c")).warnings == ()
    many = await worker.create(body("d", topics=[f"no{number}" for number in range(500)]))
    assert (len(many.warnings), many.warnings[-1]) == (21, "480 more topics do not exist yet; they are waited for")


async def test_a_topic_of_dead_letters_is_not_deleted_while_there_may_be_more(worker: Worker) -> None:
    """Unless the connector makes none: then it is a topic like others."""
    for topic in ("c-dlq", "d-dlq", "other"):
        await worker.broker.create_topic(topic)

    await worker.create(body("c", errors_tolerance="all"))
    await worker.create(body("d"))
    await worker.create(body("e", topics=["other"]))
    config = {"errors.tolerance": "all", "errors.deadletterqueue.topic.name": "other"}
    await worker.create({**body("f"), "config": config})

    with pytest.raises(ConflictError, match="topic 'c-dlq' takes the dead letters of c; delete the connectors first"):
        await worker.delete_topic("c-dlq")

    with pytest.raises(ConflictError, match="topic 'other' is read by e and takes the dead letters of f;") as caught:
        await worker.delete_topic("other")

    assert caught.value.code == "topic_in_use"
    await worker.delete_topic("d-dlq")


async def test_topics_may_be_chosen_by_a_pattern(worker: Worker, destination: Destination) -> None:
    """Those that are there, and those that come; the status shows them, and none of them is deleted."""
    await produce(worker, b"a")
    config = {"topics.regex": "ord.*"}
    await worker.create({**body(topics=[]), "config": config})
    await worker.drained("c", timeout=10)
    await worker.broker.create_topic("ordinals")
    await worker.broker.create_topic("other")
    await produce(worker, b"b", topic="ordinals")
    await produce(worker, b"no", topic="other")
    await worker.drained("c", timeout=10)
    info = await worker.get("c")
    assert destination.values() == [b"a", b"b"]
    assert info.topics == ()
    assert [(each.tp.topic, each.committed) for each in info.partitions] == [("orders", 1), ("ordinals", 1)]

    with pytest.raises(ConflictError, match="read by c"):
        await worker.delete_topic("ordinals")

    await worker.delete_topic("other")


async def test_reading_starts_behind_the_last_record_where_that_is_asked_for(
    worker: Worker, destination: Destination
) -> None:
    """offset.reset=latest: what was there before the connector is not delivered."""
    await produce(worker, b"before")
    await worker.create(body(offset_reset="latest"))
    await until(lambda: worker._reconciler.running["c"].connector.snapshot.assigned)
    await produce(worker, b"after")
    await until(lambda: destination.values() == [b"after"])


async def test_what_was_gone_before_it_could_be_read_is_counted(worker: Worker, destination: Destination) -> None:
    """Retention that is quicker than the connector shows in the metric and at the partition; what is there is delivered."""
    await worker.broker.create_topic("short", retention_bytes=1)
    await produce(worker, b"a", topic="short")
    await worker.create(body(topics=["short"]))
    await worker.drained("c", timeout=10)
    await worker.pause("c")

    for value in (b"b", b"c", b"d"):
        await produce(worker, value, topic="short")

    await worker.resume("c")
    await worker.drained("c", timeout=10)
    (partition,) = (await worker.get("c")).partitions
    start = 4 - len(destination.records[1:])
    assert destination.values()[-1] == b"d"
    assert 0 < partition.missed == start - 1
    assert b'connector_missed_records_total{connector="c"} %.1f' % partition.missed in worker.metrics.text()


async def test_reading_pauses_while_the_buffer_is_full(worker: Worker, destination: Destination) -> None:
    """A slow destination does not make memory grow beyond buffer.memory, give or take a poll."""
    gate = threading.Event()

    async def before_write() -> None:
        while not gate.is_set():
            await asyncio.sleep(0.005)

    destination.before_write = before_write
    value = b"x" * 100_000

    for _ in range(10):
        await produce(worker, *([value] * 50))

    await worker.create({**body(), "config": {"buffer.memory": 1 << 20, "batch.size": 5}})
    await asyncio.sleep(0.3)
    gate.set()
    await worker.drained("c", timeout=20)
    assert len(destination.records) == 500
    assert [offset for _, offset, _ in destination.records] == list(range(500))


async def test_one_write_at_a_time_for_each_route_and_all_records_once() -> None:
    """PER_ROUTE: each batch has one partition and one path, and the lanes commit the lowest undelivered offset."""
    destination = Destination()
    broker = MemoryBroker()

    async with Worker(broker, registry=destination.registry(batching=Batching.PER_ROUTE)) as worker:
        await broker.create_topic("orders", partitions=3)
        values = [b"%d" % n for n in range(300)]
        await broker.append("orders", NewRecords(values=values, partitions=[n % 3 for n in range(300)]))
        await worker.create(body(batch_size=7))
        await worker.drained("c", timeout=10)

    assert Counter(destination.values()) == Counter(values)
    assert all(len(batch.spans) == 1 for batch in destination.batches)


async def test_stopping_the_worker_flushes_and_commits() -> None:
    """Records that wait for a fuller batch are delivered before the process ends, and not again by the next one."""
    destination = Destination()
    broker = MemoryBroker()

    async with Worker(broker, registry=destination.registry(defaults={"batch.interval_ms": 3_600_000})) as worker:
        await broker.create_topic("orders")
        await broker.append("orders", NewRecords(values=[b"a"]))
        await worker.create(body())
        await until(lambda: destination.opened)
        await asyncio.sleep(0.1)

    assert destination.values() == [b"a"]

    async with Worker(broker, registry=destination.registry()) as worker:
        info = await worker.create(body())
        assert info.processed == 1
        await worker.drained("c", timeout=10)

    assert destination.values() == [b"a"]
