"""`produce`: appends the lines of a file to a topic."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click
import msgspec
from click.core import ParameterSource

from streamhouse_connect.cli import views
from streamhouse_connect.cli.access import data_dir_option, open_access, url_option
from streamhouse_connect.cli.bodies import source_of
from streamhouse_connect.cli.failures import INTERRUPTED, CommandError
from streamhouse_connect.cli.fields import Field
from streamhouse_connect.cli.output import output_option, print_json, say, warning
from streamhouse_connect.cli.progress import open_progress
from streamhouse_connect.cli.sending import Reader, Sender

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamhouse_connect.cli.lines import Readable

__all__ = ["produce"]


class _Outcome(msgspec.Struct, frozen=True):
    """What a script is told: how many records were sent, and how far each partition of the topic reaches now."""

    topic: str
    count: int
    seconds: float
    partitions: list[views.TopicPartition]


def _field(_context: click.Context, _option: click.Parameter, path: str | None) -> Field | None:
    try:
        return Field(path) if path is not None else None
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command
@click.argument("topic")
@click.option(
    "--file",
    required=True,
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    help="A file with one JSON value a line; - reads standard input.",
)
@click.option(
    "--key-field",
    callback=_field,
    metavar="FIELD",
    help="The field that is each record's key, such as order_id or customer.id.",
)
@click.option(
    "--timestamp-field",
    callback=_field,
    metavar="FIELD",
    help="The field with each record's time: milliseconds since 1970, or text such as 2013-01-01T05:00:00Z.  "
    "[default: the time of sending]",
)
@click.option(
    "--partitions",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="How many partitions the topic gets if it has to be made.",
)
@url_option
@data_dir_option
@output_option
@click.pass_context
def produce(
    context: click.Context,
    *,
    topic: str,
    file: Path,
    key_field: Field | None,
    timestamp_field: Field | None,
    partitions: int,
    url: str,
    data_dir: Path | None,
    output: str,
) -> None:
    """Append the lines of a file to TOPIC.

    Each line is one JSON value and is kept byte for byte; blank lines are left out. The topic is made if there is none.
    A line that is not JSON ends the command after the lines before it have been sent.
    """
    reader = Reader(key=key_field, timestamp=timestamp_field)
    started = time.monotonic()

    with (
        _opened(file) as (stream, size),
        open_access(url=url, data_dir=data_dir, create=True) as access,
        open_progress(topic, total_bytes=size) as progress,
    ):
        sender = Sender(access, views.NewTopic(topic, partitions), on_sent=progress.advance)

        try:
            bad = sender.send_all(reader.batches(stream, limit=access.batch_size))
        except KeyboardInterrupt:
            message = f"interrupted ({sender.interrupt()})"
            raise CommandError(message, exit_code=INTERRUPTED) from None

        seconds = time.monotonic() - started
        reached = access.topic(topic).partitions if output == "json" and sender.partitions else []

    for text in reader.oddities():
        warning(text)

    if (
        sender.partitions not in (None, partitions)
        and context.get_parameter_source("partitions") is ParameterSource.COMMANDLINE
    ):
        warning(f"topic {topic} was there already, with {sender.partitions} partitions; --partitions had no effect")

    if bad is not None:
        message = f"{source_of(file)}, line {bad.number}: {bad.reason} ({sender.told()})"
        raise CommandError(message)

    if output == "json":
        print_json(msgspec.json.encode(_Outcome(topic, sender.sent, round(seconds, 3), reached)))
        return

    say(f"sent {sender.sent:,} records to {topic} in {seconds:.1f} s ({sender.sent / max(seconds, 1e-9):,.0f}/s)")


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[tuple[Readable, int | None]]:
    """Open the file; its size is None where nobody knows it."""
    if str(file) == "-":
        yield cast("Readable", sys.stdin.buffer), None
        return

    with file.open("rb") as stream:
        size = file.stat().st_size if file.is_file() else None
        yield stream, size
