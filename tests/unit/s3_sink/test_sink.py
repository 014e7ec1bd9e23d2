"""The S3 sink on a store that fails as it is told: what has no answer, answers late, or answers what no real store can be
made to.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import threading
import weakref
from collections import Counter
from contextlib import suppress

import pytest

from s3_sinks import HASTY, PATIENT, filed, make_sink, opened
from scripted_s3 import CUT, HANG, LOSE, STALL, Failure, Reply, ScriptedStore
from streamhouse_connect import DeliveryError, FatalError, Held, ObjectInfo, RetriableError
from streamhouse_connect.testing import make_context

SMALL_PARTS = 1 << 20
LARGE = 3 << 20
"""Beyond what the buffers of sockets hold, and beyond two small parts."""


def operations(store: ScriptedStore) -> list[str]:
    """Return what was asked since the last time, shortly."""
    asked = [f"{request.method} {request.key.rpartition('/')[2][:6]}".strip() for request in store.requests]
    store.requests.clear()
    return asked


async def test_open_asks_whether_creates_are_conditional_and_cleans_up(store: ScriptedStore) -> None:
    """The bucket, two creates of which the second is refused, and nothing stays."""
    async with opened(make_sink(store.endpoint, prefix="a/b")) as sink:
        assert operations(store) == ["HEAD", "PUT .strea", "PUT .strea", "DELETE .strea"]
        assert store.objects == {}
        assert sink.weakened is None


async def test_a_probe_that_was_left_behind_is_enough(store: ScriptedStore) -> None:
    """A task that died between create and delete costs nothing."""
    store.answers.extend([None, None, None, Reply.error(500, "InternalError")])

    async with opened(make_sink(store.endpoint)):
        assert len(store.objects) == 1

    operations(store)

    async with opened(make_sink(store.endpoint)):
        assert operations(store) == ["HEAD", "PUT .strea", "DELETE .strea"]
        assert store.objects == {}


async def test_a_probe_that_may_not_be_deleted_is_only_a_warning(
    store: ScriptedStore, caplog: pytest.LogCaptureFixture
) -> None:
    """Many are allowed to write and not to delete."""
    store.answers.extend([None, None, None, Reply.error(403, "AccessDenied")])

    with caplog.at_level(logging.WARNING):
        async with opened(make_sink(store.endpoint)) as sink:
            assert await sink.write(filed(1)) is None

    assert "probe object is left behind: can't delete s3://bucket/.streamhouse-probe-" in caplog.text


async def test_another_tasks_probe_is_no_false_alarm(store: ScriptedStore) -> None:
    """The object may be deleted by somebody else between the two creates."""
    store.answers.extend([None, Reply(200, headers={"ETag": '"e"'})])

    async with opened(make_sink(store.endpoint)) as sink:
        assert sink.weakened is None


@pytest.mark.parametrize("refuses", [False, True])
async def test_a_store_without_conditional_creates_weakens_the_guarantee(store: ScriptedStore, refuses: bool) -> None:
    """It is said, counted, and the sink looks before it writes."""
    store.honours_conditions = False
    counts: Counter[str] = Counter()

    if refuses:
        store.answers.extend([None, Reply.error(501, "NotImplemented")])

    async with opened(make_sink(store.endpoint), counts=counts) as sink:
        assert sink.weakened is not None
        assert "does not honour If-None-Match" in sink.weakened
        assert counts == {"unconditional_store": 1}
        operations(store)

        assert await sink.write(filed(10)) is None
        assert await sink.write(filed(5)) == Held(10, more=5)
        assert operations(store) == ["HEAD batch-", "PUT batch-", "HEAD batch-", "HEAD batch-"]
        assert len(store.objects) == 1


async def test_all_that_weakens_the_guarantee_is_said(store: ScriptedStore) -> None:
    """The partitioning may be one more reason."""
    store.honours_conditions = False
    sink = make_sink(store.endpoint)
    sink.partitioner.weakened = "paths follow the wall clock"

    async with opened(sink):
        assert sink.weakened is not None
        assert sink.weakened.startswith("paths follow the wall clock; the store does not honour If-None-Match")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Reply(404), "create the bucket, or correct s3.bucket"),
        (Reply(503), "503"),
        (CUT, "can't use s3://bucket"),
        (HANG, "can't use s3://bucket"),
    ],
)
async def test_open_on_a_bucket_that_is_not_there_or_not_reached(
    store: ScriptedStore, answer: Reply | Failure, expected: str
) -> None:
    """Missing is fatal; anything else passes."""
    limits = HASTY if answer is HANG else PATIENT
    store.answers.extend([CUT, CUT] if answer is CUT else [answer])  # the HTTP client tries the first again
    kind = FatalError if isinstance(answer, Reply) and answer.status == 404 else RetriableError

    with pytest.raises(kind, match=expected):
        async with opened(make_sink(store.endpoint, limits=limits)):
            pass


@pytest.mark.parametrize(
    ("code", "status", "remedy"),
    [
        ("AccessDenied", 403, "allow s3:PutObject"),
        ("InvalidAccessKeyId", 403, "correct s3.access.key"),
        ("SignatureDoesNotMatch", 403, "correct s3.secret.key"),
        ("ExpiredToken", 400, "renew them"),
    ],
)
async def test_open_says_why_it_may_not_write(store: ScriptedStore, code: str, status: int, remedy: str) -> None:
    """HEAD only says 403: the reason comes with the answer to a PUT."""
    store.answers.extend([Reply(status), Reply.error(status, code)])

    with pytest.raises(FatalError, match=remedy):
        async with opened(make_sink(store.endpoint)):
            pass


async def test_open_without_the_right_to_see_the_bucket(store: ScriptedStore) -> None:
    """Who may write objects needs no more."""
    store.answers.append(Reply(403))

    async with opened(make_sink(store.endpoint)) as sink:
        assert await sink.write(filed(1)) is None


async def test_a_bucket_in_another_region(store: ScriptedStore) -> None:
    """The message says which."""
    elsewhere = Reply.error(301, "PermanentRedirect", x_amz_bucket_region="eu-west-3")
    store.answers.extend([elsewhere] * 9)

    with pytest.raises(FatalError, match=r"set s3\.region"):
        async with opened(make_sink(store.endpoint)):
            pass


@pytest.mark.parametrize("size", [10, LARGE], ids=["small", "large"])
async def test_an_answer_that_is_lost_is_found_out(store: ScriptedStore, size: int) -> None:
    """The object is there: the sink sees that it is its own, at once."""
    async with opened(make_sink(store.endpoint)) as sink:
        store.answers.append(LOSE)

        assert await sink.write(filed(3, size=size)) == 3
        assert len(store.objects) == 1


@pytest.mark.parametrize(
    "failure", [CUT, HANG, Reply.error(503, "SlowDown"), Reply(500), Reply.error(409, "ConditionalRequestConflict")]
)
async def test_a_write_that_fails_for_now(store: ScriptedStore, failure: Reply | Failure) -> None:
    """The runtime writes the same batch again; that works, and there is one object."""
    async with opened(make_sink(store.endpoint, limits=HASTY if failure is HANG else PATIENT)) as sink:
        store.answers.extend([CUT, CUT] if failure is CUT else [failure])  # the HTTP client tries the first again

        with pytest.raises(RetriableError, match=r"can't write s3://bucket/orders/batch-"):
            await sink.write(filed(3))

        assert await sink.write(filed(3)) is None
        assert len(store.objects) == 1


@pytest.mark.parametrize("failure", [HANG, STALL])
async def test_a_store_that_stops_reading_a_large_body(store: ScriptedStore, failure: Reply | Failure) -> None:
    """The HTTP client's timeouts begin only when a body has been sent."""
    async with opened(make_sink(store.endpoint, limits=HASTY)) as sink:
        store.answers.append(failure)

        with pytest.raises(RetriableError, match=r"silent for 2 s|timeout"):
            await sink.write(filed(3, size=LARGE))


