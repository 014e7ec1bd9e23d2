"""What the tasks of all workers are doing, as far as it was heard of lately. The time, in seconds, is passed in.

A worker repeats its reports, so that the others can tell one that has nothing new to say from one that is gone. When a report
was heard counts, not what its worker's clock said: clocks differ.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

import attrs
import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LATELY_SECONDS", "REPEAT_SECONDS", "Reports", "StatusKey"]

REPEAT_SECONDS: Final = 3.0
LATELY_SECONDS: Final = 15.0


class StatusKey(msgspec.Struct, frozen=True, array_like=True, tag="status", forbid_unknown_fields=True):
    """Where a worker's report of a connector is in the topic of statuses: ["status", worker, connector]."""

    worker: str
    connector: str


@attrs.define
class _Own:
    status: bytes | None
    due: float


@attrs.frozen
class _Heard:
    status: bytes
    at: float


class Reports:
    """This worker's reports, which are to be sent, and those of the others, which were heard; for any thread."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._own: dict[StatusKey, _Own] = {}
        self._workers: set[str] = set()  # who report here: nobody has to hear from them
        self._heard: dict[StatusKey, _Heard] = {}

    def tell(self, key: StatusKey, status: bytes | None, *, now: float) -> bool:
        """Keep a report of this worker's, None to withdraw it, and return whether that is anything new."""
        with self._guard:
            self._workers.add(key.worker)
            own = self._own.get(key)

            if (own.status if own else None) == status:
                return False

            self._own[key] = _Own(status, now)
            return True

    def withdraw(self, *, now: float) -> None:
        """Withdraw all reports of this worker's."""
        with self._guard:
            self._own = {key: _Own(None, now) for key in self._own}

    def due(self, *, now: float) -> list[tuple[StatusKey, bytes | None]]:
        """Return what is to be sent now."""
        with self._guard:
            due = [(key, own.status) for key, own in self._own.items() if own.due <= now]

            for key, status in due:
                if status is None:
                    del self._own[key]
                else:
                    self._own[key].due = now + REPEAT_SECONDS

            return due

    def hear(self, key: StatusKey, status: bytes | None, *, now: float) -> None:
        """Keep what was read in the topic."""
        with self._guard:
            self._heard.pop(key, None)

            if status is not None:
                self._heard[key] = _Heard(status, now)

    def forget(self, *, now: float) -> None:
        """Let go of what was not heard of lately."""
        with self._guard:
            self._heard = {key: heard for key, heard in self._heard.items() if now <= heard.at + LATELY_SECONDS}

    def of(self, connector: str, *, now: float) -> Mapping[str, bytes]:
        """Return what is known of a connector, by worker."""
        with self._guard:
            heard = {
                key.worker: heard.status
                for key, heard in self._heard.items()
                if key.connector == connector and key.worker not in self._workers and now <= heard.at + LATELY_SECONDS
            }
            own = {
                key.worker: own.status
                for key, own in self._own.items()
                if key.connector == connector and own.status is not None
            }
            return {**heard, **own}
