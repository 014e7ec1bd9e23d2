"""What is asked of a cluster: topics, offsets, groups. Answers come as futures; nothing here blocks an event loop."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicCollection
from confluent_kafka import TopicPartition as Place
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource, ConfigSource
from confluent_kafka.admin._listoffsets import OffsetSpec
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewTopic

from streamhouse_connect.brokers._topics import is_topic_name
from streamhouse_connect.brokers.interface import Committed, Topic
from streamhouse_connect.brokers.kafka._commit_clients import CommitClients
from streamhouse_connect.brokers.kafka._group_client import commits_of
from streamhouse_connect.brokers.kafka._properties import asks_for_versions
from streamhouse_connect.errors import FatalError, RetriableError
from streamhouse_connect.librdkafka import NO_SUCH_REQUEST, NO_TOPIC, cause, client, translate, translated
from streamhouse_connect.records import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
    from concurrent.futures import Executor, Future

__all__ = ["Admin", "topic_id"]

R = TypeVar("R")

_SECONDS: Final = 10.0
_REPLICAS: Final = 3
_LOOK_SECONDS: Final = 0.02
_INTERNAL: Final = "__"
_RETENTION: Final = ("retention.ms", "retention.bytes")
_BOUNDS: Final = (OffsetSpec.earliest(), OffsetSpec.latest())  # type: ignore[no-untyped-call]  # it has no types
_NO_ID: Final = "AAAAAAAAAAAAAAAAAAAAAA"


class Admin:
    """One client for everything that is no reading or writing."""

    def __init__(self, properties: Mapping[str, str], threads: Executor) -> None:
        with translated("use the broker's configuration"):
            self._client = AdminClient(client(properties))

        self._commits = CommitClients(properties)
        self._threads = threads
        self._asks_for_versions = asks_for_versions(properties)

    def close(self) -> None:
        """End the clients that were kept; nothing is asked any more."""
        self._commits.close()

    async def names(self) -> dict[str, int]:
        """Return the number of partitions of each topic that is not Kafka's own."""
        found = await self._call("list topics", lambda: self._client.list_topics(timeout=_SECONDS))

        return {
            name: len(topic.partitions)
            for name, topic in found.topics.items()
            if not name.startswith(_INTERNAL) and topic.error is None
        }

    async def describe(self, names: Collection[str]) -> dict[str, Topic]:
        """Return those of these topics that exist."""
        names = [name for name in names if is_topic_name(name)]  # for some others the library ends the process

        if not names:
            return {}

        if not self._asks_for_versions:
            counts = await self.names()
            return {name: Topic(name, name, counts[name]) for name in names if name in counts}

        asked = self._client.describe_topics(TopicCollection(names), request_timeout=_SECONDS)
        configs = self._client.describe_configs(
            [ConfigResource(ResourceType.TOPIC, name) for name in names], request_timeout=_SECONDS
        )
        retention = {
            resource.name: await self._kept(future, {}, unless=NO_TOPIC | NO_SUCH_REQUEST)
            for resource, future in configs.items()
        }
        found = {}

        for name, future in asked.items():
            description = await self._kept(future, None)

            if description is not None:
                ms, size = (_limit(retention[name], key) for key in _RETENTION)
                found[name] = Topic(name, topic_id(description), len(description.partitions), ms, size)

        return found

    async def create(
        self, name: str, *, partitions: int, retention_ms: int | None, retention_bytes: int | None
    ) -> Topic:
        """Create a topic and wait until it can be used."""
        self._need_versions(f"create the topic {name!r}")
        values = zip(_RETENTION, (retention_ms, retention_bytes), strict=True)
        topic = NewTopic(
            name,
            num_partitions=partitions,
            replication_factor=await self._replicas(),
            config={key: str(value) for key, value in values if value is not None},
        )
        created = self._client.create_topics([topic], operation_timeout=_SECONDS)[name]
        await self._answer(created, f"create the topic {name!r}")

        async with asyncio.timeout(_SECONDS):
            while True:
                found = (await self.describe([name])).get(name)

                if found is not None and (await self.names()).get(name) == partitions:
                    return found

                await asyncio.sleep(_LOOK_SECONDS)

    async def delete(self, name: str) -> None:
        """Delete a topic and wait until it is gone."""
        self._need_versions(f"delete the topic {name!r}")
        deleted = self._client.delete_topics([name], operation_timeout=_SECONDS)[name]
        await self._answer(deleted, f"delete the topic {name!r}")

        async with asyncio.timeout(_SECONDS):
            while True:
                if name not in await self.names():
                    return

                await asyncio.sleep(_LOOK_SECONDS)

    async def watermarks(self, topic: str, partitions: int) -> dict[TopicPartition, tuple[int, int]]:
        """Return the first offset and the one behind the last record that can be read, for each partition."""
        tps = [TopicPartition(topic, partition) for partition in range(partitions)]
        starts, ends = [await self._settled(partial(self._offsets, tps, spec)) for spec in _BOUNDS]
        return {tp: (starts[tp], ends[tp]) for tp in tps}

    async def committed(self, group: str) -> dict[TopicPartition, Committed]:
        """Return all commits of a group."""
        asked = [Place(name, number) for name, count in (await self.names()).items() for number in range(count)]

        if not asked:
            return {}

        places: Sequence[Place] = await self._call(
            f"read the offsets of the group {group!r}", partial(self._commits.committed, group, asked, _SECONDS)
        )
        return commits_of(places)

    async def delete_group(self, group: str) -> None:
        """Delete a group; one that does not exist is no error.

        :raises RetriableError: if it still has members.
        """
        self._need_versions(f"delete the group {group!r}")  # the library would end the process
        deleted = self._client.delete_consumer_groups([group], request_timeout=_SECONDS)[group]

        try:
            await asyncio.wrap_future(deleted)
        except KafkaException as error:
            why = cause(error)

            if why is None or why.code() != KafkaError.GROUP_ID_NOT_FOUND:
                raise (translate(why, f"delete the group {group!r}") if why else error) from error

    async def _offsets(self, tps: Collection[TopicPartition], spec: OffsetSpec) -> dict[TopicPartition, int]:
        asked = self._client.list_offsets(
            {Place(tp.topic, tp.partition): spec for tp in tps},
            request_timeout=_SECONDS,
            isolation_level=IsolationLevel.READ_COMMITTED,
        )
        found = {}

        for place, future in asked.items():
            doing = f"find the offsets of {place.topic}-{place.partition}"
            answer = await self._answer(future, doing)

            if answer.offset < 0:  # a broker that hangs is no error to the library
                raise RetriableError(f"cannot {doing}: the broker does not answer")

            found[TopicPartition(place.topic, place.partition)] = answer.offset

        return found

    async def _settled(self, ask: Callable[[], Awaitable[R]]) -> R:
        """Ask until a topic that was made just now has leaders."""
        deadline = asyncio.get_running_loop().time() + _SECONDS

        while True:
            try:
                return await ask()
            except RetriableError:
                if asyncio.get_running_loop().time() > deadline:
                    raise

            await asyncio.sleep(_LOOK_SECONDS)

    async def _replicas(self) -> int:
        """Return how many copies of a topic there can be, up to the customary three."""
        found = await self._call("look at the cluster", lambda: self._client.list_topics(timeout=_SECONDS))
        return min(_REPLICAS, len(found.brokers))

    def _need_versions(self, doing: str) -> None:
        if not self._asks_for_versions:
            raise FatalError(
                f"cannot {doing}: with api.version.request=false there is no request for it; use the brokers' own tools"
            )

    async def _call(self, doing: str, act: Any) -> Any:
        with translated(doing):
            return await asyncio.get_running_loop().run_in_executor(self._threads, act)

    async def _answer(self, future: Future[R], doing: str) -> R:
        with translated(doing):
            return await asyncio.wrap_future(future)

    async def _kept(self, future: Future[R], otherwise: R, *, unless: Collection[int] = NO_TOPIC) -> R:
        """Return an answer about a topic; `otherwise` if there is no such topic, or whatever else is excused."""
        try:
            return await asyncio.wrap_future(future)
        except KafkaException as error:
            why = cause(error)

            if why is not None and why.code() in unless:
                return otherwise

            raise (translate(why, "look at topics") if why else error) from error


def topic_id(description: Any) -> str:
    """Return the topic's id; its name where brokers are too old to have ids."""
    found = str(description.topic_id)
    return description.name if found == _NO_ID else found


def _limit(configs: Mapping[str, Any], key: str) -> int | None:
    """Return a limit that was set for the topic itself."""
    entry = configs.get(key)

    if entry is None or entry.source != ConfigSource.DYNAMIC_TOPIC_CONFIG.value or int(entry.value) < 0:
        return None

    return int(entry.value)
