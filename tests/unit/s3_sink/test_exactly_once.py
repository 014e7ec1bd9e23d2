"""Exactly once over the objects of the S3 sink, by the model for all object sinks; the bucket is in memory."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any, cast

import attrs
import botocore.exceptions
from hypothesis import given, settings
from hypothesis import strategies as st

from exactly_once import RUNS, Place, scenario
from streamhouse_connect import ObjectSink, SinkContext
from streamhouse_s3_sink import S3Sink
from streamhouse_s3_sink._bucket import Bucket

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamhouse_s3_sink._client import Client


@attrs.define(eq=False)
class MemoryBucket(Place):
    """A bucket that creates objects if absent, and whose answers get lost; it stands for the client as well."""

    random: random.Random
    found: dict[str, tuple[bytes, Mapping[str, str]]] = attrs.field(factory=dict)

    def sink(self) -> type[ObjectSink[Any]]:
        bucket = self

        class BucketSink(S3Sink):
            """Writes to the bucket in memory."""

            async def open(self, context: SinkContext) -> None:
                await ObjectSink.open(self, context)
                self._bucket = Bucket(self.config, cast("Client", bucket))

        return BucketSink

    @property
    def options(self) -> Mapping[str, object]:
        return {"s3.bucket": "bucket"}

    def objects(self) -> Mapping[str, bytes]:
        return {key: body for key, (body, _) in self.found.items()}

    async def close(self) -> None:
        """Stay for the next run."""

    async def send(self, operation: str, parameters: dict[str, Any], body: bytes | memoryview = b"") -> dict[str, Any]:
        key = parameters["Key"]
        await asyncio.sleep(0)

        if operation == "head_object":
            if key not in self.found:
                raise _refusal(404, "HeadObject")

            return {"Metadata": self.found[key][1]}

        assert operation == "put_object"
        assert parameters["IfNoneMatch"] == "*"

        if key in self.found:
            raise _refusal(412, "PutObject")

        self.found[key] = (bytes(body), parameters["Metadata"])

        if self.random.random() < 0.1:
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
    asyncio.run(scenario(MemoryBucket(random.Random(seed)), runs, seed, records, file_format="json"))
