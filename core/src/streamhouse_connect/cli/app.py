"""The root of the command line: which commands there are, and how each of them ends. Knows no command's work."""

from __future__ import annotations

import os
import sys
import traceback
from importlib import import_module
from typing import TYPE_CHECKING, Final

import attrs
import click

from streamhouse_connect.cli.failures import BROKEN_PIPE, INTERRUPTED, explain
from streamhouse_connect.cli.output import error, note

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["PROGRAM", "app", "main"]

PROGRAM: Final = "streamhouse-connect"

_COMMANDS: Final = ("demo", "serve", "produce", "topics", "connectors", "plugins", "validate")


class _LazyGroup(click.Group):
    """Imports a command when it is used: `--version` need not wait for what `serve` needs."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in _COMMANDS:
            return None

        command = getattr(import_module(f"streamhouse_connect.cli.{cmd_name}"), cmd_name)
        return command if isinstance(command, click.Command) else None

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; a reader of its output that has gone away is no error of ours, and nobody is left to tell."""
        try:
            result = super().invoke(ctx)

            if sys.stdout is not None:
                sys.stdout.flush()
        except BrokenPipeError:
            _discard_output()
            raise click.exceptions.Exit(BROKEN_PIPE) from None

        return result


@attrs.define
class _Debug:
    on: bool = False


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name=PROGRAM, prog_name=PROGRAM, message="%(prog)s %(version)s")
@click.option(
    "--debug",
    is_flag=True,
    envvar="STREAMHOUSE_CONNECT_DEBUG",
    show_envvar=True,
    help="Show the traceback of an error.",
)
@click.pass_obj
def app(shared: _Debug, *, debug: bool) -> None:
    """Move records from topics into S3, PostgreSQL, Elasticsearch and files, exactly once.

    Begin with `streamhouse-connect demo`, go on with `streamhouse-connect serve`.
    """
    shared.on = debug


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; whatever goes wrong becomes lines on stderr."""
    _survive_narrow_encodings()
    debug = _Debug()

    try:
        result = app.main(arguments, prog_name=PROGRAM, standalone_mode=False, obj=debug)
    except click.Abort:
        note("interrupted")
        return INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as usage:
        click.echo(usage.format_message(), err=True)
        return usage.exit_code
    except Exception as failed:  # noqa: BLE001 - the user gets a line, not a traceback, whatever it is
        if debug.on:
            traceback.print_exception(failed)

        failure = explain(failed)

        for line in failure.lines:
            error(line)

        return failure.exit_code

    return result if isinstance(result, int) else 0


def _survive_narrow_encodings() -> None:
    """Print what a terminal's encoding has no letters for as escapes, instead of failing half-way."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _discard_output() -> None:
    """Let the interpreter flush what nobody reads any more without a complaint."""
    devnull = os.open(os.devnull, os.O_WRONLY)

    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except BrokenPipeError:
            os.dup2(devnull, stream.fileno())

    os.close(devnull)
