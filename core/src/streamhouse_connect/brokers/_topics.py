"""The topics of an embedded broker: what may be asked of them, and what the process knows of their logs."""

from __future__ import annotations

import re
import reprlib
from itertools import count
from typing import TYPE_CHECKING, Final

import attrs

from streamhouse_connect.errors import ConfigError, ConflictError, NotFoundError, Problem
from streamhouse_connect.records import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from streamhouse_connect.brokers.interface import Topic

__all__ = ["TopicLog", "check_topic", "find", "is_topic_name", "topic_exists", "unknown_topic"]

_NAME: Final = re.compile(r"[a-zA-Z0-9._-]{1,249}", re.ASCII)
_MAX_PARTITIONS: Final = 10_000
_MAX_RETENTION: Final = 2**63 - 1


@attrs.frozen(eq=False)
class TopicLog:
    """A topic and where its partitions start and end. Storages move the numbers, after they have committed."""

    topic: Topic
    key: int
    """The storage's own number of it, never used again for another topic."""
    starts: list[int]
    ends: list[int]
    spread: Iterator[int] = attrs.field(factory=count)
    """Gives the partition of the next append without keys, modulo the number of partitions."""

    def tps(self) -> list[TopicPartition]:
        return [TopicPartition(self.topic.name, partition) for partition in range(self.topic.partitions)]


def is_topic_name(name: str) -> bool:
    """Tell whether a topic may be called so, by Kafka's rule."""
    return _NAME.fullmatch(name) is not None and name not in {".", ".."}


def check_topic(name: str, *, partitions: int, retention_ms: int | None, retention_bytes: int | None) -> None:
    """Apply Kafka's rule for names, and bounds to the numbers.

    :raises ConfigError: with every problem.
    """
    problems = []

    if not is_topic_name(name):
        rule = "must be 1 to 249 letters, digits, dots, underscores and hyphens"
        problems.append(Problem("name", f"{rule}, not {reprlib.repr(name)}"))

    if not _is_number(partitions, _MAX_PARTITIONS):
        problems.append(Problem("partitions", f"must be an integer from 1 to {_MAX_PARTITIONS:,}, not {partitions!r}"))

    for field, value in (("retention_ms", retention_ms), ("retention_bytes", retention_bytes)):
        if value is not None and not _is_number(value, _MAX_RETENTION):
            problems.append(Problem(field, f"must be a positive integer, or absent for no limit, not {value!r}"))

    if problems:
        raise ConfigError(problems)


def _is_number(value: object, maximum: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= maximum


def find(logs: Mapping[str, TopicLog], name: str) -> TopicLog:
    """Return the topic of that name.

    :raises NotFoundError: with the code `unknown_topic`.
    """
    log = logs.get(name)

    if log is None:
        raise unknown_topic(name)

    return log


def unknown_topic(name: str) -> NotFoundError:
    return NotFoundError(f"there is no topic {name!r}; create it first", code="unknown_topic")


def topic_exists(name: str) -> ConflictError:
    return ConflictError(f"there is a topic {name!r} already; choose another name", code="topic_exists")