@pytest.mark.parametrize(
    "answer",
    [
        Reply.error(403, "AccessDenied"),
        Reply.error(403, "SignatureDoesNotMatch"),
        Reply.error(404, "NoSuchBucket"),
        Reply.error(301, "PermanentRedirect", x_amz_bucket_region="eu-west-3"),
    ],
)
async def test_a_write_that_needs_somebody_fails_soon(store: ScriptedStore, answer: Reply) -> None:
    """Nothing is tried again behind the runtime's back: within five seconds the connector says what to do."""
    async with opened(make_sink(store.endpoint)) as sink:
        store.answers.extend([answer] * 9)

        async with asyncio.timeout(5):
            with pytest.raises(FatalError, match=r"; (allow|correct|create|the bucket is in eu-west-3; set) "):
                await sink.write(filed(3))


@pytest.mark.parametrize("answer", [Reply.error(403, "RequestTimeTooSkewed"), Reply.error(400, "RequestTimeout")])
async def test_a_write_at_a_bad_time_is_written_again(store: ScriptedStore, answer: Reply) -> None:
    """A clock gets corrected, a slow line gets better."""
    async with opened(make_sink(store.endpoint)) as sink:
        store.answers.append(answer)

        with pytest.raises(RetriableError):
            await sink.write(filed(3))

        assert await sink.write(filed(3)) is None


