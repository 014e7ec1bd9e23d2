"""The S3 sink, by the suite for all object sinks, on two stores."""

from collections.abc import Mapping
from typing import Any

import pytest

from services import Bucket
from streamhouse_connect import Formatter, ObjectSink, Partitioner, Secret, SecretUrl
from streamhouse_connect.testing.objects import ObjectDestination, ObjectSinkConformance
from streamhouse_s3_sink import S3Config, S3Sink

_PREFIX = "lake/raw"


class _Prefix:
    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def sink(self, *, formatter: Formatter[Any], partitioner: Partitioner[Any]) -> ObjectSink[Any]:
        server = self._bucket.server
        config = S3Config(
            bucket=self._bucket.name,
            prefix=_PREFIX,
            endpoint=SecretUrl(server.url),
            access_key=Secret(server.access_key),
            secret_key=Secret(server.secret_key),
        )
        return S3Sink(config, formatter=formatter, partitioner=partitioner)

    async def objects(self) -> Mapping[str, bytes]:
        client = self._bucket.server.client()

        try:
            listed = client.list_objects_v2(Bucket=self._bucket.name).get("Contents", [])
            return {self._below(each["Key"]): self._read(client, each["Key"]) for each in listed}
        finally:
            client.close()

    def _read(self, client: Any, key: str) -> bytes:
        with client.get_object(Bucket=self._bucket.name, Key=key)["Body"] as body:
            content: bytes = body.read()
            return content

    def _below(self, key: str) -> str:
        assert key.startswith(f"{_PREFIX}/")
        return key.removeprefix(f"{_PREFIX}/")


@pytest.mark.parametrize("s3_server", ["seaweedfs", "ministack"], indirect=True)
class TestS3Sink(ObjectSinkConformance):
    @pytest.fixture
    def destination(self, s3: Bucket) -> ObjectDestination:
        return _Prefix(s3)
