"""What the formats share about what is around values."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from streamhouse_connect import Batch, option
from streamhouse_connect.config import load
from streamhouse_connect.formatters.envelopes import (
    COLUMNS,
    VALUE_COLUMN,
    Envelope,
    EnvelopeOption,
    base64_text,
    raw_rows,
    text_or_none,
)
from streamhouse_connect.testing import make_batch


@attrs.frozen(kw_only=True)
class Config:
    """As formatters declare it."""

    envelope: EnvelopeOption = option("envelope", default="false", doc="What is around values.")


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({}, Envelope.NONE),
        ({"envelope": False}, Envelope.NONE),
        ({"envelope": "false"}, Envelope.NONE),
        ({"envelope": True}, Envelope.RECORD),
        ({"envelope": "true"}, Envelope.RECORD),
        ({"envelope": "raw"}, Envelope.RAW),
    ],
)
def test_the_option_is_read_from_words_and_booleans(given: dict[str, Any], read: Envelope) -> None:
    """A user may write true as JSON does, or as text."""
    assert Envelope(load([Config], given).get(Config).envelope) is read


def test_a_raw_row_has_all_of_a_record_as_it_came() -> None:
    """In the order of the columns; a time that is not known is none."""
    batch = Batch.concat(
        [
            make_batch(
                [b"\xff"], first_offset=7, keys=[b"\x00"], timestamps=[5], headers=[(("h", b"\xfe"), ("h", None))]
            ),
            make_batch([None], topic="other", partition=3),
        ]
    )
    first, second = raw_rows(batch)

    assert first == ("orders", 0, 7, 5, b"\x00", (("h", b"\xfe"), ("h", None)), b"\xff")
    assert second == ("other", 3, 0, None, None, (), None)
    assert len(first) == len((*COLUMNS, VALUE_COLUMN))


def test_bytes_are_text_where_they_are_utf_8() -> None:
    """And never half of it."""
    assert text_or_none("zażółć".encode()) == "zażółć"
    assert text_or_none(b"a\xff") is None
    assert text_or_none(b"\xed\xa0\x80") is None


def test_bytes_become_base64_and_nothing_stays_nothing() -> None:
    """On one line, however long."""
    assert base64_text(None) is None
    assert base64_text(b"") == ""
    assert base64_text(b"\xff" * 100) == "/" * 132 + "/w=="
