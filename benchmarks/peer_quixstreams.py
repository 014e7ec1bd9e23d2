"""The peer's side of one path: quixstreams, in a process and an environment of its own (see `peer_environment`).

    python -m benchmarks.peer_quixstreams '{"bootstrap": …, "topic": …, "records": …, "sink": …, "options": {…}}'

Records are counted to know the end, as quixstreams' `run(count=…)` does; everything else is as its documentation has it:
values are parsed by its JSON deserialiser (the drop sink's are left as bytes), offsets are committed every 5 s, its
default, and at the end. Prints one JSON object.
"""

from __future__ import annotations

import json
import sys
import uuid
from typing import Any

from quixstreams import Application
from quixstreams.sinks.base import BaseSink
from quixstreams.sinks.community.elasticsearch import ElasticsearchSink
from quixstreams.sinks.community.file.local import LocalFileSink
from quixstreams.sinks.community.postgresql import PostgreSQLSink

from benchmarks.timing import Timing


class DropSink(BaseSink):  # type: ignore[misc]  # quixstreams is not in the environment that is checked
    """Touches every value, and keeps none."""

    def __init__(self) -> None:
        super().__init__()
        self.nbytes = 0

    def add(  # noqa: PLR0917 - the interface
        self,
        value: bytes,
        key: object,  # noqa: ARG002 - the same
        timestamp: int,  # noqa: ARG002
        headers: object,  # noqa: ARG002
        topic: str,  # noqa: ARG002
        partition: int,  # noqa: ARG002
        offset: int,  # noqa: ARG002
    ) -> None:
        self.nbytes += len(value)

    def flush(self) -> None:
        """Nothing waits."""


SINKS: dict[str, Any] = {
    "drop": DropSink,
    "file": LocalFileSink,
    "postgres": PostgreSQLSink,
    "elasticsearch": ElasticsearchSink,
}


def timed(sink: Any, timing: Timing) -> Any:
    """Have a sink note its first record, at no cost for the others, and the end of every flush."""
    flush = sink.flush

    def first(**record: object) -> None:
        timing.begin()
        del sink.add
        sink.add(**record)

    def flushed() -> None:
        flush()
        timing.end()

    sink.add, sink.flush = first, flushed
    return sink


def measure(*, bootstrap: str, topic: str, records: int, sink: str, options: dict[str, Any]) -> None:
    timing = Timing()
    application = Application(
        broker_address=bootstrap,
        consumer_group=f"bench-{uuid.uuid4().hex[:12]}",
        auto_offset_reset="earliest",
        auto_create_topics=False,
        loglevel="ERROR",
    )
    source = application.topic(topic, value_deserializer="bytes" if sink == "drop" else "json")
    made = SINKS[sink](**options)
    application.dataframe(source).sink(timed(made, timing))
    application.run(count=records, collect=False)
    timing.report(getattr(made, "nbytes", 0))


if __name__ == "__main__":
    measure(**json.loads(sys.argv[1]))
