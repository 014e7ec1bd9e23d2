"""Reads a connector's definition from a JSON file, as a person wrote it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs
import click

from streamhouse_connect.cli.failures import USAGE, CommandError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["BadBodyError", "Body", "json_file", "read_body", "source_of"]

_LARGEST: Final = 1 << 20
_MOST_DIGITS: Final = 1000

json_file = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)
"""A file with a connector's definition; - is standard input."""


class BadBodyError(CommandError):
    """What was read is no definition."""

    def __init__(self, source: str, reason: str) -> None:
        self.reason = reason
        super().__init__(f"{source}: {reason}", exit_code=USAGE)


@attrs.frozen
class Body:
    """A definition, parsed and as it came."""

    source: str
    """Where it is from, for messages."""
    raw: bytes
    parsed: Mapping[str, object]

    @property
    def name(self) -> str:
        """The connector's name.

        :raises BadBodyError: if there is none.
        """
        name = self.parsed.get("name")

        if isinstance(name, str):
            return name

        raise BadBodyError(self.source, "name is required, and must be text")


def source_of(file: Path) -> str:
    """Return how messages call the file."""
    return "standard input" if str(file) == "-" else str(file)


def read_body(file: Path) -> Body:
    """Read a definition.

    :raises BadBodyError: if it is not a JSON object, with the line and column.
    """
    source = source_of(file)

    if str(file) == "-":
        raw = sys.stdin.buffer.read(_LARGEST + 1)
    else:
        with file.open("rb") as stream:
            raw = stream.read(_LARGEST + 1)

    if len(raw) > _LARGEST:
        raise BadBodyError(source, f"larger than {_LARGEST >> 20} MiB, which no definition is")

    try:
        text = raw.decode("utf-8-sig")
        parsed = json.loads(text, object_pairs_hook=_object, parse_constant=_constant, parse_int=_integer)
    except json.JSONDecodeError as error:
        raise BadBodyError(source, f"line {error.lineno}, column {error.colno}: not JSON: {error.msg}") from None
    except UnicodeDecodeError as error:
        raise BadBodyError(source, f"byte {error.start} is not UTF-8") from None
    except RecursionError:
        raise BadBodyError(source, "nested too deeply") from None
    except ValueError as error:
        raise BadBodyError(source, str(error)) from None

    if not isinstance(parsed, dict):
        raise BadBodyError(
            source, 'not a JSON object; a definition looks like {"name": …, "connectorClass": …, "topics": […]}'
        )

    return Body(source, text.encode(), parsed)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)

    if len(found) < len(pairs):
        twice = next(key for index, (key, _) in enumerate(pairs) if key in dict(pairs[:index]))
        message = f"{twice!r} is there twice"
        raise ValueError(message)

    return found


def _constant(name: str) -> object:
    message = f"not JSON: {name} is no value"
    raise ValueError(message)


def _integer(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        message = f"a number has {len(digits):,} digits, which no option takes"
        raise ValueError(message)

    return int(digits)
