"""What happens to a connector, as events in the log: each once, where it is decided, and free of secrets.

    connector_created …                                           what an operator asks for
    task_starting → task_running ⇄ task_paused, task_stopped      what a task does about it
    task_retrying, task_failed → task_recovered                   what goes wrong, and that it is over
    dead_letters                                                  what the destination will never take

A task in trouble tells so when the trouble is another, not at every try, and once a minute if it comes and goes; the sum of its
dead letters every ten seconds.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Final

import attrs

from streamhouse_connect.runtime.states import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from streamhouse_connect.records import Batch, TopicPartition

__all__ = ["Journal", "log_of", "tell"]

_REMINDER_SECONDS: Final = 60.0
_LETTERS_SECONDS: Final = 10.0
_TEXT: Final = 1000
_LISTED: Final = 10

_TROUBLES: Final = {State.RETRYING: logging.WARNING, State.FAILED: logging.ERROR}
_PASSING: Final = re.compile(r"\w*\d\w*")
"""What sets the texts of one trouble apart: ids of requests, counts, times."""


def log_of(connector: str) -> logging.Logger:
    """Return the logger of a connector."""
    return logging.getLogger(f"streamhouse_connect.connector.{connector}")


def tell(
    connector: str,
    event: str,
    facts: Mapping[str, object] | None = None,
    *,
    level: int = logging.INFO,
    trace: str | None = None,
) -> None:
    """Log an event as `event connector=… key=value …`; a fact of free text comes last. All of it must be free of secrets."""
    log = log_of(connector)

    if log.isEnabledFor(level):
        line = " ".join([event, f"connector={connector}", *_written(facts or {})])
        log.log(level, "%s", line, exc_info=_Trace(trace) if trace else None)


def _written(facts: Mapping[str, object]) -> Iterable[str]:
    for key, fact in facts.items():
        if isinstance(fact, tuple):
            listed = ",".join(map(str, fact[:_LISTED])) + (",…" if len(fact) > _LISTED else "")
            yield f"{key}={listed}"

        elif fact is not None:
            text = " ".join(str(fact).split())
            yield f"{key}={text if len(text) <= _TEXT else text[:_TEXT] + '…'}"


@attrs.define(eq=False)
class Journal:
    """Tells of one task; what it is given as an error must be free of secrets.

    `clock` is in seconds, and `later` calls a function so many seconds later.
    """

    connector: str
    task: int
    clock: Callable[[], float]
    later: Callable[[float, Callable[[], None]], object]
    _state: State | None = attrs.field(default=None, init=False)
    _is_troubled: bool = attrs.field(default=False, init=False)
    _trouble: set[str] = attrs.field(factory=set, init=False)
    """What was told of the present trouble."""
    _told: dict[str, float] = attrs.field(factory=dict, init=False)
    """What was told of any trouble lately, and when."""
    _letters: _Letters | None = attrs.field(default=None, init=False)
    """Dead letters that nothing was told of yet."""
    _are_letters_told_later: bool = attrs.field(default=False, init=False)

    def became(self, state: State, error: str | None, trace: str | None) -> None:
        """Note what the task is doing now; nothing is told if that is no news."""
        if state in _TROUBLES:
            self._note_trouble(state, error or "", trace)

        elif state is not self._state and state is not State.STOPPING:
            self._note_change(state)

        self._state = state

    def made_dead_letters(self, batch: Batch, first: int, reason: str, *, records: int) -> None:
        """Note that records of a batch have become dead letters, the first of them for this reason; many are told as a sum."""
        if self._letters is None:
            span = next(span for span in batch.spans if span.start <= first < span.stop)
            self._letters = _Letters(span.tp, batch.offsets[first], reason)

        self._letters.records += records

        if not self._are_letters_told_later:
            self._tell_letters()
            self._are_letters_told_later = True
            self.later(_LETTERS_SECONDS, self._tell_late_letters)

    def _note_trouble(self, state: State, error: str, trace: str | None) -> None:
        kind = f"{state.value} {_PASSING.sub('#', error)}"
        now = self.clock()
        self._is_troubled = True
        self._told = {each: at for each, at in self._told.items() if now - at < _REMINDER_SECONDS}

        if kind in self._trouble or (state is State.RETRYING and kind in self._told):
            return

        self._trouble.add(kind)
        self._told[kind] = now
        self._tell(f"task_{state.value}", level=_TROUBLES[state], error=error)

        if trace is not None:
            tell(self.connector, "task_trace", {"task": self.task}, level=logging.DEBUG, trace=trace)

    def _note_change(self, state: State) -> None:
        if state in (State.PAUSED, State.STOPPED):
            self._tell_letters()
            self._tell(f"task_{state.value}")

        elif not self._is_troubled:
            self._tell(f"task_{state.value}")

        elif state is State.RUNNING and self._trouble:
            self._tell("task_recovered")

        if state is not State.STARTING:
            self._is_troubled = False
            self._trouble.clear()

    def _tell_letters(self) -> None:
        letters, self._letters = self._letters, None

        if letters is not None:
            self._tell(
                "dead_letters",
                level=logging.WARNING,
                records=letters.records,
                topic=letters.tp.topic,
                partition=letters.tp.partition,
                offset=letters.offset,
                reason=letters.reason,
            )

    def _tell_late_letters(self) -> None:
        self._are_letters_told_later = False
        self._tell_letters()

    def _tell(self, event: str, *, level: int = logging.INFO, **facts: object) -> None:
        tell(self.connector, event, {"task": self.task, **facts}, level=level)


@attrs.define
class _Letters:
    """The first of some dead letters, and how many there are."""

    tp: TopicPartition
    offset: int
    reason: str
    records: int = 0


class _Trace(Exception):  # noqa: N818 - not raised: a traceback as it may be shown, for a log record
    pass
