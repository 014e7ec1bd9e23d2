from collections.abc import Iterator

import pytest

from streamhouse_connect.brokers.retention import Extent, expired

EXTENTS = [Extent(10, 100, 1_000), Extent(20, 100, 2_000), Extent(30, 100, 3_000)]


@pytest.mark.parametrize(
    ("now", "start"), [(1_500, None), (2_000, None), (2_001, 10), (3_001, 20), (4_000, 20), (4_001, 30), (10**15, 30)]
)
def test_what_is_older_than_the_time_expires(now: int, start: int | None) -> None:
    """Records go once they are older than the retention, all of them if need be."""
    assert expired(EXTENTS, total=300, retention_ms=1_000, retention_bytes=None, now=now) == start


@pytest.mark.parametrize(
    ("retention_bytes", "start"), [(1_000, None), (300, None), (201, None), (200, 10), (101, 10), (100, 20), (1, 20)]
)
def test_what_is_more_than_the_size_expires(retention_bytes: int, start: int | None) -> None:
    """Records go as long as at least the size remains; the last ones always stay."""
    assert expired(EXTENTS, total=300, retention_ms=None, retention_bytes=retention_bytes, now=10**15) == start


def test_whichever_limit_is_reached_first_counts() -> None:
    """With both limits, records go that have passed either."""
    assert expired(EXTENTS, total=300, retention_ms=1_000, retention_bytes=100, now=2_500) == 20
    assert expired(EXTENTS, total=300, retention_ms=1_000, retention_bytes=200, now=3_500) == 20


def test_without_limits_nothing_expires() -> None:
    """Retention is off by default."""
    assert expired(EXTENTS, total=300, retention_ms=None, retention_bytes=None, now=10**15) is None


def test_an_old_record_behind_a_young_one_stays() -> None:
    """A log loses its beginning only: after a clock was set back, the order of times is not that of offsets."""
    extents = [Extent(10, 100, 5_000), Extent(20, 100, 1_000)]

    assert expired(extents, total=200, retention_ms=1_000, retention_bytes=None, now=5_500) is None


def test_only_what_expires_is_looked_at() -> None:
    """The extents of a long log are not all taken."""
    taken = []

    def extents() -> Iterator[Extent]:
        for extent in EXTENTS:
            taken.append(extent)
            yield extent

    expired(extents(), total=300, retention_ms=1_000, retention_bytes=None, now=2_500)

    assert taken == EXTENTS[:2]
