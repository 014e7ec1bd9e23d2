"""Random values on a real server: each becomes its own document, equal to what it says, or none."""

from __future__ import annotations

import json
import random
import time
from hashlib import sha256
from typing import Any

import pytest

from integration.elasticsearch_sink.conftest import ORDERS, Index, OpenSink
from repeats import seeded
from streamhouse_connect import Batch, RejectedBatch, RejectedRecords
from streamhouse_connect.testing import make_batch
from streamhouse_elasticsearch_sink import ElasticsearchSink

SECONDS = 10.0
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


async def accepted(sink: ElasticsearchSink, batch: Batch) -> list[int]:
    """Write as the runtime does, and return the offsets of what was written."""
    while len(batch):
        try:
            await sink.write(batch)
        except RejectedRecords as rejected:
            batch = batch.select([at for at in range(len(batch)) if at not in rejected.reasons])

            if rejected.others_durable:
                break
        except RejectedBatch:
            half = len(batch) // 2
            halves = (batch[:half], batch[half:]) if half else ()
            return [offset for part in halves for offset in await accepted(sink, part)]
        else:
            break

    return list(batch.offsets)


async def test_any_bytes_read_back_equal_or_are_rejected_and_touch_nothing_else(index: Index, open_sink: OpenSink):
    """For as long as the test may take; the seed is printed."""
    dice = seeded()
    index.server.request("PUT", f"/{index.name}", {"mappings": {"dynamic": "false"}})
    index.server.request("PUT", f"/{index.name}/_doc/canary", {"canary": True})
    expected: dict[str, Any] = {"canary": {"canary": True}}
    sink = await open_sink(index)
    until = time.monotonic() + SECONDS
    first = 0

    while time.monotonic() < until:
        values = [value(dice) for _ in range(BATCH)]
        written = await accepted(sink, make_batch(values, first_offset=first))
        expected |= {f"orders+0+{offset}": json.loads(values[offset - first]) for offset in written}
        first += BATCH

    found = index.documents()
    assert found == expected
    assert 100 < len(expected) < first


def key(dice: random.Random) -> bytes:
    """Return a few bytes, of which some are text, and some are met again."""
    if dice.random() < 0.5:
        return dice.choice(
            (b"a", b"A", b" ", b"_all", b"../x", b"a,b", b"*", "\u2028".encode(), b"x" * 512, b"x" * 513, b"")
        )

    return b"".join(dice.choice((*PIECES, dice.randbytes(2))) for _ in range(dice.randrange(1, 4)))


@pytest.mark.parametrize("options", [{}, {"version_source": "none"}, {"document_id_overflow": "hash"}])
async def test_any_bytes_as_keys_are_the_ids_of_their_own_documents_or_rejected(
    index: Index, open_sink: OpenSink, options: dict[str, Any]
):
    """The last one of a key counts, tombstones too; no key reaches another's document. The seed is printed."""
    dice = seeded()
    index.server.request("PUT", f"/{index.name}", {"mappings": {"dynamic": "false"}})
    sink = await open_sink(index, document_id="{key}", delete_enabled=True, **options)
    await sink.resume(ORDERS)
    expected: dict[str, Any] = {}
    until = time.monotonic() + SECONDS / 3
    first = rejections = 0

    while time.monotonic() < until:
        keys = [key(dice) for _ in range(BATCH)]
        values = [None if dice.random() < 0.2 else b'{"n":%d}' % (first + n) for n in range(BATCH)]
        written = await accepted(sink, make_batch(values, keys=keys, first_offset=first))
        rejections += BATCH - len(written)

        for offset in written:
            told, found = document_id(keys[offset - first]), values[offset - first]
            expected.pop(told, None)

            if found:
                expected[told] = json.loads(found)

        first += BATCH

    assert index.documents() == expected
    assert rejections
    assert len(expected) > 20


def document_id(found: bytes) -> str:
    return found.decode() if len(found) <= 512 else sha256(found).hexdigest()


async def test_any_bytes_of_updates_read_back_equal_or_are_rejected(index: Index, open_sink: OpenSink):
    """Elasticsearch writes them anew; numbers have the digits that it keeps. The seed is printed."""
    dice = seeded()
    index.server.request("PUT", f"/{index.name}", {"mappings": {"dynamic": "false"}})
    index.server.request("PUT", f"/{index.name}/_doc/canary", {"canary": True})
    expected: dict[str, Any] = {"canary": {"canary": True}}
    sink = await open_sink(index, write_method="update")
    until = time.monotonic() + SECONDS
    first = 0

    while time.monotonic() < until:
        values = [value(dice) for _ in range(BATCH // 4)]
        values.append(b'{"a":%b}' % dice.choice((b"1e400", b"-1E+309", b"0.1e1", b"1" * 400)))
        written = await accepted(sink, make_batch(values, first_offset=first))
        expected |= {f"orders+0+{offset}": json.loads(values[offset - first]) for offset in written}
        first += len(values)

    assert index.documents() == expected
    assert 50 < len(expected) < first
