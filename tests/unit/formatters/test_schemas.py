"""What is known of each topic's columns."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from streamhouse_connect import FatalError
from streamhouse_connect.formatters.schemas import MAX_FIELDS, MAX_KEPT, Schemas, decode
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


def test_long_names_stop_the_connector_too() -> None:
    """What is learned has to fit where it is kept."""
    with pytest.raises(FatalError, match=rf"at most {MAX_FIELDS} in {MAX_KEPT} bytes; choose format json"):
        schemas().learn("orders", [{f"{number}{'x' * 1_000}": 1 for number in range(600)}])


def test_what_was_learned_is_adopted() -> None:
    """After a restart the columns are what they were, in their order, before any record is seen."""
    before, after = schemas(), schemas()
    before.learn("orders", [{"b": 1.5, "a": [{"c": "x"}]}])
    kept = before.kept("orders")
    assert kept is not None
    after.adopt("orders", kept)

    assert after.kept("orders") == kept
    assert after.learn("orders", [{"b": 1}]) == before.get("orders")


def test_what_is_adopted_comes_first_and_what_is_known_stays() -> None:
    """Two that learned apart come to the same columns, whose order is that of the one who kept them first."""
    one, other = schemas(), schemas()
    one.learn("orders", [{"a": 1, "x": 1}])
    other.learn("orders", [{"b": 1, "x": 0.5}])
    other.adopt("orders", one.kept("orders") or b"")
    one.adopt("orders", other.kept("orders") or b"")

    plan = one.get("orders")
    assert plan == StructOf({"a": Kind.INT, "x": Kind.DOUBLE, "b": Kind.INT})
    assert [*plan.fields] == ["a", "x", "b"]
    assert one.kept("orders") == other.kept("orders")


def test_adopting_what_is_known_changes_nothing() -> None:
    """Plans are dear."""
    known = schemas()
    plan = known.learn("orders", [{"a": 1}])
    known.adopt("orders", known.kept("orders") or b"")

    assert known.get("orders") is plan


def test_what_cannot_be_read_is_not_adopted() -> None:
    """The connector stops rather than write narrower files."""
    with pytest.raises(FatalError, match="kept of topic orders can't be read: it has version 7"):
        schemas().adopt("orders", b'{"version":7,"shape":{}}')


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
