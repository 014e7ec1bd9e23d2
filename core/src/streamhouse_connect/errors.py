"""Every public error, grouped by what the runtime does about it.

    StreamHouseError
    ├── ConfigError(problems)         something the user wrote is wrong: all problems at once
    ├── PluginError                   an installed plugin is broken; names distribution and entry point
    ├── NotFoundError                 no such connector, topic or plugin
    ├── ConflictError                 it exists already, is in use, or is held by another process
    └── DeliveryError                 raised by sinks and brokers
        ├── RetriableError            wait with backoff and jitter, then write the same batch again
        ├── RejectedRecords           these records can never be delivered
        ├── RejectedBatch             a record of this batch can never be delivered, nobody knows which
        ├── Superseded                another task owns these partitions now
        └── FatalError                the task fails; its offsets stay where they are

Built-in `ConnectionError` and `TimeoutError` are treated as retriable. Any other exception is fatal and appears with its
traceback in the connector's status.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from streamhouse_connect.records import TopicPartition

__all__ = [
    "ConfigError",
    "ConflictError",
    "DeliveryError",
    "FatalError",
    "NotFoundError",
    "PluginError",
    "Problem",
    "RejectedBatch",
    "RejectedRecords",
    "RetriableError",
    "StreamHouseError",
    "Superseded",
]


class StreamHouseError(Exception):
    """The root of every error that this library raises on purpose."""

    code = "internal_error"
    """A stable, machine-readable name of the kind of error."""


@attrs.frozen
class Problem:
    """One thing that is wrong with what a user wrote.

    `field` is the place as the user knows it: a wire key such as `s3.bucket`, or a field of the body such as `topics`.
    """

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field} {self.message}" if self.field else self.message


class ConfigError(StreamHouseError):
    """What a user wrote is wrong; `problems` holds everything that is, not just the first thing."""

    code = "invalid_config"

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(str(problem) for problem in self.problems))


class PluginError(StreamHouseError):
    """A plugin is broken, or two plugins claim the same name."""

    code = "broken_plugin"


class NotFoundError(StreamHouseError):
    """There is no such thing."""

    def __init__(self, message: str, *, code: str = "not_found") -> None:
        self.code = code
        super().__init__(message)


class ConflictError(StreamHouseError):
    """It exists already, is in use, or is held by someone else."""

    def __init__(self, message: str, *, code: str = "conflict") -> None:
        self.code = code
        super().__init__(message)


class DeliveryError(StreamHouseError):
    """Something went wrong between a topic and a destination."""

    code = "delivery_failed"


class RetriableError(DeliveryError):
    """Nothing is wrong with the records: write the same batch again later.

    `retry_after` is in seconds; None leaves the wait to the runtime's backoff.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class RejectedRecords(DeliveryError):  # noqa: N818 - the field's term
    """The destination will never take the records at these indexes of the batch.

    `reasons` maps an index of the written batch to the reason. `others_durable` says whether the other records were
    written all the same; False means that nothing was.
    """

    def __init__(self, reasons: Mapping[int, str], *, others_durable: bool = False) -> None:
        self.reasons = dict(sorted(reasons.items()))
        self.others_durable = others_durable
        first = next(iter(self.reasons.values()), "no reason given")
        more = f" (and {len(self.reasons) - 1} more)" if len(self.reasons) > 1 else ""
        super().__init__(f"record rejected: {first}{more}")


class RejectedBatch(DeliveryError):  # noqa: N818 - the field's term
    """The destination refused the batch because of a record in it, and nothing was written; the runtime looks for it."""


class Superseded(DeliveryError):  # noqa: N818 - the field's term
    """Another task has taken these partitions over; nothing of theirs was written."""

    def __init__(self, partitions: Collection[TopicPartition]) -> None:
        self.partitions = frozenset(partitions)
        names = ", ".join(str(tp) for tp in sorted(self.partitions))
        super().__init__(f"another task owns {names} now")


class FatalError(DeliveryError):
    """Going on makes no sense until somebody has changed something; the message says what."""
