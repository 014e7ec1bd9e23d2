from __future__ import annotations

import sys

import click
import pytest

from streamhouse_connect import ConfigError, ConflictError, Problem
from streamhouse_connect.cli import app as module
from streamhouse_connect.cli.app import app, main
from streamhouse_connect.cli.failures import CommandError, Failure, explain

from .conftest import Run


def commands(command: click.Command, context: click.Context) -> list[list[str]]:
    if not isinstance(command, click.Group):
        return [[]]

    found: list[list[str]] = [[]]

    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None
        found += [[name, *rest] for rest in commands(inner, context)]

    return found


EVERY_COMMAND = commands(app, click.Context(app))


@pytest.mark.parametrize("command", EVERY_COMMAND, ids=" ".join)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_every_command_has_help(run: Run, command: list[str], flag: str) -> None:
    """With both spellings."""
    outcome = run(*command, flag)
    assert outcome.code == 0
    assert outcome.out.startswith("Usage: streamhouse-connect")


def test_the_version_is_the_distributions(run: Run) -> None:
    """One line, for people and scripts."""
    assert run("--version").out.split() == ["streamhouse-connect", "0.1.0"]


@pytest.mark.parametrize("arguments", [[], ["topics"], ["connectors"]])
def test_no_command_shows_the_help(run: Run, arguments: list[str]) -> None:
    """On stderr, since nothing was done."""
    outcome = run(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("Usage: ")


@pytest.mark.parametrize(
    "arguments",
    [["bogus"], ["--bogus"], ["topics", "lst"], ["produce"], ["serve", "--port", "x"], ["topics", "list", "x"]],
)
def test_bad_usage_is_one_line(run: Run, arguments: list[str]) -> None:
    """It names the help of the command, and nothing else is printed."""
    outcome = run(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("error: ")
    assert outcome.err.endswith("--help)\n")
    assert outcome.err.count("\n") == 1


def failing(error: BaseException) -> click.Command:
    @click.command
    def command() -> None:
        raise error

    return command


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch, run: Run) -> Run:
    """Run `demo`, which fails with the first argument."""

    def call(*arguments: object, stdin: bytes = b"") -> object:
        error, *rest = arguments
        monkeypatch.setattr(module._LazyGroup, "get_command", lambda *_: failing(error))  # type: ignore[arg-type]
        return run(*rest, "demo")

    return call  # type: ignore[return-value]


def test_an_unexpected_error_is_one_line(broken: Run) -> None:
    """No traceback, but the way to one."""
    outcome = broken(ZeroDivisionError("oh\nno"))
    assert outcome.code == 1
    assert outcome.err == (
        "error: unexpected ZeroDivisionError: oh no (this is a bug; run it again with STREAMHOUSE_CONNECT_DEBUG=1)\n"
    )


def test_debug_shows_the_traceback(broken: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """By option or by the environment."""
    assert "Traceback" in broken(ZeroDivisionError("x"), "--debug").err
    monkeypatch.setenv("STREAMHOUSE_CONNECT_DEBUG", "1")
    assert "Traceback" in broken(ZeroDivisionError("x")).err


def test_every_problem_gets_a_line(broken: Run) -> None:
    """A configuration is mended in one go."""
    outcome = broken(ConfigError([Problem("name", "is required"), Problem("topics", "is required")]))
    assert outcome.code == 2
    assert outcome.err == "error: name: is required\nerror: topics: is required\n"


def test_an_interrupt_has_its_own_code(broken: Run) -> None:
    """As shells have it."""
    outcome = broken(KeyboardInterrupt())
    assert outcome.code == 130
    assert outcome.err.strip() == "interrupted"


def test_a_reader_that_goes_away_is_no_error(broken: Run) -> None:
    """Nothing is said, as nobody listens."""
    outcome = broken(BrokenPipeError(32, "Broken pipe"))
    assert (outcome.code, outcome.err) == (141, "")


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (CommandError("a", "b", exit_code=2), Failure(("a", "b"), 2)),
        (click.UsageError("No such thing."), Failure(["No such thing"], 2)),
        (ConflictError("taken"), Failure(["taken"], 1)),
        (
            FileNotFoundError(2, "No such file or directory", "x.json"),
            Failure(["x.json: No such file or directory"], 1),
        ),
        (OSError(28, "No space left on device"), Failure(["No space left on device"], 1)),
        (OSError("odd"), Failure(["odd"], 1)),
    ],
)
def test_errors_are_explained(error: Exception, failure: Failure) -> None:
    """Each in the words of what went wrong, with its code."""
    assert explain(error) == failure


def test_closed_outputs_are_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """`>&-` leaves Python without stdout."""
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["plugins", "list"]) == 0


def test_an_encoding_without_the_letters_is_no_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a narrow terminal can't show is escaped."""
    assert run("plugins", "describe", "ö").code == 1
