"""Offsets that are kept beside Kafka."""

from __future__ import annotations

from streamhouse_connect import Committed, MemoryDefinitionStore, TopicPartition
from streamhouse_connect.brokers.kafka._offsets import Offsets

A0, A1, B0 = TopicPartition("a", 0), TopicPartition("a", 1), TopicPartition("b", 0)
IDS = {"a": "id-a", "b": "id-b"}


async def test_what_is_written_is_read_beside_what_was_there() -> None:
    """By group."""
    offsets = Offsets(MemoryDefinitionStore())
    await offsets.write("g", {A0: Committed(1, "x")}, IDS)
    await offsets.write("g", {A1: Committed(2), B0: Committed(3)}, IDS)
    await offsets.write("g", {A0: Committed(4)}, IDS)
    assert await offsets.read("g", IDS) == {A0: Committed(4), A1: Committed(2), B0: Committed(3)}
    assert await offsets.read("other", IDS) == {}
    assert await offsets.topics("g") == ["a", "b"]


async def test_offsets_of_a_topic_that_was_made_again_count_for_nothing() -> None:
    """They are left out, and replaced as a whole."""
    offsets = Offsets(MemoryDefinitionStore())
    await offsets.write("g", {A0: Committed(1), A1: Committed(2)}, IDS)
    again = {"a": "id-a2"}
    assert await offsets.read("g", again) == {}
    await offsets.write("g", {A0: Committed(0)}, again)
    assert await offsets.read("g", again) == {A0: Committed(0)}


async def test_a_group_may_be_forgotten() -> None:
    """Also one that never was."""
    offsets = Offsets(MemoryDefinitionStore())
    await offsets.write("g", {A0: Committed(1)}, IDS)
    await offsets.forget("g")
    await offsets.forget("nobody")
    assert await offsets.read("g", IDS) == {}
