from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from streamhouse_connect.cli import flights
from streamhouse_connect.cli.failures import CommandError
from streamhouse_connect.cli.flights import ALL_COUNT, SAMPLE_COUNT, Flights, all_of_2013, as_records, sample

ROW = "2013,1,1,517,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z"
CANCELLED = "2013,1,1,NA,1630,NA,NA,1815,NA,EV,4308,NA,EWR,RDU,NA,416,16,30,2013-01-01T21:00:00Z"


def the(parts: Iterator[Flights]) -> Flights:
    (found,) = parts
    return found


def test_a_row_becomes_an_object() -> None:
    """Numbers are numbers, and the key is the flight."""
    found = the(as_records([ROW.split(",")])).records
    (value,) = found.values
    assert value is not None
    assert json.loads(value) == {
        "year": 2013, "month": 1, "day": 1, "dep_time": 517, "sched_dep_time": 515, "dep_delay": 2, "arr_time": 830,
        "sched_arr_time": 819, "arr_delay": 11, "carrier": "UA", "flight": 1545, "tailnum": "N14228", "origin": "EWR",
        "dest": "IAH", "air_time": 227, "distance": 1400, "hour": 5, "minute": 15, "time_hour": "2013-01-01T10:00:00Z",
    }  # fmt: skip
    assert found.keys == [b"UA1545"]
    assert found.timestamps == [int(datetime(2013, 1, 1, 10, tzinfo=UTC).timestamp() * 1000)]


def test_what_is_not_available_is_null() -> None:
    """A cancelled flight has the same fields as all others."""
    (value,) = the(as_records([CANCELLED.split(",")])).records.values
    assert value is not None
    parsed = json.loads(value)
    missing = {name for name, found in parsed.items() if found is None}
    assert missing == {"dep_time", "dep_delay", "arr_time", "arr_delay", "tailnum", "air_time"}


def test_the_sample_is_part_of_the_package() -> None:
    """Every value is JSON, and the sum is that of the values."""
    found = the(sample())
    parsed = [json.loads(value) for value in found.records.values if value]
    assert len(found) == len(parsed) == SAMPLE_COUNT
    assert found.distance == sum(flight["distance"] for flight in parsed)
    assert {flight["day"] for flight in parsed} == set(range(1, 8))


def test_the_sample_is_the_first_week_of_the_whole() -> None:
    """Every eighth flight of 1 to 7 January, as the package has them."""
    values = [value for part in all_of_2013(limit=6099) for value in part.records.values]
    assert list(the(sample()).records.values) == values[::8]


def test_all_of_2013_is_all() -> None:
    """336,776 flights over 350,217,607 miles."""
    parts = list(all_of_2013())
    assert sum(map(len, parts)) == ALL_COUNT == 336_776
    assert sum(part.distance for part in parts) == 350_217_607


def test_a_limit_takes_the_first() -> None:
    """Of either source."""
    assert len(the(sample(limit=3))) == 3
    assert sum(map(len, all_of_2013(limit=10_001))) == 10_001


def test_without_the_package_there_is_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not installed with the product."""
    monkeypatch.setattr(flights, "_PACKAGE", "not_installed_here")

    with pytest.raises(CommandError, match="pip install"):
        next(all_of_2013())
