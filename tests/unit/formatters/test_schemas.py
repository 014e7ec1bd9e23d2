"""What is known of each topic's columns."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from streamhouse_connect import FatalError
from streamhouse_connect.formatters.schemas import MAX_FIELDS, Schemas, decode
from streamhouse_connect.formatters.shapes import Kind, StructOf
from streamhouse_connect.values import json_lines


def schemas() -> Schemas[StructOf]:
    """Return schemas whose plan is the shape itself."""
    return Schemas(lambda _topic, shape: shape)


def test_a_topic_is_unknown_until_it_is_learned() -> None:
    """There is no plan before the first records."""
    known = schemas()

    assert known.get("orders") is None
    assert known.learn("orders", [{"a": 1}]) == StructOf({"a": Kind.INT})
    assert known.get("orders") == StructOf({"a": Kind.INT})
    assert known.get("returns") is None


def test_records_without_fields_are_learned_too() -> None:
    """A topic of empty objects has a plan."""
    assert schemas().learn("orders", [{}]) == StructOf({})


def test_what_is_learned_is_never_lost() -> None:
    """Later records widen the columns, and never narrow them."""
    known = schemas()
    known.learn("orders", [{"a": 1}, {"b": "x"}])
    known.learn("orders", [{"a": 0.5}])

    assert known.learn("orders", [{"a": 1}]) == StructOf({"a": Kind.DOUBLE, "b": Kind.STRING})


def test_the_plan_stays_the_same_while_nothing_is_new() -> None:
    """Making a plan is dear; it is made once for each shape."""
    known = schemas()
    plan = known.learn("orders", [{"a": 1}])

    assert known.learn("orders", [{"a": 2}, {}]) is plan


def test_threads_that_learn_at_the_same_time_lose_nothing() -> None:
    """Each finds what the others have learned."""
    known = schemas()
    start = threading.Barrier(8)

    def learn(number: int) -> None:
        start.wait()

        for index in range(50):
            known.learn("orders", [{f"field{number}-{index}": number}])

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(learn, range(8)))

    plan = known.get("orders")
    assert plan is not None
    assert set(plan.fields) == {f"field{number}-{index}" for number in range(8) for index in range(50)}


def test_too_many_columns_stop_the_connector_with_a_remedy() -> None:
    """Records whose keys are data would make files that nobody can read; what was known stays as it was."""
    known = schemas()
    known.learn("orders", [{"a": 1}])

    with pytest.raises(FatalError, match=r"topic orders have 10001 different fields.*choose format json"):
        known.learn("orders", [{f"key{number}": 1} for number in range(MAX_FIELDS)])

    assert known.get("orders") == StructOf({"a": Kind.INT})


def test_rows_are_what_python_reads() -> None:
    """Numbers are exact, the last of doubled keys wins."""
    values = [b'{"a":9007199254740993,"b":0.1,"c":-0.0}', b'{"a":1,"a":2}', b'{"a":123456789012345678901234567890}']

    assert decode(json_lines(values)) == [json.loads(value) for value in values]


def test_numbers_beyond_python_stay_text() -> None:
    """Such a number keeps every digit, and its neighbours are not touched by it."""
    long = b"9" * 5_000
    rows = decode(json_lines([b'{"a":1e400,"b":-1E999,"c":1.5}', b'{"a":[' + long + b"]}", b'{"a":1}']))

    assert rows[0] == {"a": msgspec.Raw(b"1e400"), "b": msgspec.Raw(b"-1E999"), "c": 1.5}
    assert rows[1] == {"a": [msgspec.Raw(long)]}
    assert rows[2] == {"a": 1}
