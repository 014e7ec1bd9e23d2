from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhouse_connect import TopicPartition
from streamhouse_connect.testing import make_batch
from streamhouse_elasticsearch_sink._indexes import IndexTemplate
from streamhouse_elasticsearch_sink._templates import Rows

NOON = 1_770_724_800_000
"""2026-02-10T12:00:00Z."""


def name(template: str, value: bytes = b"{}", *, timestamp: int = NOON) -> str:
    batch = make_batch([value], timestamps=[timestamp])
    return IndexTemplate(template).name(Rows(batch, [value]), batch.spans[0].tp, 0)


@pytest.mark.parametrize(
    ("template", "topic", "index"),
    [
        ("orders", "anything", "orders"),
        ("{topic}", "orders", "orders"),
        ("{topic}", "My.Orders_1-x", "my.orders_1-x"),
        ("Logs-{topic}-V1", "A", "logs-a-v1"),
        ("x-{topic}", "_orders", "x-_orders"),
        ("{topic}.{topic}", "a", "a.a"),
        ("x-{topic}-{partition}", "a", "x-a-3"),
    ],
)
def test_the_topic_takes_its_place_and_the_name_is_lowered(template: str, topic: str, index: str):
    """Elasticsearch knows no upper case in names of indexes."""
    assert IndexTemplate(template).fixed(TopicPartition(topic, 3)) == index


@pytest.mark.parametrize(
    "template",
    [
        "*", "a*", "_all", "-a", "+a", ".kibana", ".", "..", "a,b", "a b", "a/b", "a\\b", "a?", 'a"', "<a-{now/d}>", "<a>",
        "a|b", "a#b", "a:b", "a%3Cb", "{}", "{offset}", "{key}", "{timestamp}", "{timestamp:}", "{timestamp:%y}", "{timestamp:Y}", "{field:}", "{topic", "topic}", "{{topic}}", "a\n", "", " ", "x" * 256, "a-{timestamp:%Y/%m}", "a-{timestamp:%Y *}", "a-{field:t|*}", "a-{field:t|b c}", "{field:t|_all}",
        "_{topic}", "-{topic}",
    ],
)  # fmt: skip
def test_a_template_that_makes_no_index_is_refused(template: str):
    """Wildcards, date math, lists, hidden and system indexes, and unknown placeholders."""
    with pytest.raises(ValueError, match=r"holds|starts|longer|placeholder|directive|%y|outer.inner"):
        IndexTemplate(template)


@pytest.mark.parametrize(
    "topic", ["_all", "-a", "+a", ".kibana", "*", "a*", "a,b", "<a-{now/d}>", "a/b", "", "x" * 250]
)
def test_a_topic_that_makes_no_index_is_refused(topic: str):
    """The message names the topic, the name and the remedy."""
    template = IndexTemplate("{topic}" if len(topic) < 250 else "prefix-{topic}")

    with pytest.raises(ValueError, match=re.escape(f"of topic {topic!r}")):
        template.fixed(TopicPartition(topic, 0))


@given(st.text(max_size=300))
def test_no_topic_leads_to_another_kind_of_index(topic: str):
    """Whatever a topic is called: its index is a plain name that begins with the template's prefix, or an error."""
    try:
        name = IndexTemplate("logs-{topic}").fixed(TopicPartition(topic, 0))
    except ValueError:
        return

    assert name.startswith("logs-")
    assert name == name.lower()
    assert len(name.encode()) <= 255
    assert not set(name) & set('\\/*?"<>| ,#:%\n\r\t')


@pytest.mark.parametrize(
    ("template", "index"),
    [
        ("logs-{timestamp:%Y.%m.%d}", "logs-2026.02.10"),
        ("logs-{timestamp:%Y-%j}t{timestamp:%H%M}", "logs-2026-041t1200"),
        ("logs-{field:tenant}", "logs-acme"),
        ("logs-{field:number}-{field:deep.er}", "logs-7-x"),
        ("logs-{field:missing|Other}", "logs-other"),
        ("logs-{field:null|other}{field:empty|}", "logs-other"),
        ("{topic}-{partition}-{field:tenant}", "orders-0-acme"),
    ],
)
def test_names_of_records(template: str, index: str):
    """By their time in UTC and by their fields, with a default where there is none."""
    assert name(template, b'{"tenant":"ACME","number":7,"deep":{"er":"x"},"null":null,"empty":""}') == index


@pytest.mark.parametrize(
    ("tenant", "index"),
    [
        ("ACME", "logs-acme"),
        ("acme", "logs-acme"),
        ("\u0130", "logs-i\u0307"),
        ("\u212a", "logs-k"),
        ("\u1e9e", "logs-ß"),
    ],
)
def test_what_is_lowered_may_meet(tenant: str, index: str):
    """As Elasticsearch wants names: letters that differ in their case alone lead to one index."""
    assert name("logs-{field:tenant}", json.dumps({"tenant": tenant}).encode()) == index


