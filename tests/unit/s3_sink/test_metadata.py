"""The metadata of an object: it fits, it is ASCII, and it says whose the object is."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhouse_connect import ObjectInfo
from streamhouse_s3_sink._metadata import claim_in, metadata_of

INFO = ObjectInfo(
    identity="uid/0/topic-id",
    topic="orders",
    partition=3,
    first_offset=100,
    last_offset=199,
    count=90,
    content_type="application/json",
)


def test_what_the_metadata_says() -> None:
    """Every value can be read by people."""
    assert metadata_of(INFO, checksum="sha256:00") == {
        "streamhouse-identity": "uid/0/topic-id",
        "streamhouse-topic": "orders",
        "streamhouse-partition": "3",
        "streamhouse-first-offset": "100",
        "streamhouse-last-offset": "199",
        "streamhouse-count": "90",
        "streamhouse-checksum": "sha256:00",
    }


@given(identity=st.text(max_size=400), topic=st.text(max_size=400), offset=st.integers(0, 2**63 - 1))
def test_any_identity_and_topic_fits(identity: str, topic: str, offset: int) -> None:
    """The limit is 2 KB in ASCII, and what is read back belongs to the writer."""
    info = attrs.evolve(INFO, identity=identity, topic=topic, first_offset=offset, last_offset=offset)
    metadata = metadata_of(info, checksum="sha256:" + "0" * 64)
    claim = claim_in(metadata)

    assert sum(len(key) + len(value) for key, value in metadata.items()) < 2048
    assert all(text.isascii() and text.isprintable() and text == text.strip() for text in metadata.values())
    assert claim is not None
    assert claim.belongs_to(info)


@given(first=st.text(max_size=200), second=st.text(max_size=200))
def test_two_topics_never_look_alike(first: str, second: str) -> None:
    """Quoting and shortening keep apart what is apart."""
    claim = claim_in(metadata_of(attrs.evolve(INFO, topic=first), checksum=""))

    assert claim is not None
    assert claim.belongs_to(attrs.evolve(INFO, topic=second)) == (first == second)


@pytest.mark.parametrize(
    "other",
    [{"identity": "uid/1/topic-id"}, {"topic": "refunds"}, {"partition": 4}, {"first_offset": 99}],
)
def test_what_differs_belongs_to_somebody_else(other: dict[str, object]) -> None:
    """Another epoch, topic, partition or first offset is another writer's object."""
    claim = claim_in(metadata_of(INFO, checksum=""))

    assert claim is not None
    assert not claim.belongs_to(attrs.evolve(INFO, **other))  # type: ignore[arg-type]  # by name


@pytest.mark.parametrize("last", [100, 150, 5000])
def test_a_batch_that_was_cut_differently_is_the_same_writers(last: int) -> None:
    """The last offset says how far the object goes, not whose it is."""
    claim = claim_in(metadata_of(attrs.evolve(INFO, last_offset=last), checksum=""))

    assert claim is not None
    assert claim.belongs_to(INFO)
    assert claim.last_offset == last


def test_an_object_that_ends_before_it_begins_is_nobodys() -> None:
    """Such metadata was not written by this sink."""
    claim = claim_in(metadata_of(attrs.evolve(INFO, last_offset=99), checksum=""))

    assert claim is not None
    assert not claim.belongs_to(INFO)


def test_stores_that_change_the_case_of_keys() -> None:
    """`Streamhouse-Identity` is read as well."""
    metadata = {key.title(): value for key, value in metadata_of(INFO, checksum="").items()}
    claim = claim_in(metadata)

    assert claim is not None
    assert claim.belongs_to(INFO)


@pytest.mark.parametrize(
    "broken", [{}, {"mtime": "1"}, {**metadata_of(INFO, checksum=""), "streamhouse-last-offset": "x"}]
)
def test_metadata_of_somebody_else(broken: dict[str, str]) -> None:
    """What does not say everything says nothing."""
    assert claim_in(broken) is None
