"""Random values on a real server: each becomes its own document, equal to what it says, or none."""

from __future__ import annotations

import json
import random
import time
from typing import Any

from integration.elasticsearch_sink.conftest import Index, OpenSink
from streamhouse_connect import RejectedBatch, RejectedRecords
from streamhouse_connect.testing import make_batch
from streamhouse_elasticsearch_sink import ElasticsearchSink

SECONDS = 15.0
BATCH = 100

PIECES = (
    *(b"{", b"}", b"[", b"]", b'"', b":", b",", b"\\", b"\n", b"\r", b"\r\n", b" ", b"\t", b"\0", b"\xff", b"\xef\xbb\xbf", b"\xe2\x80\xa8"),
    *(b'"id"', b'"_id"', b'"canary"', b"1", b"-0", b"1e400", b"0.10", b"true", b"null", b'"\\u0000"', b'"\\ud800"', b"{}", b'{"id":"canary"}'),
    *(b'{"delete":{"_id":"canary"}}', b'{"index":{"_id":"canary"}}', b'{"update":{"_id":"canary"}}', b'{"create":{}}'),
)  # fmt: skip


def scalar(dice: random.Random) -> Any:
    text = "".join(
        chr(dice.choice((10, 13, 34, 92, 0x7F, 0x85, 0x2028, 0x1F600, 97))) for _ in range(dice.randrange(5))
    )
    return dice.choice(
        (None, True, 0, -1, 1 << 63, 0.1, 1e300, text, "canary", [], [[1], {"a": None}], {}, {"a": {"b": text}})
    )


def value(dice: random.Random) -> bytes:
    """Return an object, something that was one, or anything."""
    kind = dice.random()

    if kind < 0.2:
        return dice.randbytes(dice.randrange(30))

    if kind < 0.5:
        return b"".join(dice.choice(PIECES) for _ in range(dice.randrange(8)))

    made = {
        dice.choice(("id", "_id", "a.b", "", " ", "index", "canary", "\n")): scalar(dice)
        for _ in range(dice.randrange(4))
    }
    found = bytearray(json.dumps(made, indent=dice.choice((None, 1)), ensure_ascii=dice.random() < 0.5).encode())

    if kind < 0.7:
        found[dice.randrange(len(found))] = dice.randrange(256)

    return bytes(found)


async def accepted(sink: ElasticsearchSink, values: list[bytes], first: int) -> list[int]:
    """Write as the runtime does, and return the offsets of what was written."""
    offsets = list(range(first, first + len(values)))

    while offsets:
        batch = make_batch([values[offset - first] for offset in offsets], offsets=offsets)

        try:
            await sink.write(batch)
        except RejectedRecords as rejected:
            offsets = [offset for at, offset in enumerate(offsets) if at not in rejected.reasons]

            if rejected.others_durable:
                return offsets
        except RejectedBatch:
            halves = [values[: len(values) // 2], values[len(values) // 2 :]] if len(values) > 1 else []
            starts = (first, first + len(values) // 2)
            return [offset for at, half in enumerate(halves) for offset in await accepted(sink, half, starts[at])]
        else:
            return offsets

    return []


async def test_any_bytes_read_back_equal_or_are_rejected_and_touch_nothing_else(index: Index, open_sink: OpenSink):
    """For as long as the test may take; the seed is printed."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    index.server.request("PUT", f"/{index.name}", {"mappings": {"dynamic": "false"}})
    index.server.request("PUT", f"/{index.name}/_doc/canary", {"canary": True})
    expected: dict[str, Any] = {"canary": {"canary": True}}
    sink = await open_sink(index)
    until = time.monotonic() + SECONDS
    first = 0

    while time.monotonic() < until:
        values = [value(dice) for _ in range(BATCH)]
        written = await accepted(sink, values, first)
        expected |= {f"orders+0+{offset}": json.loads(values[offset - first]) for offset in written}
        first += BATCH

    found = index.documents()
    assert found == expected
    assert 100 < len(expected) < first
