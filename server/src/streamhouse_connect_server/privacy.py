"""Topics that are the workers' own: who could read or write those could read every secret, or be every connector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from streamhouse_connect import Problem
from streamhouse_connect_server.bodies import invalid
from streamhouse_connect_server.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["PrivateTopics"]

_DEAD_LETTERS: Final = "errors.deadletterqueue.topic.name"


@attrs.frozen
class PrivateTopics:
    """Keeps requests away from them; that they are there is no secret."""

    names: frozenset[str]

    def check(self, topic: str) -> None:
        """Refuse to touch it.

        :raises RequestError: with the status 403.
        """
        if topic in self.names:
            message = (
                f"topic {topic!r} is where workers keep connectors, with their secrets; it is not for anybody else"
            )
            raise RequestError(403, "private_topic", message)

    def check_connector(self, body: Mapping[str, object]) -> None:
        """Refuse a connector that would deliver them, or bury dead letters in them.

        :raises RequestError: with the status 400.
        """
        rule = "is where workers keep connectors, with their secrets"
        problems = [
            Problem(field, f"is {name}, which {rule}")
            for field, name in _topics(body)
            if isinstance(name, str) and name in self.names
        ]

        if problems:
            raise invalid(problems)


def _topics(body: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    topics, config = body.get("topics"), body.get("config")

    if isinstance(topics, list):
        yield from ((f"topics[{index}]", name) for index, name in enumerate(topics))

    if isinstance(config, dict):
        yield f"config.{_DEAD_LETTERS}", config.get(_DEAD_LETTERS)