async def test_a_lost_answer_to_a_completion_is_found_out(store: ScriptedStore) -> None:
    """The object is there, whole, and the sink sees that it is its own."""
    async with opened(make_sink(store.endpoint, part_size=SMALL_PARTS)) as sink:
        store.answers.extend([None, None, None, None, None, None, LOSE])

        assert await sink.write(filed(1, size=LARGE)) == 1
        assert len(store.objects) == 1
        assert store.uploads == {}


async def test_a_garbled_answer_is_retriable(store: ScriptedStore) -> None:
    """A proxy's page of HTML with status 502."""
    async with opened(make_sink(store.endpoint)) as sink:
        store.answers.append(Reply(502, b"<html><body>Bad Gateway"))

        with pytest.raises(RetriableError):
            await sink.write(filed(3))


async def test_an_object_that_is_there_and_then_gone(store: ScriptedStore) -> None:
    """412 and then 404 means: create again."""
    async with opened(make_sink(store.endpoint)) as sink:
        store.answers.append(Reply.error(412, "PreconditionFailed"))

        with pytest.raises(RetriableError, match="has to be written again"):
            await sink.write(filed(3))

        assert await sink.write(filed(3)) is None


async def test_a_412_without_a_body_or_a_condition_is_understood(store: ScriptedStore) -> None:
    """Stores word it differently; the status counts."""
    async with opened(make_sink(store.endpoint)) as sink:
        await sink.write(filed(3))
        store.answers.append(Reply(412))

        assert await sink.write(filed(3)) == 3


async def test_an_object_that_may_not_be_looked_at(store: ScriptedStore) -> None:
    """Without s3:GetObject nobody knows whose it is."""
    async with opened(make_sink(store.endpoint)) as sink:
        await sink.write(filed(3))
        store.answers.extend([None, Reply(403)])

        with pytest.raises(FatalError, match=r"can't read the metadata of .* allow s3:PutObject and s3:GetObject"):
            await sink.write(filed(3))


async def test_parts_are_given_up_together(store: ScriptedStore) -> None:
    """One that fails fails the upload, which is aborted."""
    async with opened(make_sink(store.endpoint, part_size=SMALL_PARTS)) as sink:
        store.answers.extend([None, None, Reply.error(503, "SlowDown")])

        with pytest.raises(RetriableError, match="SlowDown"):
            await sink.write(filed(1, size=LARGE))

        assert store.requests[-1].method == "DELETE"
        assert store.uploads == {}


async def test_a_completion_that_fails_after_200_is_a_failure(store: ScriptedStore) -> None:
    """S3 sends the status before it knows; the body tells."""
    async with opened(make_sink(store.endpoint, part_size=SMALL_PARTS)) as sink:
        created = b"<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>"
        part = Reply(200, headers={"ETag": '"p"'})
        failed = Reply(200, b"<Error><Code>InternalError</Code><Message>try again</Message></Error>")
        store.answers.extend([None, Reply(200, created), part, part, part, part, failed])

        with pytest.raises(RetriableError, match="InternalError"):
            await sink.write(filed(1, size=LARGE))

        complete, abort = store.requests[-2:]
        assert (complete.method, complete.headers["if-none-match"]) == ("POST", "*")
        assert abort.method == "DELETE"


