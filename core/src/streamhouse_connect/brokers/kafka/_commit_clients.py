"""Clients that ask what groups have committed, without ever joining one.

The library's own call for that, the administrator's, ends the process while a coordinator is not ready. A client is of one group,
and to make one takes longer than to ask: some are kept, for groups that are asked about again and again.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from time import monotonic
from typing import TYPE_CHECKING, Final

from confluent_kafka import Consumer as Client
from confluent_kafka import KafkaException

from streamhouse_connect.librdkafka import client

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from confluent_kafka import TopicPartition as Place

__all__ = ["CommitClients"]

_KEPT: Final = 8


class CommitClients:
    """May be used from many threads at a time; who uses a client has it for himself."""

    def __init__(self, properties: Mapping[str, str]) -> None:
        self._properties = properties
        self._idle: OrderedDict[str, Client] = OrderedDict()
        self._guard = threading.Lock()

    def committed(self, group: str, places: list[Place], seconds: float) -> Sequence[Place]:
        """Return the commits of a group; blocks.

        :raises KafkaException: if they are not told in time.
        """
        deadline = monotonic() + seconds

        with self._guard:
            kept = self._idle.pop(group, None)

        if kept is not None:
            try:
                return self._ask(group, kept, places, seconds)
            except KafkaException:  # its coordinator may be another one by now
                if monotonic() >= deadline:
                    raise

        made = Client(client({**self._properties, "group.id": group}, consumes=True))
        return self._ask(group, made, places, deadline - monotonic())

    def close(self) -> None:
        """End all clients; nobody uses one any more."""
        with self._guard:
            while self._idle:
                self._idle.popitem()[1].close()

    def _ask(self, group: str, asked: Client, places: list[Place], seconds: float) -> Sequence[Place]:
        try:
            found = asked.committed(places, seconds)
        except BaseException:
            asked.close()
            raise

        self._keep(group, asked)
        return found

    def _keep(self, group: str, used: Client) -> None:
        with self._guard:
            surplus = [self._idle.pop(group, None)]
            self._idle[group] = used

            if len(self._idle) > _KEPT:
                surplus.append(self._idle.popitem(last=False)[1])

        for each in surplus:
            if each is not None:
                each.close()
