"""What a connector reads and writes at the broker, where its configuration can't be loaded too."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from streamhouse_connect import Definition
from streamhouse_connect.runtime.sources import dead_letter_topic_of


@pytest.mark.parametrize(
    ("config", "topic"),
    [
        ({}, None),
        ({"errors.deadletterqueue.topic.name": "letters"}, None),
        ({"errors.tolerance": "all"}, "c-dlq"),
        ({"errors.tolerance": "all", "errors.deadletterqueue.topic.name": "letters"}, "letters"),
    ],
)
def test_dead_letters_are_guarded_where_their_connector_can_not_be_loaded(
    config: dict[str, object], topic: str | None
) -> None:
    """Another worker may have its plugin, and be at it."""
    now = datetime.now(UTC)
    definition = Definition(
        name="c", connector_class="gone", topics=(), config=config, uid="u", created_at=now, updated_at=now
    )
    assert dead_letter_topic_of(definition, None) == topic
