"""What is printed: tables on a terminal, aligned plain lines elsewhere, JSON where a script asks for it.

Results go to stdout; progress, notes, warnings and errors go to stderr. Everything may come from a file or a server that
is not ours, so nothing is printed that could steer a terminal.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Final, TypeVar

import click
import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "clean",
    "error",
    "is_terminal",
    "note",
    "output_option",
    "print_fields",
    "print_json",
    "print_table",
    "say",
    "warning",
]

C = TypeVar("C", bound="Callable[..., object]")

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    r"""Return `text` in one line, its control characters written as `\x1b`."""
    return _CONTROL.sub(lambda m: " " if m[0] in "\n\t" else m[0].encode("unicode_escape").decode(), text.rstrip())


def say(text: str = "") -> None:
    """Print a line of the result."""
    click.echo(clean(text))


def note(text: str) -> None:
    """Print a line about the work to stderr."""
    click.echo(clean(text), err=True)


def warning(text: str) -> None:
    """Print something odd to stderr."""
    click.echo(f"{click.style('warning:', fg='yellow')} {clean(text)}", err=True)


def error(text: str) -> None:
    """Print why the command fails to stderr."""
    click.echo(f"{click.style('error:', fg='red', bold=True)} {clean(text)}", err=True)


def is_terminal(*, err: bool = False) -> bool:
    """Tell whether a person looks at stdout, or at stderr."""
    stream = sys.stderr if err else sys.stdout
    return stream is not None and stream.isatty()


def print_json(raw: bytes) -> None:
    """Print a JSON text, indented."""
    click.echo(msgspec.json.format(raw, indent=2).decode())


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under their columns' names; without a terminal no cell is cut or folded."""
    cells = [[clean(cell) for cell in row] for row in rows]

    if is_terminal():
        from streamhouse_connect.cli.terminal import print_rich_table  # noqa: PLC0415 - rich is slow to import

        if print_rich_table(columns, cells):
            return

    lines = [[column.upper() for column in columns], *cells]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]

    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def print_fields(fields: Sequence[tuple[str, str]]) -> None:
    """Print names and values, one pair a line; pairs without a value are left out."""
    shown = [(clean(name), clean(value)) for name, value in fields if value]

    if is_terminal():
        from streamhouse_connect.cli.terminal import print_rich_fields  # noqa: PLC0415 - rich is slow to import

        if print_rich_fields(shown):
            return

    width = max((len(name) for name, _ in shown), default=0) + 1

    for name, value in shown:
        click.echo(f"{f'{name}:'.ljust(width)} {value}")


def output_option(command: C) -> C:
    """Add `-o table|json`."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(["table", "json"]),
        default="table",
        show_default=True,
        help="How the result is printed.",
    )(command)