def test_a_letter_that_grows_when_it_is_lowered_counts_as_long_as_it_becomes():
    """The limit is that of the name as it is sent."""
    assert len(name("l{field:t}", json.dumps({"t": "\u0130" * 84}).encode()).encode()) == 253

    with pytest.raises(ValueError, match="longer than 255"):
        name("l{field:t}", json.dumps({"t": "\u0130" * 85}).encode())


@pytest.mark.parametrize("timestamp", [NOON - 43_200_000, NOON + 43_199_999])
def test_a_day_ends_at_midnight_in_utc(timestamp: int):
    """The first and the last millisecond of a day."""
    assert name("logs-{timestamp:%d}", timestamp=timestamp) == "logs-10"


def test_records_that_lead_to_no_index():
    """Each with the reason."""
    for template, timestamp, reason in (
        ("logs-{timestamp:%Y}", -1, "no timestamp"),
        ("logs-{timestamp:%Y}", 1 << 60, "no date"),
        ("logs-{field:tenant}", NOON, "tenant is missing, null or empty"),
    ):
        with pytest.raises(ValueError, match=reason):
            name(template, timestamp=timestamp)


HOSTILE = [
    "_all",
    "*",
    "a,b",
    ",other",
    "<logs-{now/d}>",
    "%3C",
    "../x",
    "a b",
    "a\nb",
    "a#b",
    "a:b",
    "x" * 256,
    "\x00",
    "é" * 128,
]


@pytest.mark.parametrize("tenant", HOSTILE)
def test_no_field_leads_out_of_the_prefix(tenant: str):
    """What could be more than a name is rejected; what can't, is behind the prefix."""
    value = json.dumps({"tenant": tenant}).encode()

    if tenant == "_all":
        assert name("logs-{field:tenant}", value) == "logs-_all"
        return

    with pytest.raises(ValueError, match=r"and an index can't|longer than 255"):
        name("logs-{field:tenant}", value)


@pytest.mark.parametrize("tenant", [*HOSTILE, ".kibana", "-x", "+x", "_x", ".", ".."])
def test_without_a_prefix_special_names_are_rejected_all_the_same(tenant: str):
    """Neither all indexes, nor hidden ones."""
    with pytest.raises(ValueError, match=r"and an index can't|longer than 255"):
        name("{field:tenant}", json.dumps({"tenant": tenant}).encode())


@given(st.text(max_size=300))
def test_every_name_begins_with_the_prefix(tenant: str):
    """Whatever a record says."""
    try:
        found = name("LogΣ{field:tenant|x}", json.dumps({"tenant": tenant}).encode())
    except ValueError:
        return

    assert found.startswith(IndexTemplate("LogΣ{field:tenant|x}").prefix)
    assert len(found.encode()) <= 255
    assert not set(found) & set('\\/*?"<>| ,#:%\n\r\t')


@pytest.mark.parametrize(
    ("template", "prefix", "pattern", "is_fixed"),
    [
        ("Orders", "orders", "orders", True),
        ("logs-{topic}-{partition}", "logs-", "logs-*-*", True),
        ("logs-{topic}{partition}", "logs-", "logs-*", True),
        ("{topic}", "", "*", True),
        ("logs-{timestamp:%Y}", "logs-", "logs-*", False),
        ("logs-{field:a}x", "logs-", "logs-*x", False),
    ],
)
def test_what_is_known_of_the_names(template: str, prefix: str, pattern: str, *, is_fixed: bool):
    """How they begin, what an index template has to match, and whether records matter."""
    index = IndexTemplate(template)
    assert (index.prefix, index.pattern, index.is_fixed) == (prefix, pattern, is_fixed)


@pytest.mark.parametrize(
    ("template", "topics", "shared"),
    [
        ("all", ["a", "b", "c"], [("a", "b"), ("a", "c")]),
        ("{topic}", ["a", "b"], []),
        ("{topic}", ["A", "a"], [("A", "a")]),
        ("x-{topic}-{timestamp:%Y}", ["a", "a-b"], []),
        ("x-{topic}-{timestamp:%Y}", ["b", "B"], [("B", "b")]),
        ("x-{field:f}", ["a", "b"], [("a", "b")]),
        ("x-{topic}{partition}", ["a", "a1"], [("a", "a1")]),
        ("x-{topic}-{field:f}", ["a", "a-b"], [("a", "a-b")]),
        ("x-{topic}-{field:f}", ["a", "b"], []),
        ("x-{field:f}-{topic}", ["a", "b"], [("a", "b")]),
        ("all", ["a"], []),
    ],
)
def test_topics_that_may_share_an_index(template: str, topics: list[str], shared: list[tuple[str, str]]):
    """Because of their letters' case, because the name does not tell them apart, or because a record may make them equal."""
    assert list(IndexTemplate(template).shared(topics)) == shared
