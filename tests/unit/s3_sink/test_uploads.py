"""Uploads in parts that had no end: what is this connector's own is aborted, and nothing else."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import attrs
import pytest

from s3_sinks import filed, make_sink, opened
from scripted_s3 import CUT, Reply, ScriptedStore, Upload
from streamhouse_connect import ConflictError, RetriableError
from streamhouse_connect.testing import make_context
from streamhouse_s3_sink._notes import Notes

if TYPE_CHECKING:
    from streamhouse_connect import StateStore

SMALL_PARTS = 1 << 20
LARGE = 3 << 20
LONG_AGO = datetime.now(UTC) - timedelta(hours=3)


@pytest.fixture
def state() -> StateStore:
    """What the connector keeps."""
    return make_context().state


def notes_in(state: StateStore, *, at: float = 0.0) -> Notes:
    """Return what is noted; `at` is the time."""
    return Notes(state, "bucket", make_context().log, lambda: at)


async def key_of_a_crash(store: ScriptedStore, state: StateStore) -> str:
    """Leave an upload behind as a process does that is killed: nothing is aborted, the note stays."""
    async with opened(make_sink(store.endpoint, part_size=SMALL_PARTS), state=state) as sink:
        # The head of the object, the beginning of the upload, its first part; then neither the rest nor the end of it.
        store.answers.extend([None, None, Reply.error(503, "SlowDown"), *[CUT] * 8])

        with pytest.raises(RetriableError):
            await sink.write(filed(1, size=LARGE))

    store.answers.clear()
    ((upload_id, upload),) = store.uploads.items()
    store.uploads[upload_id] = attrs.evolve(upload, initiated=LONG_AGO)
    return upload.key


async def test_an_upload_that_ends_leaves_no_note(store: ScriptedStore, state: StateStore) -> None:
    """The state of the connector does not grow."""
    async with opened(make_sink(store.endpoint, part_size=SMALL_PARTS), state=state) as sink:
        assert await sink.write(filed(1, size=LARGE)) is None
        assert await notes_in(state).all() == {}


async def test_writing_again_after_a_crash_aborts_what_the_crash_left(store: ScriptedStore, state: StateStore) -> None:
    """The object is there: no other upload of it can come to anything."""
    key = await key_of_a_crash(store, state)
    store.uploads["theirs"] = Upload(key + "x", LONG_AGO)

    async with opened(make_sink(store.endpoint, part_size=SMALL_PARTS), state=state) as sink:
        assert await sink.write(filed(1, size=LARGE)) is None

    assert list(store.objects) == [key]
    assert list(store.uploads) == ["theirs"]
    assert await notes_in(state).all() == {}


async def test_a_start_sweeps_old_uploads_of_its_own(store: ScriptedStore, state: StateStore) -> None:
    """Even if the same object is never written again; and on as many pages as there are."""
    await notes_in(state).add("orders/mine.json")
    store.uploads |= {
        "mine-1": Upload("orders/mine.json", LONG_AGO),
        "mine-2": Upload("orders/mine.json", LONG_AGO),
        "other-key": Upload("orders/mine.json2", LONG_AGO),
        "other": Upload("orders/another.json", LONG_AGO),
    }

    async with opened(make_sink(store.endpoint), state=state):
        assert sorted(store.uploads) == ["other", "other-key"]
        assert await notes_in(state).all() == {}


async def test_an_upload_that_may_still_live_is_left_alone(store: ScriptedStore, state: StateStore) -> None:
    """Another task of this connector may be at it; it is looked at again at a later start."""
    await notes_in(state).add("orders/mine.json")
    store.uploads |= {
        "live": Upload("orders/mine.json", datetime.now(UTC)),
        "old": Upload("orders/mine.json", LONG_AGO),
    }

    async with opened(make_sink(store.endpoint), state=state):
        assert list(store.uploads) == ["live"]
        assert list(await notes_in(state).all()) == ["orders/mine.json"]


async def test_what_was_noted_just_now_is_not_even_asked_for(store: ScriptedStore, state: StateStore) -> None:
    """Four tasks that start together have nothing to sweep of each other."""
    await notes_in(state, at=datetime.now(UTC).timestamp()).add("orders/mine.json")
    store.uploads["old"] = Upload("orders/mine.json", LONG_AGO)

    async with opened(make_sink(store.endpoint), state=state):
        assert list(store.uploads) == ["old"]


async def test_a_store_that_does_not_list_uploads(
    store: ScriptedStore, state: StateStore, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said once; the connector starts, and keeps the notes."""
    await notes_in(state).add("a")
    await notes_in(state).add("b")
    store.answers.extend([None, None, None, None, Reply.error(403, "AccessDenied")])

    with caplog.at_level(logging.WARNING):
        async with opened(make_sink(store.endpoint), state=state) as sink:
            assert await sink.write(filed(1)) is None

    assert caplog.text.count("uploads in parts may be left behind: can't abort those of s3://bucket/a") == 1
    assert caplog.text.count("uploads in parts") == 1
    assert list(await notes_in(state).all()) == ["a", "b"]


async def test_another_connector_does_not_know_them(store: ScriptedStore, state: StateStore) -> None:
    """It has notes of its own, and does not even list uploads."""
    await key_of_a_crash(store, state)
    store.requests.clear()

    async with opened(make_sink(store.endpoint), uid="another"):
        assert len(store.uploads) == 1
        assert all("uploads" not in asked.query for asked in store.requests)


class Unreachable:
    """A store of definitions that is out of reach."""

    async def get(self, key: str) -> tuple[bytes, int] | None:
        raise RetriableError("no broker")

    async def put(self, key: str, value: bytes, *, expected: int | None) -> int:
        raise RetriableError("no broker")


async def test_notes_that_can_t_be_kept_do_not_hold_up_an_object(
    store: ScriptedStore, caplog: pytest.LogCaptureFixture
) -> None:
    """They are a convenience."""
    async with opened(make_sink(store.endpoint, part_size=SMALL_PARTS), state=Unreachable()) as sink:
        assert await sink.write(filed(1, size=LARGE)) is None

    assert caplog.text.count("uploads in parts may be left behind") == 1


async def test_two_tasks_note_at_the_same_time(state: StateStore) -> None:
    """Neither forgets what the other has noted."""

    class Contended:
        async def get(self, key: str) -> tuple[bytes, int] | None:
            found = await state.get(key)

            if found is None:
                await notes_in(state).add("theirs")  # between our look and our write

            return found

        async def put(self, key: str, value: bytes, *, expected: int | None) -> int:
            return await state.put(key, value, expected=expected)

    assert not await notes_in(Contended()).add("ours")
    assert sorted(await notes_in(state).all()) == ["ours", "theirs"]


async def test_contention_without_end_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    """A note is not worth more than ten tries."""
    tries = 0

    class Lost:
        async def get(self, key: str) -> tuple[bytes, int] | None:
            return None

        async def put(self, key: str, value: bytes, *, expected: int | None) -> int:
            nonlocal tries
            tries += 1
            raise ConflictError("somebody was first")

    assert not await notes_in(Lost()).add("ours")
    assert tries == 10
    assert "uploads in parts may be left behind: can't note them" in caplog.text


async def test_notes_are_bounded(state: StateStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connector whose uploads never end does not fill the store of definitions."""
    monkeypatch.setattr("streamhouse_s3_sink._notes._MOST", 2)

    for key in "abc":
        await notes_in(state).add(key)

    assert list(await notes_in(state).all()) == ["a", "b"]
