"""What the S3 sink finds out before there is a connector, without leaving an object."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from s3_sinks import HASTY, make_sink
from scripted_s3 import CUT, HANG, Failure, Reply, ScriptedStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamhouse_connect import Problem
    from streamhouse_s3_sink import S3Sink


async def checked(sink: S3Sink) -> Sequence[Problem]:
    """Ask, and close."""
    try:
        return await sink.check()
    finally:
        await sink.close()


async def test_a_store_that_is_fine(store: ScriptedStore) -> None:
    """The object that is asked for can't come to be; then it is looked for."""
    assert await checked(make_sink(store.endpoint, prefix="lake", tags=("a=b",))) == []

    bucket, put, head = store.requests
    assert (bucket.method, put.method, head.method) == ("HEAD", "PUT", "HEAD")
    assert put.key == head.key
    assert put.key.startswith("lake/.streamhouse-check-")
    assert put.headers["x-amz-tagging"] == "a=b"
    assert store.objects == {}


async def test_a_store_that_ignores_conditions(store: ScriptedStore) -> None:
    """What it has created is deleted."""
    store.honours_conditions = False

    assert await checked(make_sink(store.endpoint)) == []
    assert store.requests[2].method == "DELETE"
    assert store.objects == {}


@pytest.mark.parametrize(
    ("answers", "option", "message"),
    [
        ([Reply(404)], "s3.bucket", "create the bucket"),
        ([Reply(403), Reply.error(403, "AccessDenied")], "s3.bucket", "allow s3:PutObject"),
        ([None, None, Reply(403)], "s3.bucket", "allow s3:PutObject and s3:GetObject"),
        ([Reply(403), Reply.error(403, "InvalidAccessKeyId")], "s3.access.key", "correct s3.access.key"),
        ([Reply(403), Reply.error(403, "SignatureDoesNotMatch")], "s3.secret.key", "correct s3.secret.key"),
        ([Reply.error(400, "ExpiredToken")] * 5, "s3.session.token", "renew them"),
        ([None, Reply.error(400, "InvalidStorageClass")], "s3.storage.class", "correct s3.storage.class"),
        ([Reply.error(301, "PermanentRedirect", x_amz_bucket_region="eu-west-3")] * 9, "s3.region", "eu-west-3"),
        ([CUT, CUT], "s3.endpoint", "can't use s3://bucket"),
        ([HANG], "s3.endpoint", "can't use s3://bucket"),
    ],
)
async def test_what_is_in_the_way(
    store: ScriptedStore, answers: list[Reply | Failure | None], option: str, message: str
) -> None:
    """The problem names the option that it is most likely about, and says what to do, within five seconds."""
    store.answers.extend(answers)

    async with asyncio.timeout(5):
        (problem,) = await checked(make_sink(store.endpoint, limits=HASTY))

    assert problem.field == option
    assert message in problem.message
    assert store.objects == {}


async def test_no_credentials_anywhere(store: ScriptedStore, bare_machine: pytest.MonkeyPatch) -> None:
    """The option is the one to give first."""
    (problem,) = await checked(make_sink(store.endpoint, access_key="", secret_key=""))

    assert problem.field == "s3.access.key"
