"""What connectors do with a topic, which is not to be deleted under them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamhouse_connect.errors import ConflictError
from streamhouse_connect.runtime.sources import dead_letter_topic_of, subscription_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamhouse_connect.definitions import Definition
    from streamhouse_connect.runtime.plan import Plan

__all__ = ["check_topic_unused", "check_unused"]


def check_unused(topic: str, connectors: Iterable[tuple[Definition, Plan | None]]) -> None:
    """Check that none of these reads a topic or puts dead letters into it.

    :raises ConflictError: with the code `topic_in_use`, naming those that do.
    """
    known = sorted(connectors, key=lambda connector: connector[0].name)
    readers = [each.name for each, plan in known if subscription_of(each, plan).includes(topic)]
    buriers = [each.name for each, plan in known if dead_letter_topic_of(each, plan) == topic]
    uses = (("is read by", readers), ("takes the dead letters of", buriers))

    if used := [f"{what} {', '.join(names)}" for what, names in uses if names]:
        message = f"topic {topic!r} {' and '.join(used)}; delete the connectors first"
        raise ConflictError(message, code="topic_in_use")


def check_topic_unused(topic: str, definitions: Iterable[Definition]) -> None:
    """Check that no connector that is defined, whether it runs or not, reads a topic or puts dead letters into it.

    :raises ConflictError: with the code `topic_in_use`, naming those that do.
    """
    check_unused(topic, ((definition, None) for definition in definitions))
