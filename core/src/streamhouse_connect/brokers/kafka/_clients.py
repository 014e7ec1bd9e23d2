"""The clients of an open broker, made and ended together. Importing this takes the client library in."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from streamhouse_connect.brokers.kafka._admin import Admin
from streamhouse_connect.brokers.kafka._consumer import KafkaConsumer
from streamhouse_connect.brokers.kafka._manual import ManualConsumer
from streamhouse_connect.brokers.kafka._producer import Appender
from streamhouse_connect.brokers.kafka._reader import Reader
from streamhouse_connect.brokers.kafka._watch import TopicWatch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamhouse_connect.brokers.interface import RebalanceListener
    from streamhouse_connect.brokers.kafka._offsets import Offsets
    from streamhouse_connect.brokers.subscription import Subscription

__all__ = ["Clients"]

_THREADS: Final = 8


class Clients:
    """All of them with the same properties, which may hold secrets."""

    def __init__(self, properties: Mapping[str, str], offsets: Offsets | None) -> None:
        self._properties = properties
        self._offsets = offsets
        self._consumers: set[KafkaConsumer] = set()
        self.threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="kafka-requests")
        self.admin = Admin(properties, self.threads)
        self.appender = Appender(properties)
        self.reader = Reader(properties)
        self._watch = TopicWatch(properties)

    def consumer(self, group: str, subscription: Subscription, listener: RebalanceListener) -> KafkaConsumer:
        """Make a member of a group, or, where offsets are not Kafka's, the one reader."""
        self._watch.start()
        more: dict[str, Any] = {
            "properties": self._properties,
            "watch": self._watch,
            "closed": self._consumers.discard,
        }

        if self._offsets is None:
            consumer = KafkaConsumer(group, subscription, listener, **more)
        else:
            self._supersede(group)
            consumer = ManualConsumer(group, subscription, listener, offsets=self._offsets, **more)

        self._consumers.add(consumer)
        return consumer

    def _supersede(self, group: str) -> None:
        for older in list(self._consumers):
            if isinstance(older, ManualConsumer) and older.group == group:
                older.supersede()

    def close(self) -> None:
        """End all clients; consumers leave their groups without telling their listeners. Blocks."""
        for consumer in list(self._consumers):
            consumer.end()

        self._consumers.clear()
        self._watch.close()
        self.appender.close()
        self.reader.close()
        self.threads.shutdown()
        self.admin.close()
