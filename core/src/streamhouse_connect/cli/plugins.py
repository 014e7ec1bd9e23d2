"""`plugins`: what is installed here, and every option of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

from streamhouse_connect import Registry
from streamhouse_connect.cli.output import output_option, print_fields, print_json, print_table, say

if TYPE_CHECKING:
    from streamhouse_connect import OptionInfo

__all__ = ["plugins"]


@click.group(invoke_without_command=True)
@output_option
@click.pass_context
def plugins(context: click.Context, *, output: str) -> None:
    """Show what is installed, and every option of it.

    Without a command: the list.
    """
    if context.invoked_subcommand is None:
        context.invoke(list_plugins, output=output)
        return

    context.default_map = {context.invoked_subcommand: {"output": output}}


@plugins.command("list")
@output_option
def list_plugins(*, output: str) -> None:
    """List all plugins; those that can't be used with the reason."""
    registry = Registry()
    found, broken = registry.plugins(), registry.broken()

    if output == "json":
        print_json(msgspec.json.encode({"plugins": found, "broken": broken}))
        return

    rows = [[info.kind, info.name, f"{info.distribution} {info.version}".strip(), info.doc] for info in found]
    rows += [["broken", plugin.entry_point, plugin.distribution, plugin.error] for plugin in broken]
    print_table(["kind", "name", "installed with", "description"], rows)


@plugins.command("describe")
@click.argument("name")
@output_option
def describe_plugin(*, name: str, output: str) -> None:
    """Show the plugin NAME and every option of it, such as s3-sink."""
    info = Registry().describe(name)

    if output == "json":
        print_json(msgspec.json.encode(info))
        return

    print_fields(
        [
            (info.kind, info.name),
            ("also called", ", ".join(info.aliases)),
            ("installed with", f"{info.distribution} {info.version}".strip()),
            ("description", info.doc),
        ]
    )

    if not info.options:
        say("It has no options.")
        return

    rows = [[each.key, _type(each), _default(each), each.doc] for each in info.options]
    print_table(["option", "type", "default", "description"], rows)


def _type(option: OptionInfo) -> str:
    return " | ".join(option.choices) or option.type


def _default(option: OptionInfo) -> str:
    if option.required:
        return "required"

    if option.default is None:
        return "-"

    if isinstance(option.default, bool):
        return str(option.default).lower()

    if option.type == "size" and isinstance(option.default, int):
        return _size(option.default)

    return '""' if option.default == "" else str(option.default)


def _size(number: int) -> str:
    """Return a size as it may be written in a configuration."""
    for unit, bits in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if number and number % (1 << bits) == 0:
            return f"{number >> bits} {unit}"

    return str(number)