async def test_a_cancelled_upload_is_aborted(store: ScriptedStore) -> None:
    """Parts that nobody aborts are paid for until somebody does."""
    async with opened(make_sink(store.endpoint, part_size=SMALL_PARTS)) as sink:
        created = b"<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>"
        store.answers.extend([None, Reply(200, created), HANG, HANG, HANG, HANG])
        write = asyncio.create_task(sink.write(filed(1, size=LARGE)))

        while len([request for request in store.requests if "partNumber" in request.query]) < 4:
            await asyncio.sleep(0.01)

        write.cancel()

        with pytest.raises(asyncio.CancelledError):
            await write

        assert (store.requests[-1].method, store.requests[-1].query) == ("DELETE", "uploadId=u1")


async def test_a_closed_port_is_retriable(unused_tcp_port: int) -> None:
    """Nobody listens there yet."""
    with pytest.raises(RetriableError, match=rf"can't use s3://bucket: .*:{unused_tcp_port}"):
        async with opened(make_sink(f"http://127.0.0.1:{unused_tcp_port}")):
            pass


async def test_a_host_that_never_answers_is_retriable() -> None:
    """Even the connection takes for ever: the backlog is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]

        with pytest.raises(RetriableError, match="can't use s3://bucket"):
            async with opened(make_sink(f"http://127.0.0.1:{port}", limits=HASTY)):
                pass


async def test_close_leaves_nothing_behind(store: ScriptedStore) -> None:
    """No connection, no task, and no thread of fsspec's."""
    before = asyncio.all_tasks()

    async with opened(make_sink(store.endpoint)) as sink:
        await asyncio.gather(*(sink.write(filed(1, first_offset=n)) for n in range(4)))
        assert store.connections

    async with asyncio.timeout(5):
        await asyncio.gather(*store.connections, return_exceptions=True)

    gc.collect()
    assert {task for task in asyncio.all_tasks() if not task.done()} <= before
    assert "fsspecIO" not in {thread.name for thread in threading.enumerate()}


class Memory(bytearray):
    """Bytes that tell when they are gone."""


@pytest.mark.parametrize("size", [100, LARGE], ids=["small", "large"])
@pytest.mark.parametrize(
    "failure",
    [
        None,
        CUT,
        STALL,
        Reply.error(412, "PreconditionFailed"),
        Reply.error(503, "SlowDown"),
        Reply.error(403, "AccessDenied"),
    ],
)
async def test_a_body_is_let_go_of_at_once(store: ScriptedStore, failure: Reply | Failure | None, size: int) -> None:
    """Tracebacks hold frames, and frames hold bodies: a store that is down must not fill the memory with them."""
    info = ObjectInfo("id", "orders", 0, first_offset=0, last_offset=0, count=1, content_type="text/plain")

    async with opened(make_sink(store.endpoint, limits=HASTY)) as sink:
        memory = Memory(size)
        alive = weakref.ref(memory)
        store.answers.extend([CUT, CUT] if failure is CUT else [failure])
        gc.collect()
        gc.disable()

        try:
            with suppress(DeliveryError):
                await sink.create("key", memoryview(memory), info)

            del memory
            is_gone = alive() is None
        finally:
            gc.enable()

        assert is_gone


async def test_close_is_harmless_before_open_and_twice() -> None:
    """The runtime closes always."""
    sink = make_sink("http://127.0.0.1:1")
    await sink.close()

    with pytest.raises(RetriableError):
        await sink.open(make_context())

    await sink.close()
    await sink.close()


async def test_no_message_holds_a_secret(store: ScriptedStore) -> None:
    """Neither the access key nor the secret key is repeated."""
    store.answers.extend([Reply(403), Reply.error(403, "SignatureDoesNotMatch", "The signature does not match.")])

    with pytest.raises(DeliveryError) as caught:
        async with opened(make_sink(store.endpoint, access_key="AKIAHUNTER", secret_key="hunter2")):
            pass

    assert "AKIAHUNTER" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_what_is_promised() -> None:
    """Every configuration is exactly once."""
    sink = make_sink("http://127.0.0.1:1")

    assert sink.guarantee(sink.config).level == "exactly-once"
