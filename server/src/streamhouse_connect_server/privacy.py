"""Topics that are the workers' own: who could read or write those could read every secret, or be every connector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from streamhouse_connect import Problem
from streamhouse_connect_server.bodies import invalid
from streamhouse_connect_server.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PrivateTopics"]


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
        """Refuse a connector that would deliver them.

        :raises RequestError: with the status 400.
        """
        topics = body.get("topics")
        given = enumerate(topics if isinstance(topics, list) else ())
        rule = "is where workers keep connectors, with their secrets"
        problems = [
            Problem(f"topics[{index}]", f"is {name}, which {rule}") for index, name in given if self._includes(name)
        ]

        if problems:
            raise invalid(problems)

    def _includes(self, name: object) -> bool:
        return isinstance(name, str) and name in self.names
