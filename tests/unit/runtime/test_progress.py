"""Progress in one partition: commits, and the marks that go with them."""

from __future__ import annotations

import base64
from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhouse_connect import Committed, Held, ReplayFrom
from streamhouse_connect.runtime.progress import MAX_METADATA, PartitionProgress, Unsettled


def test_the_lowest_undelivered_offset_is_committed() -> None:
    """What waits holds the commit back; when nothing waits the position is committed."""
    progress = PartitionProgress(position=100)
    assert progress.next_commit(40, marked=True).offset == 40
    assert progress.next_commit(None, marked=True).offset == 100


def test_a_mark_survives_a_restart() -> None:
    """A path that is durable beyond the committed offset is still known to be after a restart."""
    before = PartitionProgress(position=100)
    before.wrote("orders/hour=14", 90, 50)
    after = PartitionProgress.restored(40, before.next_commit(40, marked=True), topic_id="t", uid="u")
    assert after.mark("orders/hour=14") == 90
    assert after.mark("orders/hour=15") == 0
    assert after.processed == 50


def test_a_mark_below_the_commit_is_not_kept() -> None:
    """Marks at or below the committed offset say nothing, so they cost nothing."""
    progress = PartitionProgress(position=100)
    progress.wrote("orders/hour=14", 40, 10)
    commit = progress.next_commit(40, marked=True)
    assert PartitionProgress.restored(40, commit, topic_id="t", uid="u").marks == {}


def test_marks_do_not_count_where_reading_starts_elsewhere() -> None:
    """When the destination or an operator sets another position, the marks of the commit are void."""
    before = PartitionProgress(position=100)
    before.wrote("p", 90, 50)
    assert PartitionProgress.restored(0, before.next_commit(40, marked=True), topic_id="t", uid="u").mark("p") == 0


def test_a_commit_knows_the_topic_that_it_was_made_in() -> None:
    """One that was deleted and made again under the name has another id."""
    commit = PartitionProgress(100, "first").next_commit(40, marked=True)
    assert PartitionProgress.was_made_in(commit, "first")
    assert not PartitionProgress.was_made_in(commit, "second")


def test_a_commit_knows_whose_it_is() -> None:
    """A connector that was deleted and made again under the name has another uid."""
    commit = PartitionProgress(100, "topic", "first").next_commit(40, marked=True)
    assert PartitionProgress.was_made_by(commit, "first")
    assert not PartitionProgress.was_made_by(commit, "second")


@pytest.mark.parametrize("text", ["", "somebody else's", "AQ==", "Ag==", "Aw==", "BA=="])
def test_a_commit_that_does_not_say_its_topic_counts(text: str) -> None:
    """Other tools make such commits, to have reading go on somewhere."""
    assert PartitionProgress.was_made_in(Committed(7, text), "any")
    assert PartitionProgress.was_made_by(Committed(7, text), "any")


def test_the_first_version_of_the_metadata_is_still_read() -> None:
    """As it was written: version, the count as varint, and for each mark the path's hash and its distance."""
    hashed = blake2b(b"orders/hour=14", digest_size=8).digest()
    commit = Committed(40, base64.b64encode(b"\x01" + b"\xac\x02" + hashed + b"\x32").decode())
    progress = PartitionProgress.restored(40, commit, topic_id="any", uid="u")
    assert (progress.processed, progress.mark("orders/hour=14")) == (300, 90)
    assert PartitionProgress.was_made_in(commit, "any")


def test_the_second_version_of_the_metadata_is_still_read() -> None:
    """It has a tag of the topic, and none of the connector, behind the version."""
    hashed, topic = (blake2b(text, digest_size=8).digest() for text in (b"orders/hour=14", b"topic"))
    commit = Committed(40, base64.b64encode(b"\x02" + topic + b"\xac\x02" + hashed + b"\x32").decode())
    progress = PartitionProgress.restored(40, commit, topic_id="topic", uid="any")
    assert (progress.processed, progress.mark("orders/hour=14")) == (300, 90)
    assert PartitionProgress.was_made_by(commit, "any")
    assert not PartitionProgress.was_made_in(commit, "another")


def test_the_third_version_of_the_metadata_is_still_read() -> None:
    """It has both tags, and is of the epoch 0."""
    hashed, topic, uid = (blake2b(text, digest_size=8).digest() for text in (b"orders/hour=14", b"topic", b"u"))
    commit = Committed(40, base64.b64encode(b"\x03" + topic + uid + b"\xac\x02" + hashed + b"\x32").decode())
    progress = PartitionProgress.restored(40, commit, topic_id="topic", uid="u")
    assert (progress.processed, progress.mark("orders/hour=14")) == (300, 90)
    assert PartitionProgress.was_made_by(commit, "u")
    assert PartitionProgress.restored(40, commit, topic_id="topic", uid="u", epoch=1).marks == {}


