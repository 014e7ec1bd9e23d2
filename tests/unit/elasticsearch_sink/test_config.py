from __future__ import annotations

import pytest

from streamhouse_connect import SecretUrl
from streamhouse_elasticsearch_sink import ElasticsearchConfig, ElasticsearchSink


def problems(**options: object) -> list[str]:
    values = {"index_name": "orders", **options}
    return [str(problem) for problem in ElasticsearchConfig(**values).problems()]  # type: ignore[arg-type]  # wrong on purpose


def test_the_documented_defaults():
    """As the documentation says them."""
    config = ElasticsearchConfig(index_name="orders")
    assert config.connection_url.reveal() == "http://localhost:9200"
    assert config.document_id is None
    assert (config.connect_timeout_ms, config.request_timeout_ms, config.max_in_flight) == (30_000, 30_000, 2)
    assert ElasticsearchSink.defaults == {"batch.size": 1000, "batch.bytes": 5 * 1024 * 1024, "batch.interval_ms": 5000}
    assert not problems()


def test_all_problems_are_named_at_once():
    """Each under the key as the user wrote it."""
    found = problems(connection_url=SecretUrl("ftp://x"), index_name="a b", document_id="a..b")
    assert [problem.split(" ")[0] for problem in found] == ["connection.url", "index.name", "document.id"]


@pytest.mark.parametrize("document_id", ["id", "a.b", "a.b.c", "größe", "", "a b"])
def test_fields_that_can_be_ids(document_id: str):
    """Any name that JSON writes as it is; nothing means the automatic id."""
    assert not problems(document_id=document_id)


@pytest.mark.parametrize("document_id", [".", "a.", ".a", "a..b", 'a"b', "a\\b", "a\nb"])
def test_fields_that_cannot_be_ids(document_id: str):
    """Empty steps and names that need an escape."""
    assert len(problems(document_id=document_id)) == 1
