from __future__ import annotations

import io
import threading
from types import TracebackType
from typing import ClassVar, Self

import attrs
import pytest

from streamhouse_connect import ConflictError, NewRecords, NotFoundError
from streamhouse_connect.cli import views
from streamhouse_connect.cli.client import NoAnswerError
from streamhouse_connect.cli.failures import CommandError
from streamhouse_connect.cli.fields import Field
from streamhouse_connect.cli.sending import NumberedRecords, Reader, Sender


@attrs.define
class FakeAccess:
    """Keeps what is appended; fails with the next of `errors` that is not None."""

    batch_size: ClassVar[int] = 2
    topics_made: dict[str, int] = attrs.field(factory=dict)
    values: list[bytes | None] = attrs.field(factory=list)
    errors: list[Exception | None] = attrs.field(factory=list)
    is_raced: bool = False
    """Whether somebody else makes the topic in between."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    def topics(self) -> list[views.Topic]:
        return [self.topic(name) for name in self.topics_made]

    def topic(self, name: str) -> views.Topic:
        if name not in self.topics_made:
            raise NotFoundError(f"there is no topic {name}", code="unknown_topic")

        return views.Topic(name, self.topics_made[name], None, None, [])

    def create(self, topic: views.NewTopic) -> views.Topic:
        if self.is_raced:
            self.topics_made[topic.name] = 7
            raise ConflictError("it is there", code="topic_exists")

        self.topics_made[topic.name] = topic.partitions
        return self.topic(topic.name)

    def delete(self, name: str) -> None:
        del self.topics_made[name]

    def append(self, topic: str, records: NewRecords) -> None:
        error = self.errors.pop(0) if self.errors else None

        if error:
            raise error

        self.values += records.values


def sender(access: FakeAccess) -> Sender:
    return Sender(access, views.NewTopic("orders", 3), on_sent=lambda *_: None)


def batches(data: bytes, reader: Reader | None = None) -> list[NumberedRecords]:
    return list((reader or Reader()).batches(io.BytesIO(data), limit=2))


def test_every_line_is_appended_in_order() -> None:
    """One batch is under way while the next is read, and none overtakes."""
    access = FakeAccess()
    used = sender(access)
    assert used.send_all(iter(batches(b"1\n2\n3\n4\n5\n"))) is None
    assert access.values == [b"1", b"2", b"3", b"4", b"5"]
    assert used.sent == 5


def test_the_topic_is_made_with_the_first_record() -> None:
    """An empty file makes no topic."""
    access = FakeAccess()
    sender(access).send_all(iter(batches(b"\n")))
    assert access.topics_made == {}
    sender(access).send_all(iter(batches(b"1\n")))
    assert access.topics_made == {"orders": 3}


def test_a_topic_that_is_there_keeps_its_partitions() -> None:
    """The sender learns how many they are."""
    access = FakeAccess(topics_made={"orders": 9})
    used = sender(access)
    used.send_all(iter(batches(b"1\n")))
    assert used.partitions == 9


def test_a_topic_that_somebody_else_makes_meanwhile_is_used() -> None:
    """Two producers that start at once both succeed."""
    used = sender(FakeAccess(is_raced=True))
    used.send_all(iter(batches(b"1\n")))
    assert (used.sent, used.partitions) == (1, 7)


def test_the_lines_before_a_bad_one_are_sent() -> None:
    """And it is told how far that was."""
    access = FakeAccess()
    used = sender(access)
    bad = used.send_all(iter(batches(b"1\n2\n3\n\nbad\n6\n")))
    assert bad is not None
    assert bad.number == 5
    assert access.values == [b"1", b"2", b"3"]
    assert used.told() == "3 records were sent, up to line 3"


def test_a_refusal_tells_what_was_sent_before() -> None:
    """A refused batch is certain not to have been appended."""
    access = FakeAccess(errors=[None, NotFoundError("there is no topic orders")])

    with pytest.raises(CommandError, match=r"no topic orders \(2 records were sent, up to line 2\)"):
        sender(access).send_all(iter(batches(b"1\n2\n3\n4\n5\n")))

    assert access.values == [b"1", b"2"]


def test_a_lost_answer_leaves_a_doubt() -> None:
    """The lines whose fate nobody knows are named."""
    access = FakeAccess(errors=[None, NoAnswerError("the connection broke", sent=True)])

    with pytest.raises(CommandError, match=r"up to line 2; lines 3 to 4 may have been sent too"):
        sender(access).send_all(iter(batches(b"1\n2\n3\n4\n5\n")))


def test_a_server_that_was_not_reached_leaves_no_doubt() -> None:
    """No connection, no append."""
    access = FakeAccess(errors=[NoAnswerError("no server answers", sent=False)])

    with pytest.raises(CommandError, match=r"no server answers \(nothing was sent\)"):
        sender(access).send_all(iter(batches(b"1\n")))


def test_an_interrupt_waits_for_what_is_under_way() -> None:
    """What Ctrl-C tells counts the batch that was just being appended."""
    access = FakeAccess()
    used = sender(access)
    appended = threading.Event()

    def interrupted() -> None:
        raise KeyboardInterrupt

    class Interrupting:
        def __iter__(self) -> Self:
            return self

        def __next__(self) -> NumberedRecords:
            if not appended.is_set():
                appended.set()
                return batches(b"1\n2\n")[0]

            interrupted()
            raise StopIteration

    with pytest.raises(KeyboardInterrupt):
        used.send_all(Interrupting())

    assert used.interrupt() == "2 records were sent, up to line 2"


def test_keys_and_times_are_taken_from_the_fields() -> None:
    """Each column is parallel to the values."""
    reader = Reader(key=Field("k"), timestamp=Field("t"))
    (batch,) = batches(b'{"k":"a","t":5}\n{"k":7,"t":"1970-01-01T00:00:01Z"}\n', reader)
    assert batch.records.keys == [b"a", b"7"]
    assert batch.records.timestamps == [5, 1000]


def test_without_fields_the_broker_decides() -> None:
    """No key, and the time of the append."""
    (batch,) = batches(b"1\n")
    assert batch.records.keys is None
    assert batch.records.timestamps is None


@pytest.mark.parametrize(
    ("line", "reason"), [(b'{"k":{},"t":1}', "field k is an object"), (b'{"k":1,"t":"soon"}', 'field t is "soon"')]
)
def test_a_field_that_is_no_good_makes_the_line_bad(line: bytes, reason: str) -> None:
    """The lines before it are sent, with columns as long as they are."""
    reader = Reader(key=Field("k"), timestamp=Field("t"))
    (batch,) = batches(b'{"k":"a","t":5}\n' + line, reader)
    assert batch.bad is not None
    assert batch.bad.number == 2
    assert reason in batch.bad.reason
    assert (batch.records.values, batch.records.keys, batch.records.timestamps) == ([b'{"k":"a","t":5}'], [b"a"], [5])


def test_records_without_the_field_are_told() -> None:
    """A misspelt field is noticed."""
    reader = Reader(key=Field("order_id"), timestamp=Field("at"))
    batches(b'{"orderid":1}\n5\n{"order_id":2,"at":1}\n', reader)
    assert list(reader.oddities()) == [
        "2 records have no field order_id: they were sent without a key",
        "2 records have no field at: they got the time of sending",
    ]
