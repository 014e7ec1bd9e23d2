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
    found = problems(
        connection_url=SecretUrl("ftp://x"), index_name="a b", document_id="a..b", metadata_fields=("topic", "time")
    )
    keys = ["connection.url", "index.name", "document.id", "metadata.fields"]
    assert [problem.split(" ")[0] for problem in found] == keys


@pytest.mark.parametrize("document_id", ["id", "a.b", "a.b.c", "größe", "", "a b"])
def test_fields_that_can_be_ids(document_id: str):
    """Any name that JSON writes as it is; nothing means the automatic id."""
    assert not problems(document_id=document_id)


@pytest.mark.parametrize("document_id", [".", "a.", ".a", "a..b", 'a"b', "a\\b", "a\nb"])
def test_fields_that_cannot_be_ids(document_id: str):
    """Empty steps and names that need an escape."""
    assert len(problems(document_id=document_id)) == 1


@pytest.mark.parametrize(
    ("key", "options"),
    [
        ("index.name", {"index_name": "{topic}"}),
        ("index.name", {"index_name": "{field:tenant}-logs"}),
        ("index.name", {"index_name": "{timestamp:%Y}"}),
        ("write.method", {"data_stream": True, "write_method": "index"}),
        ("write.method", {"data_stream": True, "write_method": "update"}),
        ("delete.enabled", {"delete_enabled": True}),
        ("delete.enabled", {"delete_enabled": True, "document_id": "id"}),
        ("delete.enabled", {"delete_enabled": True, "document_id": "{key}", "index_name": "x-{field:a}"}),
        ("delete.enabled", {"delete_enabled": True, "document_id": "{key}", "routing": "a"}),
        ("delete.enabled", {"delete_enabled": True, "document_id": "{key}", "write_method": "create"}),
        ("delete.enabled", {"delete_enabled": True, "document_id": "{key}", "version_source": "field:a"}),
        ("version.source", {"version_source": "offset"}),
        ("version.source", {"version_source": "offset", "document_id": "id"}),
        ("version.source", {"version_source": "time"}),
        ("version.source", {"version_source": "field:"}),
        ("version.source", {"version_source": "timestamp", "write_method": "create"}),
        ("version.source", {"version_source": "timestamp", "write_method": "update"}),
        ("version.partitions", {"version_partitions": ("orders",)}),
        ("routing", {"routing": "{id}"}),
        ("index.settings", {"index_settings": "{}", "index_template": "{}"}),
        ("index.settings", {"index_settings": "{}", "require_alias": True}),
        ("index.mapping", {"index_mapping": "{"}),
        ("metadata.fields", {"metadata_fields": ("key",)}),
        ("document.id", {"document_id": "{field:a..b}"}),
        ("index.name", {"index_name": "logs-{timestamp:%Y/%m}"}),
        ("index.name", {"index_name": "logs-{field:tenant|A B}"}),
        ("index.name", {"index_name": "{field:tenant|_all}", "index_any": True}),
        ("index.name", {"index_name": "x" * 234, "data_stream": True}),
        ("delete.enabled", {"delete_enabled": True, "document_id": "{key}-{offset}"}),
        ("delete.enabled", {"delete_enabled": True, "document_id": "{key}", "routing": "{offset}"}),
        ("delete.enabled", {"delete_enabled": True, "document_id": "{key}", "index_name": "x-{timestamp:%Y}"}),
        ("index.settings", {"index_mapping": "{}", "index_name": "{topic}-x", "index_any": True}),
        ("pipeline", {"pipeline": "enrich", "write_method": "update"}),
        ("value.wrap", {"value_wrap": "a..b"}),
        ("value.wrap", {"value_wrap": "__connect", "metadata_fields": ("offset",)}),
    ],
)
def test_options_that_do_not_fit_together(key: str, options: dict[str, object]):
    """One problem each, under the key that is to be changed."""
    assert [problem.split(" ")[0] for problem in problems(**options)] == [key]


@pytest.mark.parametrize(
    "options",
    [
        {"index_name": "{topic}", "index_any": True},
        {"index_name": "l{topic}"},
        {"delete_enabled": True, "document_id": "{key}", "write_method": "update"},
        {"delete_enabled": True, "document_id": "{key}", "version_source": "timestamp"},
        {"version_source": "offset", "document_id": "{key}"},
        {"version_source": "none", "write_method": "update"},
        {"version_partitions": ("a:b:12", "users:6")},
        {"data_stream": True, "index_mapping": "{}"},
        {"index_template": "{}", "require_alias": True},
        {"index_settings": "/a/file/that/the/worker/has"},
        {"index_name": "x" * 233, "data_stream": True},
        {"index_template": '{"index_patterns":["shop"]}', "index_name": "{topic}", "index_any": True},
        {"value_wrap": "__connect"},
        {"value_wrap": ""},
    ],
)
def test_options_that_fit_together(options: dict[str, object]):
    """Nothing is wrong with them."""
    assert not problems(**options)
