"""`validate`: checks connectors' definitions here, without a server, and their destinations if that is asked for."""

from __future__ import annotations

import asyncio
from pathlib import Path

import attrs
import click
import msgspec

from streamhouse_connect import ConfigError, MemoryBroker, Problem, StreamHouseError, Worker
from streamhouse_connect.cli.bodies import BadBodyError, json_file, read_body, source_of
from streamhouse_connect.cli.failures import USAGE, CommandError, line_of
from streamhouse_connect.cli.output import output_option, print_json, say, warning

__all__ = ["validate"]


@attrs.frozen
class _Verdict:
    file: str
    valid: bool
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()


@click.command
@click.argument("files", nargs=-1, required=True, type=json_file)
@click.option("--connect", is_flag=True, help="Ask the destinations, too: whether they are there, and let us write.")
@output_option
def validate(*, files: tuple[Path, ...], connect: bool, output: str) -> None:
    """Check definitions of connectors.

    Everything that is wrong with those in FILES is told at once. This needs no server, and calls no destination without
    --connect; the connectors' plugins have to be installed here.
    """
    worker = Worker(MemoryBroker())
    verdicts = [_judge(worker, file, connect=connect) for file in files]

    if output == "json":
        print_json(msgspec.json.encode(verdicts))
    else:
        for verdict in verdicts:
            _tell(verdict)

    lines = [f"{verdict.file}: {line_of(problem)}" for verdict in verdicts for problem in verdict.problems]

    if lines:
        raise CommandError(*lines, exit_code=USAGE)


def _judge(worker: Worker, file: Path, *, connect: bool) -> _Verdict:
    name = source_of(file)

    try:
        body = read_body(file).parsed
        warnings = asyncio.run(worker.check(body)) if connect else worker.validate(body)
        return _Verdict(name, valid=True, warnings=tuple(warnings))
    except BadBodyError as error:
        return _Verdict(name, valid=False, problems=(Problem("", error.reason),))
    except ConfigError as error:
        return _Verdict(name, valid=False, problems=error.problems)
    except StreamHouseError as error:
        return _Verdict(name, valid=False, problems=(Problem("", str(error)),))


def _tell(verdict: _Verdict) -> None:
    for text in verdict.warnings:
        warning(f"{verdict.file}: {text}")

    if verdict.valid:
        say(f"{verdict.file}: valid")