@pytest.mark.parametrize(("written_in", "read_in"), [(0, 1), (1, 0), (300, 301)])
def test_marks_do_not_count_in_another_epoch(written_in: int, read_in: int) -> None:
    """A path of the same name may be another one there; the offset and the count stay, and are committed in the new epoch."""
    before = PartitionProgress(position=100, epoch=written_in)
    before.wrote("p", 90, 50)
    commit = before.next_commit(40, marked=True)
    assert PartitionProgress.restored(40, commit, topic_id="", uid="", epoch=written_in).mark("p") == 90
    after = PartitionProgress.restored(40, commit, topic_id="", uid="", epoch=read_in)
    assert (after.mark("p"), after.processed) == (0, 50)
    assert after.is_news(after.next_commit(None, marked=True))


def test_what_was_read_and_not_committed_is_unsettled() -> None:
    """From the commit on, or from where reading began; a mark beyond is of it, too, and a replay that goes on has no end."""
    progress = PartitionProgress(position=5)
    progress.position = 9
    assert progress.unsettled == Unsettled(5, 9)
    progress.wrote("p", 20, 1)
    assert progress.unsettled == Unsettled(5, 20)
    progress.has_committed(progress.next_commit(7, marked=True))
    assert str(progress.unsettled) == "offsets 7 to 19"
    progress.delivered("q", range(7, 9), ReplayFrom(7))
    assert str(progress.unsettled) == "from offset 7 on"


def test_after_the_last_commit_nothing_is_unsettled() -> None:
    """All that was read is durable."""
    progress = PartitionProgress(position=9)
    progress.wrote("p", 9, 1)
    progress.has_committed(progress.next_commit(None, marked=True))
    assert progress.unsettled is None


def test_a_foreign_commit_means_no_marks() -> None:
    """Metadata that somebody else wrote, or that is damaged, is not misread."""
    for text in ("", "hello", "AQ", "AYCA", "////", "AQGA", "é"):
        progress = PartitionProgress.restored(7, Committed(7, text), topic_id="t", uid="u")
        assert progress.marks == {}


def test_a_commit_goes_no_further_than_where_a_replay_has_to_begin() -> None:
    """Nor does the mark of the path; other paths have theirs, and the path has it once its end is known."""
    progress = PartitionProgress(position=100)
    progress.wrote("a", 20, 10)
    progress.delivered("a", range(20, 30), ReplayFrom(20))
    progress.delivered("a", range(30, 40), ReplayFrom(20))
    progress.wrote("b", 90, 1)
    commit = progress.next_commit(None, marked=True)
    restored = PartitionProgress.restored(20, commit, topic_id="", uid="u")
    assert commit.offset == 20
    assert (restored.mark("a"), restored.mark("b"), restored.processed) == (0, 90, 11)
    progress.delivered("a", range(40, 45), 45)
    after = progress.next_commit(60, marked=True)
    assert (after.offset, PartitionProgress.processed_of(after)) == (60, 36)


def test_records_below_where_a_replay_has_to_begin_are_sure() -> None:
    """A write may reach over the end of one object, which is known, into another one, whose end is not."""
    progress = PartitionProgress(position=100)
    progress.delivered("a", range(20, 30), ReplayFrom(20))
    progress.delivered("a", range(30, 40), ReplayFrom(36))
    commit = progress.next_commit(None, marked=True)
    assert (commit.offset, PartitionProgress.processed_of(commit)) == (36, 16)


def test_records_that_a_write_met_already_written_are_counted() -> None:
    """Those beyond the batch, too: they are not delivered any more."""
    progress = PartitionProgress(position=100)
    progress.delivered("a", range(20, 30), Held(45, more=12))
    assert (progress.processed, progress.mark("a")) == (22, 45)


def test_nothing_is_committed_beyond_what_was_read() -> None:
    """A write that outlives its partition's assignment may be of another topic of that name."""
    assert PartitionProgress(position=3).next_commit(5, marked=False).offset == 3


def test_a_start_without_a_commit_is_no_news() -> None:
    """A partition in which nothing happens is not committed over and over."""
    progress = PartitionProgress.restored(5, None, topic_id="t", uid="u")
    assert not progress.is_news(progress.next_commit(None, marked=True))
    progress.position = 6
    commit = progress.next_commit(None, marked=True)
    assert progress.is_news(commit)
    progress.has_committed(commit)
    assert not progress.is_news(progress.next_commit(None, marked=True))


def test_a_hundred_paths_fit_into_a_commit() -> None:
    """The default bound of open paths leaves room within Kafka's limit."""
    progress = PartitionProgress(position=10**15)

    for number in range(100):
        progress.wrote(f"orders/tenant={number}", 10**12 + number, 1)

    assert len(progress.next_commit(10**11, marked=True).metadata) <= MAX_METADATA


@given(
    processed=st.integers(0, 2**62),
    offset=st.integers(0, 2**62),
    ahead=st.dictionaries(st.text(max_size=50), st.integers(1, 2**40), max_size=30),
)
def test_what_is_committed_is_restored(processed: int, offset: int, ahead: dict[str, int]) -> None:
    """Any count and any marks come back as they were."""
    progress = PartitionProgress(position=offset, processed=processed)

    for path, distance in ahead.items():
        progress.wrote(path, offset + distance, 0)

    restored = PartitionProgress.restored(offset, progress.next_commit(offset, marked=True), topic_id="t", uid="u")
    assert restored.processed == processed
    assert {path: restored.mark(path) for path in ahead} == {path: offset + d for path, d in ahead.items()}
