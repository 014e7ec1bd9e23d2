"""What a person at a terminal sees: tables and progress bars. The only module of the commands that imports rich early."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from streamhouse_connect.cli.progress import human_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from streamhouse_connect.cli.demo_view import Snapshot

__all__ = ["DemoBars", "ProgressBar", "print_rich_fields", "print_rich_table"]

_READABLE: Final = 16
"""A column that is folded is no narrower than this."""

_GAP: Final = 3

_STYLES: Final = {
    "running": "green",
    "paused": "yellow",
    "stopped": "bright_black",
    "stopping": "bright_black",
    "starting": "cyan",
    "retrying": "yellow",
    "degraded": "red",
    "failed": "bold red",
    "broken": "bold red",
}
"""Words that have a colour wherever they stand alone in a cell."""


def print_rich_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Print a table, unless the terminal is too narrow for it; what a cell holds is text, never markup."""
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))

    for index, column in enumerate(columns):
        is_number = bool(rows) and all(row[index].replace(",", "").isdecimal() for row in rows if row[index])
        table.add_column(column, justify="right" if is_number else "left", overflow="fold", no_wrap=index == 0)

    for row in rows:
        table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))

    widths = [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]
    needs = widths[0] + sum(min(width, _READABLE) + _GAP for width in widths[1:])
    return _print_fitting(table, needs=needs)


def print_rich_fields(fields: Sequence[tuple[str, str]]) -> bool:
    """Print names and values, unless the terminal is too narrow; a long value is folded under its beginning."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")

    for name, value in fields:
        grid.add_row(Text(name, style="bright_black"), Text(value, style=_STYLES.get(value, ""), overflow="fold"))

    return _print_fitting(grid, needs=max((len(name) for name, _ in fields), default=0) + _READABLE)


def _print_fitting(table: Table, *, needs: int) -> bool:
    console = Console(highlight=False)

    if needs > console.width:
        return False

    console.print(table)
    return True


class ProgressBar:
    """A bar of bytes where their number is known, else a spinner; with records and their rate."""

    def __init__(self, label: str, *, total_bytes: int | None) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            TaskProgressColumn(),
            TextColumn("{task.fields[told]}", markup=False),
            TimeElapsedColumn(),
            console=Console(stderr=True, highlight=False),
            transient=True,
        )
        self._task = self._progress.add_task(label, total=total_bytes, told="")
        self._records = 0
        self._bytes = 0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def advance(self, records: int, nbytes: int) -> None:
        self._records += records
        self._bytes += nbytes
        elapsed = self._progress.tasks[0].elapsed or 0.0
        rate = f"{self._records / elapsed:,.0f}/s" if elapsed else ""
        told = f"{self._records:,} records  {human_bytes(self._bytes)}  {rate}"
        self._progress.update(self._task, advance=nbytes, told=told)


class DemoBars:
    """A bar for what has been appended and one for what has been delivered."""

    def __init__(self, expected: int) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=32),
            TextColumn("{task.completed:>9,.0f}", style="bold", markup=False),
            TextColumn("{task.fields[rate]:>11}", style="cyan", markup=False),
            TextColumn("{task.fields[told]}", markup=False),
            console=Console(highlight=False),
        )
        self._appended = self._progress.add_task("appended", total=expected, rate="", told="")
        self._delivered = self._progress.add_task("delivered", total=expected, rate="", told="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, now: Snapshot) -> None:
        self._update(self._appended, now.appended, "")
        self._update(self._delivered, now.delivered, f"lag {now.lag:,}  files {now.files:,}  {now.trouble}")

    def _update(self, task_id: TaskID, completed: int, told: str) -> None:
        task = self._progress.tasks[task_id]
        elapsed = task.finished_time or task.elapsed or 0.0
        rate = f"{completed / elapsed:,.0f}/s" if elapsed and completed else ""
        self._progress.update(task_id, completed=completed, rate=rate, told=told)
