"""Excerpts of what is wrong or odd with a long input: enough to act on, however long the input is."""

from __future__ import annotations

import difflib
from itertools import islice
from typing import TYPE_CHECKING, Final

from streamhouse_connect.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

__all__ = ["excerpt", "unknown"]

_LISTED: Final = 100
_COMPARED: Final = 20
"""So many unknown keys are compared with the known ones, which takes long."""

_QUOTED: Final = 100


def excerpt(problems: Iterable[Problem], *, field: str) -> list[Problem]:
    """Return the first hundred problems, and one of `field` that says how many more there are."""
    found = iter(problems)
    listed = list(islice(found, _LISTED))
    more = sum(1 for _ in found)
    return [*listed, Problem(field, f"has {more:,} more problems of these kinds")] if more else listed


def unknown(keys: Collection[str], known: Collection[str], *, prefix: str = "", what: str) -> list[str]:
    """Say of the first hundred keys that nobody knows them, of some what was probably meant, and how many more there are.

    A known key that ends with a dot stands for all that begin with it. `what` completes "… is not".
    """
    warnings = []

    for number, key in enumerate(islice(keys, _LISTED)):
        shown = key if len(key) <= _QUOTED else f"{key[:_QUOTED]}…"
        near = difflib.get_close_matches(shown, known, n=1) if number < _COMPARED else []
        meant = "".join(f"{name}*" if name.endswith(".") else name for name in near)
        hint = f"did you mean {meant}?" if meant else "it has no effect"
        warnings.append(f"{prefix}{shown} is not {what}; {hint}")

    if len(keys) > _LISTED:
        warnings.append(f"{len(keys) - _LISTED:,} more keys are not {what}")

    return warnings
