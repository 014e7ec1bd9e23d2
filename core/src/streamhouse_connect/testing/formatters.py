"""What every formatter keeps to: subclass, say how its files are read, and pytest runs the rest.

    class TestMyFormatter(FormatterConformance):
        @pytest.fixture
        def formatter(self) -> Formatter[Any]:
            return MyFormatter(MyConfig())

        def read(self, file: bytes) -> list[Any]:
            return my_library.load(io.BytesIO(file))

Records are compared as JSON values in which a field that is missing and one that is null are the same.
"""

from __future__ import annotations

import io
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest

from streamhouse_connect import Formatter, RejectedRecords
from streamhouse_connect.testing.factories import make_batch

__all__ = ["RECORD_SETS", "FormatterConformance", "without_nulls"]

RECORD_SETS: Final[dict[str, list[dict[str, Any]]]] = {
    "one of each kind": [{"text": "a", "flag": True, "int": 1, "double": 1.5, "list": [1, 2], "object": {"a": 1}}],
    "fields that come later": [{"a": 1}, {"b": "x"}, {"a": 2, "c": {"d": True}}, {"c": {"e": [None, 1.5]}}],
    "missing and null": [{"a": None}, {}, {"a": 1, "b": None}, {"b": {"c": None}}],
    "integers of 64 bits": [{"a": 9_223_372_036_854_775_807}, {"a": -9_223_372_036_854_775_808}, {"a": 2**53 + 1}],
    "integers among fractions": [{"a": 1}, {"a": 1.5}, {"a": -(2**53)}, {"a": 1e300}, {"a": 5e-324}, {"a": -0.0}],
    "nested": [{"a": [[{"b": [{"c": [1]}]}], [], None]}, {"a": None}, {"a": [[{"b": None}, None]]}],
    "empty containers": [
        {"a": {}, "b": [], "c": [{}], "d": [[]]},
        {"a": None, "b": [None, None], "c": [], "d": [None]},
    ],
    "only nulls": [{"a": None, "b": [None], "c": {"d": None}}],
    "no fields at all": [{}, {}],
    "text that looks like something else": [{"a": "2026-02-10T14:00:00Z", "b": "2026-02-10", "c": "1", "d": "null"}],
    "unicode": [{"a": "zażółć 😀 \u2028 \u0000 \ufeff"}, {"ключ": {"😀": '\\"\n\r\t/'}}],
    "odd names": [{"": 1, " ": 2, "a.b": 3, "a/b": 4, "a-b": 5, "1a": 6, "_": 7, "_x2D_": 8, "-type": 9, "a\nb": 10}],
    "odd names inside": [{"a": {"-type": "a", "b c": [{"d e": 1}]}}, {"a": {"-type": "orders.a", "": None}}],
    "names of methods": [{"items": 1, "get": 2, "keys": {"values": 3}, "__class__": 4, "fields": 5}],
    "a thousand columns": [{f"column{i}": i for i in range(1_000)}, {"column7": 8}],
    "deep": [json.loads('{"a":' * 30 + "1" + "}" * 30)],
    "large text": [{"a": "x" * 2_000_000}, {"a": ""}],
}


