"""The S3 sink on real stores: SeaweedFS checks signatures, ministack keeps completions of uploads conditional."""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any, Literal

import attrs
import pytest

from s3_sinks import HASTY, PATIENT, filed, make_sink, opened
from services import Bucket, S3Server, SeaweedFS, Service
from streamhouse_connect import FatalError, Held, RetriableError
from streamhouse_connect.formatters.json import JsonConfig, JsonFormatter
from streamhouse_connect.testing import make_context
from streamhouse_s3_sink._checksums import crc32c
from streamhouse_s3_sink._config import Limits
from streamhouse_s3_sink._notes import Notes

if TYPE_CHECKING:
    from streamhouse_connect import Batch
    from streamhouse_s3_sink import S3Sink

BOTH = pytest.mark.parametrize("s3_server", ["seaweedfs", "ministack"], indirect=True)

PARTS = 5 << 20
TWELVE_MIB = 12 << 20


@attrs.frozen
class Stored:
    """An object as the store has it."""

    body: bytes
    metadata: dict[str, str]
    content_type: str


def objects(bucket: Bucket) -> dict[str, Stored]:
    """Return every object of the bucket by its key."""
    client = bucket.server.client()

    try:
        listed = client.list_objects_v2(Bucket=bucket.name).get("Contents", [])
        return {each["Key"]: stored(client, bucket, each["Key"]) for each in listed}
    finally:
        client.close()


def stored(client: Any, bucket: Bucket, key: str) -> Stored:
    """Read one object."""
    answer = client.get_object(Bucket=bucket.name, Key=key)

    with answer["Body"] as body:
        return Stored(body.read(), answer["Metadata"], answer["ContentType"])


def put(bucket: Bucket, key: str, metadata: dict[str, str]) -> None:
    """Write an object as somebody else does."""
    client = bucket.server.client()

    try:
        client.put_object(Bucket=bucket.name, Key=key, Body=b"theirs", Metadata=metadata)
    finally:
        client.close()


def unfinished(bucket: Bucket) -> list[dict[str, object]]:
    """Return the uploads that were neither completed nor aborted."""
    client = bucket.server.client()

    try:
        return list(client.list_multipart_uploads(Bucket=bucket.name).get("Uploads", []))
    finally:
        client.close()


def head_of_the_only(bucket: Bucket) -> dict[str, Any]:
    """Return what the store says of the only object there is."""
    (key,) = objects(bucket)
    client = bucket.server.client()

    try:
        head: dict[str, Any] = client.head_object(Bucket=bucket.name, Key=key, ChecksumMode="ENABLED")
    finally:
        client.close()

    return head


def sink_for(bucket: Bucket, *, limits: Limits = PATIENT, **options: Any) -> S3Sink:
    """Make a sink for the bucket."""
    given = {"access_key": bucket.server.access_key, "secret_key": bucket.server.secret_key, **options}
    return make_sink(bucket.server.url, limits=limits, **{"bucket": bucket.name, **given})


def text_of(batch: Batch) -> bytes:
    """Return the file that holds the batch."""
    return b"".join((value or b"") + b"\n" for value in batch.values)


@BOTH
async def test_a_batch_becomes_one_object(s3: Bucket) -> None:
    """With its key, its bytes, its type, and who wrote it."""
    batch = filed(3, first_offset=7)

    async with opened(sink_for(s3, prefix="/lake//raw/")) as sink:
        assert await sink.write(batch) is None
        assert sink.weakened is None

    ((key, found),) = objects(s3).items()
    assert key.startswith("lake/raw/orders/batch-")
    assert key.endswith(".json")
    assert found.body == text_of(batch)
    assert found.content_type == "application/x-ndjson"
    assert found.metadata == {
        "streamhouse-identity": "test-uid/0/orders-id",
        "streamhouse-topic": "orders",
        "streamhouse-partition": "0",
        "streamhouse-first-offset": "7",
        "streamhouse-last-offset": "9",
        "streamhouse-count": "3",
        "streamhouse-checksum": "sha256:" + hashlib.sha256(text_of(batch)).hexdigest(),
    }


