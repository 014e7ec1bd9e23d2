"""Where topics are: with a server that runs, or in a data directory that no server holds. One shape for both.

Commands are plain functions, so everything here blocks; it may be called from any thread.
"""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, Self, TypeVar

import click
from click.core import ParameterSource

from streamhouse_connect import ConflictError, NewRecords, SqliteBroker, SqliteDefinitionStore, check_topic_unused
from streamhouse_connect.cli import views
from streamhouse_connect.cli.client import DEFAULT_URL, Client
from streamhouse_connect.cli.failures import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from types import TracebackType

    from streamhouse_connect import Definition, Topic

__all__ = ["Access", "DataDirAccess", "ServerAccess", "data_dir_option", "open_access", "url_option"]

C = TypeVar("C", bound="Callable[..., object]")
T = TypeVar("T")


class Access(Protocol):
    """The topics of a server or of a data directory. Raises what a `Broker` raises."""

    batch_size: ClassVar[int]
    """How many records an append is best given."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def topics(self) -> list[views.Topic]:
        """Return all topics, by name."""

    def topic(self, name: str) -> views.Topic:
        """Return one topic."""

    def create(self, topic: views.NewTopic) -> views.Topic:
        """Make a topic."""

    def delete(self, name: str) -> None:
        """Delete a topic that no connector reads, or puts dead letters into."""

    def append(self, topic: str, records: NewRecords) -> None:
        """Append all records durably, or none."""


class ServerAccess:
    """Topics by way of the REST API."""

    batch_size: ClassVar[int] = 5_000

    def __init__(self, url: str) -> None:
        self._client = Client(url)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def topics(self) -> list[views.Topic]:
        return self._client.topics()

    def topic(self, name: str) -> views.Topic:
        return self._client.topic(name)

    def create(self, topic: views.NewTopic) -> views.Topic:
        return self._client.create_topic(topic)

    def delete(self, name: str) -> None:
        self._client.delete_topic(name)

    def append(self, topic: str, records: NewRecords) -> None:
        values = _texts(records.values)
        keys = _texts(records.keys) if records.keys else [None] * len(values)
        timestamps = records.timestamps or [None] * len(values)
        columns = zip(values, keys, timestamps, strict=True)
        self._client.produce(views.NewRecords(topic, [views.NewRecord(v or "", k, t) for v, k, t in columns]))


class DataDirAccess:
    """Topics in a data directory, held as long as the `with` block lasts.

    It ends when what is under way in another thread has ended.
    """

    batch_size: ClassVar[int] = 10_000

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._broker = SqliteBroker(data_dir)
        self._runner = asyncio.Runner()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        try:
            self._run(self._broker.open())
        except ConflictError as error:
            self._runner.close()
            message = f"{error}; if that is a server, leave out --data-dir or name the server with --url"
            raise CommandError(message) from error
        except BaseException:
            self._runner.close()
            raise

        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._run(self._broker.close())
        finally:
            self._runner.close()

    def topics(self) -> list[views.Topic]:
        return [self._run(self._view(topic)) for topic in self._run(self._broker.topics())]

    def topic(self, name: str) -> views.Topic:
        return self._run(self._view(self._run(self._broker.topic(name))))

    def create(self, topic: views.NewTopic) -> views.Topic:
        made = self._broker.create_topic(
            topic.name,
            partitions=topic.partitions,
            retention_ms=topic.retention_ms,
            retention_bytes=topic.retention_bytes,
        )
        return self._run(self._view(self._run(made)))

    def delete(self, name: str) -> None:
        check_topic_unused(name, self._run(self._definitions()))
        self._run(self._broker.delete_topic(name))

    def append(self, topic: str, records: NewRecords) -> None:
        self._run(self._broker.append(topic, records))

    async def _view(self, topic: Topic) -> views.Topic:
        extents = await self._broker.watermarks(topic.name)
        partitions = [views.TopicPartition(tp.partition, *extents[tp]) for tp in sorted(extents)]
        return views.Topic(topic.name, topic.partitions, topic.retention_ms, topic.retention_bytes, partitions)

    async def _definitions(self) -> list[Definition]:
        async with SqliteDefinitionStore(self._data_dir) as definitions:
            return list(await definitions.all())

    def _run(self, work: Coroutine[object, object, T]) -> T:
        with self._lock:
            return self._runner.run(work)


def open_access(*, url: str, data_dir: Path | None, create: bool = False) -> Access:
    """Reach the topics as the options ask for; only with `create` may the data directory be a new one."""
    if data_dir is None:
        return ServerAccess(url)

    if click.get_current_context().get_parameter_source("url") is ParameterSource.COMMANDLINE:
        message = "--url and --data-dir are two ways to the topics; give one of them"
        raise click.UsageError(message)

    if not create and not data_dir.is_dir():
        message = (
            f"there is no data directory {data_dir}; it is made by: streamhouse-connect serve --data-dir {data_dir}"
        )
        raise CommandError(message)

    return DataDirAccess(data_dir)


def url_option(command: C) -> C:
    """Add `--url`."""
    return click.option(
        "--url",
        default=DEFAULT_URL,
        show_default=True,
        envvar="STREAMHOUSE_CONNECT_URL",
        show_envvar=True,
        metavar="URL",
        help="The server to talk to.",
    )(command)


def data_dir_option(command: C) -> C:
    """Add `--data-dir`, beside `--url`."""
    return click.option(
        "--data-dir",
        type=click.Path(file_okay=False, path_type=Path),
        help="Instead of a server: a data directory that no server holds.",
    )(command)


def _texts(column: Sequence[bytes | None]) -> list[str | None]:
    return [None if item is None else item.decode() for item in column]
