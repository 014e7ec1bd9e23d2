"""What stands beside values in Arrow's columns."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa

from streamhouse_connect import Batch
from streamhouse_connect.formatters.tables import envelope_columns
from streamhouse_connect.testing import make_batch


def test_records_stand_beside_their_values() -> None:
    """Bytes exactly, headers in their order, and unknown times as nulls."""
    batch = make_batch(
        [b"1", None],
        partition=3,
        offsets=[7, 2**40],
        keys=[b"\x00\xff", None],
        timestamps=[1_770_724_800_123, -1],
        headers=[(("a", b"\xff"), ("a", None), ("ü", b"")), ()],
    )

    assert pa.table(envelope_columns(batch)).to_pylist() == [
        {
            "_topic": "orders",
            "_partition": 3,
            "_offset": 7,
            "_timestamp": datetime(2026, 2, 10, 12, 0, 0, 123_000, tzinfo=UTC),
            "_key": b"\x00\xff",
            "_headers": [{"name": "a", "value": b"\xff"}, {"name": "a", "value": None}, {"name": "ü", "value": b""}],
        },
        {"_topic": "orders", "_partition": 3, "_offset": 2**40, "_timestamp": None, "_key": None, "_headers": []},
    ]


def test_the_types_are_the_same_with_and_without_headers() -> None:
    """Files of a topic can be read together."""
    without = pa.table(envelope_columns(make_batch([b"1"])))
    with_headers = pa.table(envelope_columns(make_batch([b"1"], headers=[(("a", b"x"),)])))

    assert without.schema == with_headers.schema
    assert without.schema == pa.schema(
        [
            ("_topic", pa.string()),
            ("_partition", pa.int32()),
            ("_offset", pa.int64()),
            ("_timestamp", pa.timestamp("ms", "UTC")),
            ("_key", pa.binary()),
            ("_headers", pa.list_(pa.struct([("name", pa.string()), ("value", pa.binary())]))),
        ]
    )
    assert without.num_rows == 1


def test_records_of_several_partitions_keep_theirs() -> None:
    """A batch may have several spans."""
    batch = Batch.concat([make_batch([b"1", b"2"], partition=1), make_batch([b"3"], topic="returns")])
    table = pa.table(envelope_columns(batch))

    assert table.column("_topic").to_pylist() == ["orders", "orders", "returns"]
    assert table.column("_partition").to_pylist() == [1, 1, 0]
