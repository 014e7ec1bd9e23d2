"""How a command fails: one clear line a problem, and an exit code. The only place that knows both.

0     it worked
1     it did not: nothing answers, there is no such thing, a record is bad, a check failed
2     what the user wrote is wrong: the command line, a configuration
130   Ctrl-C
141   the reader of the output went away (`| head`), as of any program that SIGPIPE ends
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs
import click

from streamhouse_connect import ConfigError, StreamHouseError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamhouse_connect import Problem

__all__ = ["BROKEN_PIPE", "FAILED", "INTERRUPTED", "USAGE", "CommandError", "Failure", "explain", "line_of"]

FAILED: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130
BROKEN_PIPE: Final = 141


class CommandError(Exception):
    """A command can't do its work; each of `lines` names a thing that is wrong and, where there is one, the remedy."""

    def __init__(self, *lines: str, exit_code: int = FAILED) -> None:
        self.lines = lines
        self.exit_code = exit_code
        super().__init__("; ".join(lines))


@attrs.frozen
class Failure:
    """What is left to say and to return when a command has failed."""

    lines: Sequence[str]
    exit_code: int


def explain(error: Exception) -> Failure:
    """Say what went wrong, whatever was raised."""
    if isinstance(error, CommandError):
        return Failure(error.lines, error.exit_code)

    if isinstance(error, click.UsageError):
        where = f" (see: {error.ctx.command_path} --help)" if error.ctx else ""
        return Failure([error.format_message().rstrip(".") + where], USAGE)

    if isinstance(error, click.ClickException):
        return Failure([error.format_message()], error.exit_code)

    if isinstance(error, ConfigError):
        return Failure([line_of(problem) for problem in error.problems], USAGE)

    if isinstance(error, StreamHouseError):
        return Failure([str(error)], FAILED)

    if isinstance(error, OSError):
        return Failure([_os_error(error)], FAILED)

    kind = type(error).__name__
    return Failure(
        [f"unexpected {kind}: {error} (this is a bug; run it again with STREAMHOUSE_CONNECT_DEBUG=1)"], FAILED
    )


def line_of(problem: Problem) -> str:
    """Return a problem in one line: the message of one may go on with the field's name, that of another speaks of itself."""
    return f"{problem.field}: {problem.message}" if problem.field else problem.message


def _os_error(error: OSError) -> str:
    what = error.strerror or str(error) or type(error).__name__
    return what if error.filename is None else f"{error.filename}: {what}"
