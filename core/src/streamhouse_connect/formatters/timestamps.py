"""Timestamps in text: which strings say an instant so that microseconds in UTC hold all of it.

    2026-02-10T14:00:00Z    2026-02-10T14:00:00.123456+02:00

No others: a date alone, or a time without an offset, is no instant; more than six digits of a second would be cut off;
and on years before 1900 readers disagree.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

__all__ = ["PATTERN", "is_timestamp", "read_timestamp"]

PATTERN: Final = (
    r"^(?:19|2[0-9])[0-9]{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])$"
)
"""What such a string looks like, for Python's `re` and for RE2; a day that its month does not have is not found out."""

_MATCH: Final = re.compile(PATTERN).fullmatch


def is_timestamp(text: str) -> bool:
    """Whether the text is such a string."""
    try:
        read_timestamp(text)
    except ValueError:
        return False

    return True


def read_timestamp(text: str) -> datetime:
    """Return the instant.

    :raises ValueError: if the text is not exactly one.
    """
    if _MATCH(text) is None:
        raise ValueError("it is no exact time in ISO form")

    return datetime.fromisoformat(text)
