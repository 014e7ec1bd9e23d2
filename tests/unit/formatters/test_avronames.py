"""Names as Avro allows them."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamhouse_connect.formatters.avronames import avro_name, original_name


@given(st.text(st.characters(exclude_categories=["Cs"])) | st.text("_xAF0é-", max_size=8))
@example("")
@example("_x_")
@example("_xé")
@example("1_x2D_")
def test_every_name_can_be_escaped_and_read_back(name: str) -> None:
    """Escaped names keep to Avro's rules, and no two names become one."""
    escaped = avro_name(name)

    assert escaped.isascii()
    assert escaped.isidentifier()
    assert original_name(escaped) == name


@pytest.mark.parametrize("name", ["a", "order_id", "_", "pos_x", "_x", "tax_x_1", "A1"])
def test_names_that_avro_allows_are_rarely_touched(name: str) -> None:
    """Only what looks like an escape is."""
    assert avro_name(name) == name or "_x_" in name
