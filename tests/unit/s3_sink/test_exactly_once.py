"""Exactly once over the objects of the S3 sink, by the model for all object sinks; the bucket is in memory."""

from __future__ import annotations

import asyncio
import hashlib
import random
from typing import TYPE_CHECKING, Any, cast

import attrs
import botocore.exceptions
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crashes import Chance, CrashingBroker
from exactly_once import RUNS, Place, scenario, start
from streamhouse_connect import FatalError, NewRecords, ObjectSink, SinkContext, Size
from streamhouse_s3_sink import S3Sink
from streamhouse_s3_sink._bucket import Bucket

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamhouse_s3_sink._client import Client


@attrs.define(eq=False)
class MemoryBucket(Place):
    """A bucket that creates objects if absent, in one piece or in parts; it stands for the client as well.

    Of its answers some get lost, of its creates some take place after they were given up, and some meet another that is under way.
    """

    random: random.Random
    found: dict[str, tuple[bytes, Mapping[str, str]]] = attrs.field(factory=dict)
    uploads: dict[str, tuple[Mapping[str, str], dict[int, bytes]]] = attrs.field(factory=dict)

    def sink(self) -> type[ObjectSink[Any]]:
        bucket = self

        class BucketSink(S3Sink):
            """Writes to the bucket in memory."""

            async def open(self, context: SinkContext) -> None:
                await ObjectSink.open(self, context)
                size = Size(bucket.random.choice([40, 400, 32 << 20]))
                self._bucket = Bucket(attrs.evolve(self.config, part_size=size), cast("Client", bucket))

        return BucketSink

    @property
    def options(self) -> Mapping[str, object]:
        return {"s3.bucket": "bucket"}

    def objects(self) -> Mapping[str, bytes]:
        return {key: body for key, (body, _) in self.found.items()}

    async def close(self) -> None:
        """Stay for the next run."""

    async def send(self, operation: str, parameters: dict[str, Any], body: bytes | memoryview = b"") -> dict[str, Any]:
        await asyncio.sleep(0)
        answer: dict[str, Any] = getattr(self, operation)(parameters, bytes(body))
        return answer

    def head_object(self, parameters: dict[str, Any], _: bytes) -> dict[str, Any]:
        if parameters["Key"] not in self.found:
            raise _refusal(404, "HeadObject")

        return {"Metadata": self.found[parameters["Key"]][1]}

    def put_object(self, parameters: dict[str, Any], body: bytes) -> dict[str, Any]:
        return self._create(parameters, body, parameters["Metadata"])

    def create_multipart_upload(self, parameters: dict[str, Any], _: bytes) -> dict[str, Any]:
        upload = f"upload-{len(self.uploads)}"
        self.uploads[upload] = (parameters["Metadata"], {})
        return {"UploadId": upload}

    def upload_part(self, parameters: dict[str, Any], body: bytes) -> dict[str, Any]:
        self.uploads[parameters["UploadId"]][1][parameters["PartNumber"]] = body
        return {"ETag": str(parameters["PartNumber"])}

    def complete_multipart_upload(self, parameters: dict[str, Any], _: bytes) -> dict[str, Any]:
        metadata, parts = self.uploads[parameters["UploadId"]]
        body = b"".join(parts[part["PartNumber"]] for part in parameters["MultipartUpload"]["Parts"])
        return self._create(parameters, body, metadata)

    def abort_multipart_upload(self, parameters: dict[str, Any], _: bytes) -> dict[str, Any]:
        assert parameters["UploadId"] in self.uploads
        return {}

    def _create(self, parameters: dict[str, Any], body: bytes, metadata: Mapping[str, str]) -> dict[str, Any]:
        assert parameters["IfNoneMatch"] == "*"
        key, fate = parameters["Key"], self.random.random()

        if fate < 0.04:
            raise _refusal(409, "PutObject")

        if fate < 0.08:  # the create of another is under way, and comes to nothing
            raise _refusal(412, "PutObject")

        if fate < 0.14:
            seconds = self.random.random() * 0.01
            asyncio.get_running_loop().call_later(seconds, self.found.setdefault, key, (body, metadata))
            raise TimeoutError("it is still under way")

        if key in self.found:
            raise _refusal(412, "PutObject")

        self.found[key] = (body, metadata)

        if fate < 0.24:
            raise TimeoutError("the answer was lost")

        return {}


def _refusal(status: int, operation: str) -> Exception:
    response: Any = {"Error": {"Code": str(status)}, "ResponseMetadata": {"HTTPStatusCode": status}}
    refusal: Exception = botocore.exceptions.ClientError(response, operation)
    return refusal


@settings(max_examples=40, deadline=None)
@given(runs=RUNS, seed=st.integers(0, 2**32), records=st.integers(1, 300))
def test_every_record_is_in_exactly_one_object(runs: list[dict[str, Any]], seed: int, records: int) -> None:
    """The metadata of an object says how far it reaches, whatever the cuts, crashes, lost answers, zombies and poison."""
    bucket = MemoryBucket(random.Random(seed))
    asyncio.run(scenario(bucket, runs, seed, records, file_format="json"))

    for body, metadata in bucket.found.values():
        assert metadata["streamhouse-count"] == str(body.count(b"\n"))
        assert metadata["streamhouse-checksum"] == f"sha256:{hashlib.sha256(body).hexdigest()}"


@pytest.mark.parametrize(
    ("metadata", "whose"),
    [
        ({}, "was not written by StreamHouse Connect"),
        ({"streamhouse-identity": "another/0/topic"}, "belongs to another/0/topic"),
        ({"streamhouse-topic": "another"}, "another-0"),
        ({"streamhouse-partition": "7"}, "orders-7"),
    ],
)
async def test_an_object_of_somebody_else_stops_the_connector(metadata: dict[str, str], whose: str) -> None:
    """It is left as it is, and the status names it and says what to do."""
    broker = CrashingBroker()
    await broker.open()
    await broker.create_topic("orders", partitions=1)
    await broker.append("orders", NewRecords(values=[b'{"path":"a","n":0}']))
    ours, theirs = MemoryBucket(random.Random(1)), MemoryBucket(random.Random(1))
    worker = await start(broker, ours, Chance(random.Random(1)), {"batch.interval_ms": 1})
    await worker.drained("c", timeout=10)
    await worker.__aexit__(None, None, None)
    await broker.delete_group("connect-c")

    ((key, (_, said)),) = ours.found.items()
    theirs.found[key] = (b"theirs", {**said, **metadata} if metadata else {})
    worker = await start(broker, theirs, Chance(random.Random(1)), {"batch.interval_ms": 1})

    with pytest.raises(FatalError):
        await worker.drained("c", timeout=10)

    error = (await worker.get("c")).error or ""
    await worker.__aexit__(None, None, None)
    assert f"s3://bucket/{key} " in error
    assert whose in error
    assert "move it away, or choose another s3.prefix" in error
    assert theirs.objects() == {key: b"theirs"}
