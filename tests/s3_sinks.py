"""S3 sinks for tests: with the simplest formatter and partitioner that there can be."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, BinaryIO, ClassVar

import attrs

from streamhouse_connect import Batch, Formatter, Partitioner, Secret, SecretUrl
from streamhouse_connect.testing import make_batch, make_context
from streamhouse_s3_sink import S3Config, S3Sink
from streamhouse_s3_sink._config import Limits

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import AsyncIterator, Sequence

    from streamhouse_connect import StateStore

__all__ = ["HASTY", "PATIENT", "LinesFormatter", "OnePath", "filed", "make_sink", "opened"]

PATIENT = Limits(connect_s=10, silence_s=30)
"""So that a busy machine does not look like a store that hangs."""
HASTY = Limits(connect_s=2, silence_s=2)
"""So that a test of a store that hangs does not."""


class LinesFormatter(Formatter[None]):
    name: ClassVar[str] = "lines"
    config_class: ClassVar[type] = type(None)
    extension = ".json"
    content_type = "application/x-ndjson"

    def format(self, batch: Batch, out: BinaryIO) -> None:
        out.write(b"".join((value or b"null") + b"\n" for value in batch.values))

    def count(self, source: BinaryIO) -> int:
        return source.read().count(b"\n")


class OnePath(Partitioner[None]):
    name: ClassVar[str] = "none"
    config_class: ClassVar[type] = type(None)

    def split(self, batch: Batch) -> Sequence[tuple[str, Sequence[int]]]:
        return [("", range(len(batch)))]


def make_sink(endpoint: str, *, limits: Limits = PATIENT, **options: object) -> S3Sink:
    """Make a sink for the bucket `bucket` of a store; `options` are fields of the configuration."""
    given = {"bucket": "bucket", "access_key": "test", "secret_key": "testtest", **options}
    secrets = {
        key: Secret(str(given.pop(key))) for key in ("access_key", "secret_key", "session_token") if given.get(key)
    }
    given = {key: value for key, value in given.items() if key not in {"access_key", "secret_key"}}
    config = S3Config(endpoint=SecretUrl(endpoint), **secrets, **given)  # type: ignore[arg-type]  # by name
    assert not list(config.problems())
    return S3Sink(config, formatter=LinesFormatter(None), partitioner=OnePath(None), limits=limits)


@asynccontextmanager
async def opened(
    sink: S3Sink,
    *,
    uid: str = "test-uid",
    topics: Sequence[str] = ("orders",),
    counts: Counter[str] | None = None,
    state: StateStore | None = None,
) -> AsyncIterator[S3Sink]:
    """Open the sink, and close it in the end whatever happens; `state` is what the connector keeps."""
    context = make_context(uid=uid, topic_ids={topic: f"{topic}-id" for topic in topics}, counts=counts)

    try:
        await sink.open(attrs.evolve(context, state=state) if state else context)
        yield sink
    finally:
        await sink.close()


def filed(count: int, *, first_offset: int = 0, topic: str = "orders", size: int = 0, path: str | None = None) -> Batch:
    """Make a batch as the runtime hands it to `write`: of one route; `size` pads each value."""
    values = [b'{"n":%d,"pad":"%s"}' % (n, b"x" * size) for n in range(first_offset, first_offset + count)]
    return make_batch(values, topic=topic, first_offset=first_offset, path=path or topic)
