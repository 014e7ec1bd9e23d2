"""Why a task is failed or retrying, in words that may be shown. Pure."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

import attrs

from streamhouse_connect.errors import DeliveryError

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamhouse_connect.runtime.states import State

__all__ = ["Fault"]


@attrs.frozen
class Fault:
    """What went wrong, until something shows that it is over."""

    state: State
    error: str
    trace: str | None
    """Of an unexpected error only."""
    opening: bool
    """Whether it is over when the sink has been opened, or only when something was written."""

    @classmethod
    def of(cls, error: BaseException, state: State, *, opening: bool, redact: Callable[[str], str]) -> Fault:
        """Describe an error."""
        expected = isinstance(error, DeliveryError | ConnectionError | TimeoutError)
        trace = None if expected else _shown("".join(traceback.format_exception(error)), redact)
        return cls(state, _shown(_describe(error), redact), trace, opening)


def _shown(text: str, redact: Callable[[str], str]) -> str:
    """Take secrets out of a text, and what is no Unicode, such as a part of the name of a file."""
    return redact(text).encode("utf-8", "replace").decode()


def _describe(error: BaseException) -> str:
    """Return one line that says what happened; errors of this library speak for themselves."""
    if isinstance(error, DeliveryError):
        return str(error)

    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