@BOTH
@pytest.mark.parametrize(("compression", "ending"), [("gzip", ".json.gz"), ("zstd", ".json.zst")])
async def test_a_compressed_object_says_how_it_is_to_be_read(
    s3: Bucket, compression: Literal["gzip", "zstd"], ending: str
) -> None:
    """By its ending, its type and its encoding."""
    sink = sink_for(s3)
    sink.formatter = JsonFormatter(JsonConfig(compression=compression))

    async with opened(sink):
        assert await sink.write(filed(3)) is None

    (key,) = objects(s3)
    head = head_of_the_only(s3)
    assert key.endswith(ending)
    assert (head["ContentType"], head["ContentEncoding"]) == ("application/x-ndjson", compression)
    client = s3.server.client()

    with closing(client), client.get_object(Bucket=s3.name, Key=key)["Body"] as body:
        assert sink.formatter.count(io.BytesIO(body.read())) == 3


@BOTH
@pytest.mark.parametrize(
    ("again", "reached"), [(10, 10), (4, Held(10, more=6)), (25, 10)], ids=["the same", "shorter", "longer"]
)
async def test_a_batch_that_was_written_before(s3: Bucket, again: int, reached: int | Held) -> None:
    """However it is cut now: the first object stays, and the sink says how far it goes."""
    async with opened(sink_for(s3)) as sink:
        assert await sink.write(filed(10)) is None

    before = objects(s3)

    async with opened(sink_for(s3)) as restarted:
        assert await restarted.write(filed(again)) == reached

    assert objects(s3) == before


@BOTH
async def test_ten_writers_race_for_one_object(s3: Bucket) -> None:
    """One creates it, nine learn that it is there."""
    async with opened(sink_for(s3)) as sink:
        batches = [filed(count) for count in range(1, 11)]
        ends = await asyncio.gather(*(sink.write(batch) for batch in batches))

    (found,) = objects(s3).values()
    (winner,) = [batch for batch, end in zip(batches, ends, strict=True) if end is None]
    assert found.body == text_of(winner)
    reached = {end.next_offset if isinstance(end, Held) else end for end in ends if end is not None}
    assert reached == {len(winner)}


@BOTH
async def test_four_partitions_at_the_same_time(s3: Bucket) -> None:
    """Different objects do not get in each other's way."""
    batches = [filed(100, first_offset=1000 * n, size=n * 100_000 % 70_000) for n in range(4)]

    async with opened(sink_for(s3)) as sink:
        assert await asyncio.gather(*map(sink.write, batches)) == [None] * 4

    assert sorted(found.body for found in objects(s3).values()) == sorted(map(text_of, batches))


@BOTH
@pytest.mark.parametrize(
    ("metadata", "whose"),
    [
        ({}, "was not written by StreamHouse Connect"),
        (
            {
                "streamhouse-identity": "other-uid/0/orders-id",
                "streamhouse-topic": "orders",
                "streamhouse-partition": "0",
                "streamhouse-first-offset": "0",
                "streamhouse-last-offset": "9",
                "streamhouse-count": "10",
            },
            r"belongs to other-uid/0/orders-id \(orders-0, offsets 0 to 9\), not to test-uid/0/orders-id",
        ),
    ],
    ids=["nobody's", "another connector's"],
)
async def test_an_object_of_somebody_else_is_left_alone(s3: Bucket, metadata: dict[str, str], whose: str) -> None:
    """The connector fails and names the object, its owner and the remedy."""
    async with opened(sink_for(s3)) as sink:
        await sink.write(filed(10))
        (key,) = objects(s3)
        put(s3, key, metadata)

        with pytest.raises(
            FatalError, match=f"s3://{s3.name}/{key} {whose}; move it away, or choose another s3.prefix"
        ):
            await sink.write(filed(10))

    assert objects(s3)[key].body == b"theirs"


@BOTH
@pytest.mark.parametrize(
    "prefix",
    ["a b+c/%2e%2e/%2F/ü/日本/😀", "q?versionId=1/a#b&c=d;e:f@g,h$!*'()~/\"<>|^`{}[]", " x /s3:/.../" + "deep/" * 80],
    ids=["encoded", "special", "deep"],
)
async def test_hostile_prefixes_are_kept_as_they_are(s3: Bucket, prefix: str) -> None:
    """Every key starts with the prefix, and what was written is met again."""
    async with opened(sink_for(s3, prefix=prefix)) as sink:
        assert await sink.write(filed(2)) is None
        assert await sink.write(filed(2)) == 2

    (key,) = objects(s3)
    assert key.startswith(f"{prefix.strip('/')}/orders/batch-")


