"""Two sides that do the same, measured in turn: what each took, and the table of it."""

from __future__ import annotations

import statistics
import sys
from typing import TYPE_CHECKING

import attrs
from rich.console import Console
from rich.table import Table

from benchmarks.kafka import met, spread

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Pair", "show"]


@attrs.frozen
class Pair:
    """What each side took in each round, in seconds and CPU seconds; ours has to reach the share `goal` of the other's speed."""

    name: str
    goal: float
    ours: Sequence[tuple[float, float]]
    other: Sequence[tuple[float, float]]


def show(title: str, other: str, pairs: Sequence[Pair], records: int) -> None:
    """Print the figures, with the ratio of each round's pair, of which the median counts."""
    table = Table(title=title)
    table.add_column("path")

    for heading in ("ours/s", f"{other}/s", "ratio", "goal", "CPU s", other):
        table.add_column(heading, justify="right")

    for pair in pairs:
        ratios = [theirs[0] / own[0] for own, theirs in zip(pair.ours, pair.other, strict=True)]
        table.add_row(
            pair.name,
            spread([records / seconds for seconds, _ in pair.ours], ",.0f"),
            spread([records / seconds for seconds, _ in pair.other], ",.0f"),
            spread(ratios, ".0%"),
            f"{pair.goal:.0%} {met(statistics.median(ratios) >= pair.goal)}",
            f"{statistics.median(cpu for _, cpu in pair.ours):.1f}",
            f"{statistics.median(cpu for _, cpu in pair.other):.1f}",
        )

    Console(width=None if sys.stdout.isatty() else 160).print(table)
