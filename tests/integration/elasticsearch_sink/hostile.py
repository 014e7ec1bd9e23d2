"""Values that try to be more than a document, and such as are hard to read: for every server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from streamhouse_connect import RejectedRecords
from streamhouse_connect.testing import make_batch

if TYPE_CHECKING:
    from integration.elasticsearch_sink.conftest import Index, OpenSink

__all__ = ["assert_hostile_values_touch_nothing_else"]

HOSTILE = [
    b'{"a":1}\n{"delete":{"_id":"canary"}}',
    b'{"a":1}\r{"delete":{"_id":"canary"}}',
    b'{"a":1}\r\n{"index":{"_id":"canary"}}\r\n{"canary":false}',
    '{"a":1}\u2028{"delete":{"_id":"canary"}}'.encode(),
    '{"a":1}\x85{"delete":{"_id":"canary"}}'.encode(),
    b'{"a":"\\n{\\"delete\\":{\\"_id\\":\\"canary\\"}}"}',
    b'{"delete":{"_id":"canary"}}',
    b'{"_id":"canary"}',
    b'{"a":"\\u0000"}',
    '{"a":"\u2028\u2029\x7f\ufeff"}'.encode(),
    '{"\ufeff":1}'.encode(),
    "{\ufeff}".encode(),
    b"{}",
    b'{\n "a": 1,\r\n "b": "x"\n}\n',
    b'{"a":1}\r',
    b'\t{"a":1} ',
    b'{"a":1,"a":2}',
    b'{"":1}',
    b'{" ":1}',
    b'{"a..b":1}',
    b'{"a":1e999}',
    b'{"a":1' + b"0" * 2000 + b"}",
    b'{"a":"' + b"x" * 100_000 + b'"}',
    b'{"' + b"k" * 40_000 + b'":1}',
    b'{"a":' * 200 + b"1" + b"}" * 200,
    b'{"a":' + b"[" * 900 + b"]" * 900 + b"}",
    b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    b'{"a":"\xff"}',
    b'{"a":"\\ud800"}',
    b"\xef\xbb\xbf{}",
    b"\xff\xfe{\x00}\x00",
    b"[{}]",
    b"null",
    b"",
]


async def assert_hostile_values_touch_nothing_else(index: Index, open_sink: OpenSink) -> None:
    """Each becomes its own document, equal to what it said, or none."""
    index.server.request("PUT", f"/{index.name}/_doc/canary?refresh=true", {"canary": True})
    sink = await open_sink(index)
    expected = {"canary": {"canary": True}}

    for offset, value in enumerate(HOSTILE):
        try:
            await sink.write(make_batch([value], first_offset=offset))
        except RejectedRecords as rejected:
            print(value[:40], rejected)
        else:
            expected[f"orders+0+{offset}"] = json.loads(value)

    assert index.documents() == expected
    assert len(expected) > 8
