"""Paths of one's own pattern."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from streamhouse_connect import ConfigError, RejectedRecords
from streamhouse_connect.config import load
from streamhouse_connect.partitioners import NO_PARTITION, PatternPartitioner
from streamhouse_connect.partitioners.pattern import PatternConfig
from streamhouse_connect.testing import make_batch

NOON = 1_770_724_800_000  # 2026-02-10T12:00:00Z
A, B = {"tenant": "a"}, {"tenant": "b"}


def split(
    path: str, values: Sequence[object], timestamps: Sequence[int] | None = None, **options: str
) -> dict[str, list[int]]:
    """Return the indexes of each path."""
    partitioner = PatternPartitioner(PatternConfig(path=path, **options))
    batch = make_batch(
        [json.dumps(value).encode() for value in values], timestamps=timestamps or [NOON] * len(values), partition=7
    )
    return {path: list(indexes) for path, indexes in partitioner.split(batch)}


def test_time_and_fields_make_a_path() -> None:
    """As the pattern says."""
    assert split("dt=%Y-%m-%d/tenant={field:tenant}", [A, B, A, A], [NOON, NOON, NOON, NOON * 2]) == {
        "dt=2026-02-10/tenant=a": [0, 2],
        "dt=2026-02-10/tenant=b": [1],
        "dt=2082-03-23/tenant=a": [3],
    }


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("%Y/%m/%d/%H/%M", "2026/02/10/12/00"),
        ("week=%G-W%V", "week=2026-W07"),
        ("day=%Y%j", "day=2026041"),
        ("p={partition}/x", "p=7/x"),
        ("raw", "raw"),
        ("by {field:tenant}!", "by a!"),
        ("{field:tenant}/%Y/{field:no such}", f"a/2026/{NO_PARTITION}"),
        ("été=%Y/{field:tenant}", "été=2026/a"),
    ],
)
def test_a_pattern_may_hold(path: str, found: str) -> None:
    """Directives of a fixed number of digits, fields, the partition, and text."""
    assert split(path, [A]) == {found: [0]}


def test_zone_and_field_of_the_time_count() -> None:
    """As for hourly and daily."""
    values = [{"at": "2026-02-10T23:30:00Z", "tenant": "a"}]
    path = "%d-%H/{field:tenant}"
    assert split(path, values, timezone="Europe/Berlin", timestamp="field:at") == {"11-00/a": [0]}


def test_each_segment_tells_what_is_missing_in_it() -> None:
    """So that Hive's tables keep their columns; without a name, the segment is Hive's."""
    path = "dt=%Y-%m-%d/h=%H/tenant={field:tenant}"
    none = NO_PARTITION
    assert split(path, [A, {}], [-1, -1]) == {
        f"dt={none}/h={none}/tenant=a": [0],
        f"dt={none}/h={none}/tenant={none}": [1],
    }
    assert split("day %d/x", [A], [-1]) == {f"{none}/x": [0]}


def test_values_stay_in_their_segment() -> None:
    """Dots and slashes are no way out of it."""
    values = [{"t": ".."}, {"t": "../.."}, {"t": ""}, {"t": NO_PARTITION}, {}]
    assert split("{field:t}", values).keys() == {"%2E.", "..%2F..", "__EMPTY__", f"%5F{NO_PARTITION[1:]}", NO_PARTITION}


def test_a_path_that_is_too_long_is_rejected() -> None:
    """With the reason."""
    with pytest.raises(RejectedRecords, match="1,007 bytes"):
        split("tenant={field:tenant}", [{"tenant": "x" * 1000}])


def test_the_wall_clock_is_said_to_weaken_only_where_it_is_used() -> None:
    """A pattern without a time does not look at it."""
    made = {
        path: PatternPartitioner(PatternConfig(path=path, timestamp="wallclock")) for path in ("dt=%Y", "{field:t}")
    }
    assert {path: partitioner.weakened is not None for path, partitioner in made.items()} == {
        "dt=%Y": True,
        "{field:t}": False,
    }


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("", "is required by partitioning=pattern: a path such as dt="),
        ("dt=%y", "holds '%y', which has no meaning here; there are %Y"),
        ("dt=%Y-%", "holds '%'"),
        ("100%%", "holds '%%'"),
        ("t={tenant}", "holds '{tenant}', which has no meaning here; there are .*{field:NAME}"),
        ("t={field:}", "holds '{field:}'"),
        ('t={field:"}', "must not hold quotes"),
        ("{topic}/dt=%Y", "every path begins with the topic already"),
        ("t={field:a", "has a { without its counterpart"),
        ("t=a}", "has a } without its counterpart"),
        ("/dt=%Y", "leave out slashes"),
        ("dt=%Y/", "leave out slashes"),
        ("a//b", "leave out slashes"),
        ("a/../b", "must not be . or .."),
        ("a\\b", "backslashes"),
        ("a\nb", "control characters"),
        ("{field:a}-{field:b}", "put a slash between them"),
        ("%Y-{field:a}", "put a slash between them"),
        ("{partition}{field:a}", "put a slash between them"),
        ("x" * 250, "at most 249 bytes"),
    ],
)
def test_a_pattern_that_can_mean_nothing_is_refused(path: str, message: str) -> None:
    """Before anything is read, with the key, the value and what to do."""
    with pytest.raises(ConfigError, match=message) as caught:
        load([PatternConfig], {"partitioning.path": path})

    assert [problem.field for problem in caught.value.problems] == ["config.partitioning.path"]


def test_all_that_is_wrong_is_said_at_once() -> None:
    """The path, the time and the zone."""
    wrong = {"partitioning.path": "%x", "partitioning.timestamp": "now", "partitioning.timezone": "here"}

    with pytest.raises(ConfigError) as caught:
        load([PatternConfig], wrong)

    assert {problem.field for problem in caught.value.problems} == {f"config.{key}" for key in wrong}
