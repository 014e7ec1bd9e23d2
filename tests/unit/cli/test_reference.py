"""docs/cli.md is current. `UPDATE_DOCS=1 pytest tests/unit/cli/test_reference.py` writes it anew."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from pathlib import Path

import click

from streamhouse_connect.cli.app import PROGRAM, app

PAGE = Path(__file__).parents[3] / "docs" / "cli.md"

HEADER = f"""\
# Commands

Generated from the code; `-h` after any command prints the same. `python -m streamhouse_connect` is `{PROGRAM}`.

Results go to standard output; progress, warnings and errors to standard error. On a terminal there are tables and progress
bars, elsewhere plain lines; `-o json` is for scripts. An error is one line, `error: …`, with its remedy; several problems are
several lines.

| exit code | |
|---|---|
| 0 | it worked |
| 1 | it did not: nothing answers, there is no such thing, a record is bad, a check failed |
| 2 | what was written is wrong: the command line, a configuration |
| 130 | Ctrl-C; for `serve` that is the way to stop it, and 0 |
| 141 | whoever read the output went away, as in `… \\| head` |

`--debug` before a command, or `STREAMHOUSE_CONNECT_DEBUG=1`, shows the traceback of an error.
"""


def page() -> str:
    """Return docs/cli.md as it has to be."""
    context = click.Context(app, info_name=PROGRAM)
    return "\n".join([HEADER, *sections(app, context)])


def sections(group: click.Group, context: click.Context) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=context)

        if isinstance(command, click.Group) and not command.invoke_without_command:
            yield from sections(command, inner)
            continue

        yield from section(command, inner)

        if isinstance(command, click.Group):
            yield from sections(command, inner)


def section(command: click.Command, context: click.Context) -> Iterator[str]:
    usage = " ".join(part for part in command.collect_usage_pieces(context) if part not in ("[OPTIONS]", "[COMMAND]"))
    yield f"## {context.command_path} {usage.replace(' [ARGS]...', '')}".rstrip() + "\n"
    yield inspect.cleandoc(command.help or "") + "\n"
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]

    if options:
        yield "| option | default | |"
        yield "|---|---|---|"
        yield from [row(option, context) for option in options]
        yield ""


def row(option: click.Option, context: click.Context) -> str:
    name = ", ".join(f"`{spelling}`" for spelling in option.opts)
    kind = "" if option.is_flag else f" {metavar(option, context)}"
    extra = option.get_help_extra(context)
    default = "**required**" if option.required else f"`{extra['default']}`" if "default" in extra else ""
    text, _, implied = (option.help or "").partition("  [default: ")
    text += f" Also by `{option.envvar}`." if option.envvar else ""
    return f"| {name}{kind} | {default or implied.removesuffix(']')} | {text} |"


def metavar(option: click.Option, context: click.Context) -> str:
    if isinstance(option.type, click.Choice):
        return " · ".join(option.type.choices)

    return option.make_metavar(context).removesuffix(" RANGE").lower()


def test_the_page_of_commands_is_current() -> None:
    """docs/cli.md says what the commands say."""
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(page())

    assert PAGE.read_text() == page(), "run: UPDATE_DOCS=1 pytest tests/unit/cli/test_reference.py"
