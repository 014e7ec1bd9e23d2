from __future__ import annotations

import pytest

from streamhouse_elasticsearch_sink import ElasticsearchConfig, ElasticsearchSink


@pytest.mark.parametrize(
    ("options", "level", "words"),
    [
        ({}, "exactly-once", "topic+partition+offset"),
        ({"document_id": "{key}"}, "exactly-once", "an older record never replaces a newer one"),
        ({"document_id": "{key}", "version_source": "offset"}, "exactly-once", "its version the offset"),
        (
            {"document_id": "{key}", "version_source": "offset", "delete_enabled": True},
            "exactly-once",
            "index.gc_deletes",
        ),
        (
            {"document_id": "{key}", "version_source": "none"},
            "effectively-once",
            "an older version of a document may show",
        ),
        ({"document_id": "{key}", "version_source": "timestamp"}, "effectively-once", "is the record's timestamp"),
        ({"document_id": "id", "version_source": "field:v"}, "effectively-once", "is its field:v"),
        ({"document_id": "id"}, "effectively-once", "made of id"),
        ({"document_id": "{key}-{offset}"}, "effectively-once", "older version"),
        ({"write_method": "create"}, "exactly-once", "not created again"),
        ({"write_method": "create", "document_id": "id"}, "effectively-once", "not created again"),
        ({"write_method": "update", "document_id": "{key}"}, "effectively-once", "older values"),
        ({"data_stream": True}, "effectively-once", "rolls over"),
        ({"require_alias": True}, "exactly-once", "if the alias moves"),
        ({"document_id": "{key}", "require_alias": True, "write_method": "update"}, "effectively-once", "if the alias"),
        ({"document_id": "{key}", "routing": "customer"}, "exactly-once", "what routing makes of them are documents"),
        (
            {"document_id": "id", "routing": "r", "index_name": "logs-{field:tenant}"},
            "effectively-once",
            "what routing and index.name makes of them",
        ),
        (
            {"document_id": "{key}", "index_name": "logs-{timestamp:%Y}"},
            "exactly-once",
            "what index.name makes of them",
        ),
    ],
)
def test_what_is_promised_and_where_it_ends(options: dict[str, object], level: str, words: str):
    """For each kind of configuration."""
    config = ElasticsearchConfig(**{"index_name": "logs", **options})  # type: ignore[arg-type]  # each of its option's type
    guarantee = ElasticsearchSink.guarantee(config)
    assert guarantee.level == level
    assert words in guarantee.reason


@pytest.mark.parametrize(
    "options",
    [
        {"routing": "customer", "index_name": "logs-{timestamp:%Y}"},
        {"document_id": "{key}", "routing": "{key}", "index_name": "logs-{topic}"},
    ],
)
def test_what_makes_no_second_document(options: dict[str, object]):
    """A record of an offset has one place, and so has a key that is its own route."""
    config = ElasticsearchConfig(**{"index_name": "logs", **options})  # type: ignore[arg-type]  # each of its option's type
    assert "documents of their own" not in ElasticsearchSink.guarantee(config).reason
