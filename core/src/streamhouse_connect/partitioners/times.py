"""The time by which records are filed: their own, that of a field, or the wall clock's; and in which time zone."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import attrs

from streamhouse_connect.config import option
from streamhouse_connect.errors import Problem
from streamhouse_connect.partitioners.fields import wrong_with_name
from streamhouse_connect.records import NO_TIMESTAMP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from streamhouse_connect.records import Batch

__all__ = ["TimeConfig", "Times", "milliseconds"]

_FIELD: Final = "field:"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_DATE_LENGTH: Final = 10
_WEAKENED: Final = (
    "partitioning.timestamp=wallclock files a record by when it is read: one that is read again after a crash may be filed, "
    "and so written, a second time"
)


@attrs.frozen(kw_only=True)
class TimeConfig:
    """By which time, in which zone."""

    timestamp: str = option(
        "partitioning.timestamp",
        default="record",
        identity=True,
        doc="For hourly, daily and pattern: the time that a record is filed by. record: its timestamp; field:NAME: a field of "
        "its value, in ISO 8601 or as seconds, milli-, micro- or nanoseconds since the epoch; wallclock: when it is read, "
        "which is not exactly-once.",
    )
    timezone: str = option(
        "partitioning.timezone",
        default="UTC",
        identity=True,
        doc="For hourly, daily and pattern: the time zone that paths are in, such as Europe/Berlin.",
    )

    def problems(self) -> Iterator[Problem]:
        """Find what is wrong with each."""
        is_field = self.timestamp.startswith(_FIELD) and len(self.timestamp) > len(_FIELD)

        if self.timestamp not in {"record", "wallclock"} and not is_field:
            rule = "must be record, wallclock, or field: and the name of a field, such as field:created_at"
            yield Problem("partitioning.timestamp", f"{rule}, but is {self.timestamp[:80]!r}")

        elif wrong := wrong_with_name(self.timestamp.removeprefix(_FIELD)):
            yield Problem("partitioning.timestamp", wrong)

        try:
            _zone(self.timezone)
        except (LookupError, ValueError, OSError):
            rule = "must be a time zone that this machine knows, such as UTC or Europe/Berlin"
            remedy = "where all of them are missing, install the package tzdata"
            yield Problem("partitioning.timezone", f"{rule}, but is {self.timezone[:80]!r}; {remedy}")


class Times:
    """Tells the time of records, in milliseconds since the epoch; `NO_TIMESTAMP` where there is none."""

    def __init__(self, config: TimeConfig, clock: Callable[[], float] = time.time) -> None:
        self.field = config.timestamp.removeprefix(_FIELD) if config.timestamp.startswith(_FIELD) else None
        """The field whose values `of` needs."""
        self.zone = _zone(config.timezone)
        self.weakened = _WEAKENED if config.timestamp == "wallclock" else None
        self._clock = clock

    def of(self, batch: Batch, columns: Mapping[str, Sequence[Any]]) -> Sequence[int]:
        """Return the times of a batch's records, given the values of the fields that are read of it."""
        if self.field is not None:
            return [*map(milliseconds, columns[self.field])]

        return [int(self._clock() * 1000)] * len(batch) if self.weakened else batch.timestamps


def milliseconds(value: object) -> int:
    """Return the time that a field tells, in milliseconds since the epoch; `NO_TIMESTAMP` if it tells none.

    Text is ISO 8601, a date at least; without an offset it is UTC. Numbers below 10¹¹ are seconds, below 10¹⁴ milliseconds,
    below 10¹⁷ microseconds, and from there on nanoseconds, so that each is recognised from the year 1973 to 5138.
    """
    if type(value) is str:
        return _of_text(value)

    if type(value) not in (int, float) or value < 0:  # type: ignore[operator]  # it is a number
        return NO_TIMESTAMP

    number: float = value  # type: ignore[assignment]  # the same

    if number < 10**11:
        return int(number * 1000)

    if number < 10**14:
        return int(number)

    return int(number // 1000 if number < 10**17 else number // 10**6)


def _of_text(text: str) -> int:
    # `fromisoformat` takes more than dates with hyphens, and 24 o'clock from Python 3.13 on only.
    if text[4:5] != "-" or text[7:8] != "-" or text[11:13] == "24":
        return NO_TIMESTAMP

    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return NO_TIMESTAMP

    return (found - _EPOCH if found.tzinfo else found.replace(tzinfo=UTC) - _EPOCH) // _MILLISECOND


def _zone(name: str) -> tzinfo:
    return UTC if name == "UTC" else ZoneInfo(name)
