from __future__ import annotations

import attrs
import pytest

from streamhouse_connect import Batch, FatalError
from streamhouse_connect.testing import make_batch
from streamhouse_postgres_sink._names import TablePattern, parse_table_name
from streamhouse_postgres_sink._parts import Part, parts
from streamhouse_postgres_sink._rows import decode


def divided(*topics: str, table: str = "{topic}") -> list[Part]:
    batch = Batch.concat([make_batch([b'{"a":"\\n"}', b'{"b":1}'], topic=topic) for topic in topics])
    decoded = attrs.evolve(decode(batch.values), tombstones={1: 100})
    return parts(batch, decoded, TablePattern(parse_table_name(table)))


def test_each_topic_goes_to_its_table():
    """In the order of the tables, that two batches may not wait for each other."""
    first, second = divided("y", "x", "y")
    assert (str(first.table), first.indexes) == ('"x"', [2, 3])
    assert (str(second.table), second.indexes) == ('"y"', [0, 1, 4, 5])
    assert [list(record) for record in second.decoded.records] == [["a"], ["b"], ["a"], ["b"]]
    assert second.decoded.escapes == {0, 2}
    assert (first.decoded.tombstones, second.decoded.tombstones) == ({}, {1: 100})
    assert first.located({1: "why"}) == {3: "why"}


@pytest.mark.parametrize(("topics", "table"), [(("x",), "{topic}"), (("x", "y"), "orders")])
def test_records_of_one_table_stay_together(topics: tuple[str, ...], table: str):
    """Nothing is copied for them."""
    (part,) = divided(*topics, table=table)
    assert part.indexes == range(2 * len(topics))


def test_a_topic_that_can_have_no_table_fails():
    """No retry would help."""
    with pytest.raises(FatalError, match=r"64 bytes.*choose another table\.name"):
        divided("x" * 64)


@pytest.mark.parametrize("table", ["{topic}", "sales.{topic}", '"streamhouse_{topic}"'])
def test_no_topic_goes_to_the_table_of_offsets(table: str):
    """Which a record could move then."""
    topic = "offsets" if "streamhouse" in table else "streamhouse_offsets"

    with pytest.raises(
        FatalError, match=rf'"streamhouse_offsets" of topic {topic}, where offsets are kept; take the topic'
    ):
        divided("x", topic, table=table)
