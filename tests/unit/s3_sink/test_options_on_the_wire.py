"""What the options of the S3 sink come to in its requests."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any

import pytest

from s3_sinks import filed, make_sink, opened
from scripted_s3 import Reply, ScriptedStore
from streamhouse_connect import FatalError
from streamhouse_s3_sink import S3Config

if TYPE_CHECKING:
    from scripted_s3 import Request

SMALL_PARTS = 1 << 20
LARGE = 3 << 20

EVERY_ATTRIBUTE: dict[str, Any] = {
    "sse": "aws:kms",
    "sse_kms_key": "alias/lake",
    "storage_class": "STANDARD_IA",
    "tags": ("team=data", "tier=a b+c"),
    "acl": "bucket-owner-full-control",
}
HEADERS = {
    "x-amz-server-side-encryption": "aws:kms",
    "x-amz-server-side-encryption-aws-kms-key-id": "alias/lake",
    "x-amz-storage-class": "STANDARD_IA",
    "x-amz-tagging": "team=data&tier=a+b%2Bc",
    "x-amz-acl": "bucket-owner-full-control",
}


def creates(store: ScriptedStore) -> list[Request]:
    """Return the requests that begin an object."""
    return [
        asked
        for asked in store.requests
        if (asked.method == "PUT" and "partNumber" not in asked.query) or asked.query == "uploads"
    ]


@pytest.mark.parametrize("size", [10, LARGE], ids=["one piece", "parts"])
async def test_every_object_has_its_attributes(store: ScriptedStore, size: int) -> None:
    """Encryption, storage class, tags and ACL; the probe has them, too, so that a wrong one is found at once."""
    async with opened(make_sink(store.endpoint, part_size=SMALL_PARTS, **EVERY_ATTRIBUTE)) as sink:
        assert await sink.write(filed(1, size=size)) is None

    found = [{name: asked.headers.get(name) for name in HEADERS} for asked in creates(store)]
    assert found == [HEADERS] * 3


async def test_nothing_is_said_that_was_not_asked_for(store: ScriptedStore) -> None:
    """A store that knows no tags, classes or checksums is not troubled with them."""
    async with opened(make_sink(store.endpoint, part_size=SMALL_PARTS)) as sink:
        await sink.write(filed(1))
        await sink.write(filed(1, first_offset=1, size=LARGE))

    sent = {name for asked in store.requests for name in asked.headers if name.startswith("x-amz-")}
    assert {name for name in sent if not name.startswith("x-amz-meta-")} == {"x-amz-content-sha256", "x-amz-date"}


@pytest.mark.parametrize(
    ("code", "option"),
    [
        ("InvalidStorageClass", "s3.storage.class"),
        ("AccessControlListNotSupported", "s3.acl"),
        ("InvalidTag", "s3.tags"),
        ("KMS.NotFoundException", "s3.sse.kms.key"),
    ],
)
async def test_an_attribute_that_the_store_refuses(store: ScriptedStore, code: str, option: str) -> None:
    """The connector fails at its start, and the message names the option."""
    store.answers.extend([None, Reply.error(400, code)])

    with pytest.raises(FatalError, match=f"{code}.*{option}"):
        async with opened(make_sink(store.endpoint, **EVERY_ATTRIBUTE)):
            pass


async def test_a_body_goes_with_its_checksum(store: ScriptedStore) -> None:
    """CRC32C, as S3 writes it."""
    async with opened(make_sink(store.endpoint, checksum="crc32c")) as sink:
        await sink._store().create("known", memoryview(b"123456789"), headers={})

    expected = base64.b64encode(bytes.fromhex("e3069283")).decode()  # the check value of CRC32C's definition
    assert store.requests[-1].headers["x-amz-checksum-crc32c"] == expected


async def test_every_part_goes_with_its_checksum(store: ScriptedStore) -> None:
    """And the completion repeats them all."""
    async with opened(make_sink(store.endpoint, part_size=SMALL_PARTS, checksum="crc32c")) as sink:
        await sink.write(filed(1, size=LARGE))

    (begun,) = [asked for asked in store.requests if asked.query == "uploads"]
    parts = [asked.headers["x-amz-checksum-crc32c"] for asked in store.requests if "partNumber" in asked.query]
    completion = store.requests[-1].body.decode()
    assert begun.headers["x-amz-checksum-algorithm"] == "CRC32C"
    assert len(parts) == 4
    assert all(f"<ChecksumCRC32C>{checksum}</ChecksumCRC32C>" in completion for checksum in parts)


def test_aws_checks_by_default_and_others_do_not() -> None:
    """Some stores refuse checksums that they do not know."""
    assert S3Config(bucket="bucket").has_checksums
    assert not S3Config(bucket="bucket", checksum="none").has_checksums
    assert not make_sink("http://127.0.0.1:1").config.has_checksums
    assert make_sink("http://127.0.0.1:1", checksum="crc32c").config.has_checksums


async def test_parts_have_the_size_that_was_asked_for(store: ScriptedStore) -> None:
    """The last one is what is left; together they are the object."""
    batch = filed(1, size=LARGE)

    async with opened(make_sink(store.endpoint, part_size=SMALL_PARTS)) as sink:
        await sink.write(batch)

    sizes = sorted(len(asked.body) for asked in store.requests if "partNumber" in asked.query)
    assert sizes[1:] == [SMALL_PARTS] * 3
    ((body, _),) = store.objects.values()
    assert body == (batch.values[0] or b"") + b"\n"


async def test_no_object_has_more_parts_than_s3_takes(store: ScriptedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """They grow instead."""
    monkeypatch.setattr("streamhouse_s3_sink._parts._MOST_PARTS", 2)

    async with opened(make_sink(store.endpoint, part_size=SMALL_PARTS)) as sink:
        await sink.write(filed(1, size=LARGE))

    assert len([asked for asked in store.requests if "partNumber" in asked.query]) == 2


async def test_so_many_parts_are_sent_at_the_same_time(store: ScriptedStore) -> None:
    """Of all objects together: the option bounds memory and connections."""
    async with opened(make_sink(store.endpoint, part_size=SMALL_PARTS, max_in_flight=3)) as sink:
        assert sink.in_flight == 3
        store.gate = asyncio.Event()
        writes = [asyncio.create_task(sink.write(filed(1, first_offset=n, size=LARGE))) for n in range(2)]

        while store.waiting < 3:
            await asyncio.sleep(0.01)

        await asyncio.sleep(0.1)
        assert store.waiting == 3
        store.gate.set()
        assert await asyncio.gather(*writes) == [None, None]