class FormatterConformance:
    """The tests."""

    @pytest.fixture
    def formatter(self) -> Formatter[Any]:
        """Return the formatter to be tested."""
        raise NotImplementedError

    def read(self, file: bytes) -> list[Any]:
        """Return the records of a file as JSON values."""
        raise NotImplementedError

    @pytest.mark.parametrize("records", RECORD_SETS.values(), ids=RECORD_SETS.keys())
    def test_reads_back_equal(self, formatter: Formatter[Any], records: list[dict[str, Any]]) -> None:
        """Every record is in the file, in order, with all that it holds."""
        file = self.write(formatter, [json.dumps(record).encode() for record in records])

        assert without_nulls(self.read(file)) == without_nulls(records)

    def test_reads_back_equal_whatever_came_before(self, formatter: Formatter[Any]) -> None:
        """One formatter writes many files; none suffers from what the others held."""
        for number, records in [*enumerate(RECORD_SETS.values())] * 2:
            values = [json.dumps({name: records}).encode() for name in ("first", "second")]
            file = self.write(formatter, values, topic=f"topic-{number}")

            assert without_nulls(self.read(file)) == without_nulls([{"first": records}, {"second": records}])

    def test_topics_do_not_mix(self, formatter: Formatter[Any]) -> None:
        """What one topic's records look like has no effect on another's."""
        self.write(formatter, [b'{"a":"text"}'], topic="letters")

        assert self.read(self.write(formatter, [b'{"a":1}'], topic="numbers")) == [{"a": 1}]

    def test_rejects_what_is_no_json(self, formatter: Formatter[Any]) -> None:
        """All records that are not JSON in UTF-8 are named at once, and no others."""
        bad = [
            b"",
            b" ",
            b"{",
            b'{"a":1}\n{"b":2}',
            b'{"a":NaN}',
            b'{"a":"\xff"}',
            b'{"a":"\\ud800"}',
            b"\xef\xbb\xbf{}",
        ]
        values = [b'{"a":1}', *bad, b'{"a":2}']

        with pytest.raises(RejectedRecords) as caught:
            formatter.format(make_batch(values), io.BytesIO())

        assert list(caught.value.reasons) == list(range(1, len(bad) + 1))
        assert not caught.value.others_durable

    def test_takes_the_others_after_a_rejection(self, formatter: Formatter[Any]) -> None:
        """A rejected record leaves nothing behind in the files that follow."""
        with pytest.raises(RejectedRecords):
            formatter.format(make_batch([b'{"a":1}', b'{"a":']), io.BytesIO())

        assert self.read(self.write(formatter, [b'{"b":1}'])) == [{"b": 1}]

    def test_takes_pretty_printed_records(self, formatter: Formatter[Any]) -> None:
        """A record may span lines, and end with one."""
        values = [b'{\n  "a": {\n    "b": "x\\ny"\n  }\n}', b'{"a":\r\n{"b":"2"}}\r\n', b'{"a":{"b":"3"}}\n']

        assert self.read(self.write(formatter, values)) == [{"a": {"b": "x\ny"}}, {"a": {"b": "2"}}, {"a": {"b": "3"}}]

    @pytest.mark.parametrize("count", [1, 2, 3_000])
    def test_counts_the_records_of_a_file(self, formatter: Formatter[Any], count: int) -> None:
        """A file says how many records it holds."""
        file = self.write(formatter, [b'{"a":%d,"b":"%s"}' % (i, b"x" * 500) for i in range(count)])

        assert formatter.count(io.BytesIO(file)) == count

    def test_counts_records_without_fields(self, formatter: Formatter[Any]) -> None:
        """Records count, even if there is nothing in them."""
        assert formatter.count(io.BytesIO(self.write(formatter, [b"{}"] * 3))) == 3  # noqa: PLR2004 - as many as written

    @pytest.mark.parametrize("part", [0.0, 0.3, 0.7, 0.999])
    def test_refuses_to_count_a_part_of_a_file(self, formatter: Formatter[Any], part: float) -> None:
        """A file that was cut off is found out."""
        file = self.write(formatter, [b'{"a":%d,"b":"%s"}' % (i, b"x" * 500) for i in range(3_000)])

        with pytest.raises(ValueError):  # noqa: PT011 - the message is the library's
            formatter.count(io.BytesIO(file[: int(len(file) * part)]))

    @pytest.mark.parametrize("foreign", [b"not a file of ours\n", b"\x00" * 1_000, b"PAR1" * 10, b"Obj\x01" * 10])
    def test_refuses_to_count_what_is_foreign(self, formatter: Formatter[Any], foreign: bytes) -> None:
        """A file of another kind is found out."""
        with pytest.raises(ValueError):  # noqa: PT011 - the message is the library's
            formatter.count(io.BytesIO(foreign))

    def test_writes_several_files_at_a_time(self, formatter: Formatter[Any]) -> None:
        """Threads that share a formatter, and meet new fields all the time, get what they asked for."""

        def write(number: int) -> bool:
            records = [{f"field{number % 7}": {"n": number}, "id": index} for index in range(50)]
            file = self.write(formatter, [json.dumps(record).encode() for record in records])
            return bool(without_nulls(self.read(file)) == records)

        with ThreadPoolExecutor(8) as threads:
            assert all(threads.map(write, range(40)))

    def test_goes_on_with_what_was_learned(self, formatter: Formatter[Any]) -> None:
        """A formatter that is given what another one learned writes the same of the same records."""
        self.write(formatter, [b'{"a":1,"b":[{"c":"x"}],"d":null}', b'{"a":0.5,"b":null,"e":true}'])
        learned = formatter.learned("orders")
        other = type(formatter)(formatter.config)

        if learned is not None:
            other.adopt("orders", learned)

        values = [b'{"e":false}', b'{"a":1}']
        assert self.read(self.write(other, values)) == self.read(self.write(formatter, values))
        assert other.learned("orders") == learned

    def test_has_an_extension_and_a_content_type(self, formatter: Formatter[Any]) -> None:
        """Files can be named, and served."""
        assert formatter.extension.startswith(".")
        assert "/" in formatter.content_type

    def write(self, formatter: Formatter[Any], values: list[bytes], *, topic: str = "orders") -> bytes:
        """Return the file that these values become."""
        out = io.BytesIO()
        formatter.format(make_batch(values, topic=topic), out)
        return out.getvalue()


def without_nulls(value: Any) -> Any:
    """Return a JSON value without the fields that are null: columns don't tell those from missing ones."""
    if isinstance(value, dict):
        return {name: without_nulls(item) for name, item in value.items() if item is not None}

    return [without_nulls(item) for item in value] if isinstance(value, list) else value