@BOTH
async def test_a_large_object_in_parts(s3: Bucket) -> None:
    """It has the same metadata, is met again, and no upload stays open."""
    batch = filed(1, size=TWELVE_MIB)

    async with opened(sink_for(s3, part_size=PARTS)) as sink:
        assert await sink.write(batch) is None
        assert await sink.write(batch) == 1

    (found,) = objects(s3).values()
    assert found.body == text_of(batch)
    assert found.metadata["streamhouse-last-offset"] == "0"
    assert unfinished(s3) == []


@pytest.mark.parametrize("s3_server", ["ministack"], indirect=True)
async def test_completions_race_for_one_object(s3: Bucket) -> None:
    """The condition holds for uploads in parts; the losers abort theirs."""
    async with opened(sink_for(s3, part_size=PARTS)) as sink:
        ends = await asyncio.gather(*(sink.write(filed(count, size=TWELVE_MIB // count)) for count in (1, 2, 3)))

    (found,) = objects(s3).values()
    assert sorted(end is None for end in ends) == [False, False, True]
    reached = {end.next_offset if isinstance(end, Held) else end for end in ends if end is not None}
    assert reached == {int(found.metadata["streamhouse-count"])}
    assert unfinished(s3) == []


@BOTH
async def test_a_large_object_in_one_piece_is_met_again(s3: Bucket) -> None:
    """A store may cut the connection instead of reading a body that it won't take."""
    batch = filed(1, size=TWELVE_MIB)

    async with opened(sink_for(s3)) as sink:
        assert await sink.write(batch) is None
        assert await asyncio.gather(*(sink.write(batch) for _ in range(4))) == [1] * 4


@BOTH
@pytest.mark.parametrize("size", [10, TWELVE_MIB], ids=["one piece", "parts"])
async def test_objects_are_encrypted_and_classed(s3: Bucket, size: int) -> None:
    """As the options say, whatever way they come in."""
    options: dict[str, Any] = {"sse": "AES256", "storage_class": "STANDARD_IA", "acl": "bucket-owner-full-control"}

    async with opened(sink_for(s3, part_size=PARTS, **options)) as sink:
        assert await sink.write(filed(1, size=size)) is None

    head = head_of_the_only(s3)
    assert head["ServerSideEncryption"] == "AES256"

    if size == 10:  # neither store keeps the class of an upload in parts
        assert head["StorageClass"] == "STANDARD_IA"


@pytest.mark.parametrize("s3_server", ["ministack"], indirect=True)
async def test_objects_are_encrypted_with_a_key(s3: Bucket) -> None:
    """The store is told which."""
    async with opened(sink_for(s3, sse="aws:kms", sse_kms_key="alias/lake")) as sink:
        assert await sink.write(filed(1)) is None

    assert head_of_the_only(s3)["SSEKMSKeyId"] == "alias/lake"


@BOTH
async def test_objects_are_tagged(s3: Bucket) -> None:
    """With what S3 allows in tags."""
    async with opened(sink_for(s3, tags=("team=data", "tier=a b+c"))) as sink:
        assert await sink.write(filed(1)) is None

    client = s3.server.client()
    (key,) = objects(s3)
    found = client.get_object_tagging(Bucket=s3.name, Key=key)["TagSet"]
    client.close()
    assert found == [{"Key": "team", "Value": "data"}, {"Key": "tier", "Value": "a b+c"}]


@BOTH
@pytest.mark.parametrize("size", [10, TWELVE_MIB], ids=["one piece", "parts"])
async def test_objects_keep_their_checksums(s3: Bucket, size: int) -> None:
    """The store has computed the same, or it would not have taken them."""
    batch = filed(1, size=size)

    async with opened(sink_for(s3, part_size=PARTS, checksum="crc32c")) as sink:
        assert await sink.write(batch) is None
        assert await sink.write(batch) == 1

    checksum = head_of_the_only(s3)["ChecksumCRC32C"]
    assert checksum.endswith("-3") if size == TWELVE_MIB else checksum == crc32c(text_of(batch))


@BOTH
async def test_a_checksum_that_is_wrong_is_refused(s3: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is damaged on the way is not stored; the runtime writes it again."""
    async with opened(sink_for(s3, checksum="crc32c")) as sink:
        monkeypatch.setattr("streamhouse_s3_sink._bucket.crc32c", lambda _: crc32c(b"other"))

        with pytest.raises(RetriableError, match="BadDigest"):
            await sink.write(filed(1))

    assert objects(s3) == {}


@BOTH
async def test_a_check_leaves_nothing(s3: Bucket) -> None:
    """Neither an object nor an upload."""
    sink = sink_for(s3, prefix="lake", checksum="crc32c", tags=("a=b",))
    assert await sink.check() == []
    await sink.close()
    assert objects(s3) == {}
    assert unfinished(s3) == []


@BOTH
async def test_a_check_of_a_bucket_that_does_not_exist(s3_server: S3Server) -> None:
    """The option is named."""
    sink = sink_for(Bucket("nobody-made-this", s3_server))
    (problem,) = await sink.check()
    await sink.close()
    assert problem.field == "s3.bucket"


@pytest.mark.parametrize(
    ("keys", "option"), [({"secret_key": "wrong"}, "s3.secret.key"), ({"access_key": "wrong"}, "s3.access.key")]
)
async def test_a_check_of_credentials_that_are_wrong(s3: Bucket, keys: dict[str, Any], option: str) -> None:
    """The option is named."""
    sink = sink_for(s3, **keys)
    (problem,) = await sink.check()
    await sink.close()
    assert problem.field == option


@BOTH
async def test_uploads_of_a_process_that_was_killed(s3: Bucket) -> None:
    """Written again, the object is whole, and the dead upload is gone; that of another writer is not."""
    state = make_context().state
    batch = filed(1, size=TWELVE_MIB)
    client = s3.server.client()

    async with opened(sink_for(s3)) as sink:
        await sink.write(batch)
        (key,) = objects(s3)
        client.delete_object(Bucket=s3.name, Key=key)

    client.create_multipart_upload(Bucket=s3.name, Key=key)
    client.create_multipart_upload(Bucket=s3.name, Key=f"{key}.theirs")
    client.close()
    await Notes(state, s3.name, make_context().log, lambda: 0.0).add(key)

    async with opened(sink_for(s3, part_size=PARTS), state=state) as sink:
        assert await sink.write(batch) is None

    assert objects(s3)[key].body == text_of(batch)
    assert [upload["Key"] for upload in unfinished(s3)] == [f"{key}.theirs"]


@BOTH
async def test_a_bucket_that_does_not_exist(s3_server: S3Server) -> None:
    """It is not created: the message says what to do."""
    with pytest.raises(FatalError, match=r"NoSuchBucket.*create the bucket, or correct s3\.bucket"):
        async with opened(sink_for(Bucket("nobody-made-this", s3_server))):
            pass


@BOTH
async def test_a_bucket_that_vanishes(s3: Bucket) -> None:
    """The next write says so."""
    async with opened(sink_for(s3)) as sink:
        client = s3.server.client()
        client.delete_bucket(Bucket=s3.name)
        client.close()

        with pytest.raises(FatalError, match=r"create the bucket, or correct s3\.bucket"):
            await sink.write(filed(1))


@pytest.mark.parametrize(
    ("access_key", "secret_key", "remedy"),
    [("test", "hunter2", r"correct s3\.secret\.key"), ("hunter2", "testtest", r"correct s3\.access\.key")],
)
async def test_credentials_that_are_wrong(s3: Bucket, access_key: str, secret_key: str, remedy: str) -> None:
    """The message names the option and not its value."""
    with pytest.raises(FatalError, match=remedy) as caught:
        async with opened(sink_for(s3, access_key=access_key, secret_key=secret_key)):
            pass

    assert "hunter2" not in str(caught.value)


async def test_a_server_that_hangs(s3: Bucket) -> None:
    """It is given up after a while, and works once the server does."""
    async with opened(sink_for(s3, limits=HASTY)) as sink:
        s3.server.suspend()

        try:
            with pytest.raises(RetriableError):
                await sink.write(filed(3))
        finally:
            s3.server.wake()

    async with opened(sink_for(s3)) as sink:
        assert await sink.write(filed(3)) in {None, 3}

    assert len(objects(s3)) == 1


async def test_a_server_that_is_killed_between_writes(start_service: Callable[[Service], None]) -> None:
    """The same sink goes on when it is back, and nothing that was acknowledged is lost."""
    server = SeaweedFS()
    start_service(server)
    server.create_bucket("bucket")
    bucket = Bucket("bucket", server)

    async with opened(sink_for(bucket)) as sink:
        assert [await sink.write(filed(10, first_offset=n)) for n in (0, 10, 20)] == [None] * 3
        server.kill()

        with pytest.raises(RetriableError):
            await sink.write(filed(10, first_offset=30))

        server.start()

        assert await sink.write(filed(10, first_offset=30)) in {None, 40}
        assert await sink.write(filed(10, first_offset=20)) == 30

    assert len(objects(bucket)) == 4
