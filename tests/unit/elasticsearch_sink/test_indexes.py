from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhouse_elasticsearch_sink._indexes import IndexTemplate


@pytest.mark.parametrize(
    ("template", "topic", "index"),
    [
        ("orders", "anything", "orders"),
        ("{topic}", "orders", "orders"),
        ("{topic}", "My.Orders_1-x", "my.orders_1-x"),
        ("Logs-{topic}-V1", "A", "logs-a-v1"),
        ("x-{topic}", "_orders", "x-_orders"),
        ("{topic}.{topic}", "a", "a.a"),
    ],
)
def test_the_topic_takes_its_place_and_the_name_is_lowered(template: str, topic: str, index: str):
    """Elasticsearch knows no upper case in names of indexes."""
    assert IndexTemplate(template).index(topic) == index


@pytest.mark.parametrize(
    "template",
    [
        "*", "a*", "_all", "-a", "+a", ".kibana", ".", "..", "a,b", "a b", "a/b", "a\\b", "a?", 'a"', "<a-{now/d}>", "<a>",
        "a|b", "a#b", "a:b", "a%3Cb", "{partition}", "{}", "{topic", "topic}", "{{topic}}", "a\n", "", " ", "x" * 256,
        "_{topic}", "-{topic}",
    ],
)  # fmt: skip
def test_a_template_that_makes_no_index_is_refused(template: str):
    """Wildcards, date math, lists, hidden and system indexes, and unknown placeholders."""
    with pytest.raises(ValueError, match=r"holds|starts|longer|placeholder"):
        IndexTemplate(template)


@pytest.mark.parametrize(
    "topic", ["_all", "-a", "+a", ".kibana", "*", "a*", "a,b", "<a-{now/d}>", "a/b", "", "x" * 250]
)
def test_a_topic_that_makes_no_index_is_refused(topic: str):
    """The message names the topic, the name and the remedy."""
    with pytest.raises(ValueError, match=re.escape(f"of topic {topic!r}")):
        IndexTemplate("{topic}" if len(topic) < 250 else "prefix-{topic}").index(topic)


@given(st.text(max_size=300))
def test_no_topic_leads_to_another_kind_of_index(topic: str):
    """Whatever a topic is called: its index is a plain name that begins with the template's prefix, or an error."""
    try:
        name = IndexTemplate("logs-{topic}").index(topic)
    except ValueError:
        return

    assert name.startswith("logs-")
    assert name == name.lower()
    assert len(name.encode()) <= 255
    assert not set(name) & set('\\/*?"<>| ,#:%\n\r\t')
