"""What a COPY sends."""

from __future__ import annotations

import pytest
from psycopg import sql

from streamhouse_connect import FatalError
from streamhouse_postgres_sink._cells import Rules
from streamhouse_postgres_sink._loads import Load
from streamhouse_postgres_sink._rows import Lines, decode
from streamhouse_postgres_sink._types import Column

COLUMNS = [Column("id", "bigint"), Column("note", "text")]
PLAIN = Rules()
FORBIDDEN = b'{"id":1,"note":"\\u0000"}'


def load(*values: bytes, rules: Rules = PLAIN) -> Load:
    """Make a load of records in their order."""
    statement = sql.Composed([sql.SQL("COPY orders (id, note) FROM STDIN")])
    return Load(statement, decode(values), Lines(COLUMNS, rules), range(len(values)))


def test_lines_that_were_made_before_are_sent_first():
    """Each once, in their order, a chunk at a time."""
    made = load(*(b'{"id":%d,"note":"x"}' % n for n in range(1100)))
    assert made.step()
    chunks = [(data.count(b"\n"), wrong) for data, wrong in made.chunks()]
    assert chunks == [(500, {}), (500, {}), (100, {})]
    assert not made.step()
    assert list(made.chunks()) == []


def test_reasons_name_records_wherever_their_chunk_begins():
    """By their index in the batch."""
    made = load(*(b'{"id":%d,"note":"x"}' % n for n in range(600)), FORBIDDEN)
    assert list(made.rejected()) == [600]


def test_what_fails_when_it_is_made_beforehand_fails_again():
    """It is no less a failure for having been met too early."""
    made = load(FORBIDDEN, rules=Rules(nulls="fail"))

    for _ in range(2):
        with pytest.raises(FatalError, match="note"):
            made.step()
