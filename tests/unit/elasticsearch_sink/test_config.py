from __future__ import annotations

import pytest

from streamhouse_connect import SecretUrl
from streamhouse_elasticsearch_sink import ElasticsearchConfig, ElasticsearchSink
from streamhouse_elasticsearch_sink._config import Address


def problems(**options: object) -> list[str]:
    values = {"index_name": "orders", **options}
    return [str(problem) for problem in ElasticsearchConfig(**values).problems()]  # type: ignore[arg-type]  # wrong on purpose


def test_the_documented_defaults():
    """As the documentation says them."""
    config = ElasticsearchConfig(index_name="orders")
    assert config.connection_url.reveal() == "http://localhost:9200"
    assert config.document_id is None
    assert ElasticsearchSink.defaults == {"batch.size": 1000, "batch.bytes": 5 * 1024 * 1024, "batch.interval_ms": 5000}
    assert not problems()


def test_all_problems_are_named_at_once():
    """Each under the key as the user wrote it."""
    found = problems(connection_url=SecretUrl("ftp://x"), index_name="a b", document_id="a..b")
    assert [problem.split(" ")[0] for problem in found] == ["connection.url", "index.name", "document.id"]


@pytest.mark.parametrize(
    ("url", "address", "label"),
    [
        ("http://localhost:9200", Address("http", "localhost", 9200), "http://localhost:9200"),
        ("https://es.example.com", Address("https", "es.example.com", 443), "https://es.example.com:443"),
        ("http://es/", Address("http", "es", 80), "http://es:80"),
        ("http://es:1/a/b/", Address("http", "es", 1, "/a/b"), "http://es:1/a/b"),
        ("http://[::1]:9200", Address("http", "::1", 9200), "http://[::1]:9200"),
        ("http://u:p@es:9200", Address("http", "es", 9200, user="u", password="p"), "http://es:9200"),
        ("http://u%40:p%2F%3a@es:9200", Address("http", "es", 9200, user="u@", password="p/:"), "http://es:9200"),
        ("http://u@es:9200", Address("http", "es", 9200, user="u"), "http://es:9200"),
        ("http://:p@es:9200", Address("http", "es", 9200, user="", password="p"), "http://es:9200"),
        (" http://es:9200 ", Address("http", "es", 9200), "http://es:9200"),
    ],
)
def test_a_url_is_taken_apart(url: str, address: Address, label: str):
    """What is shown of an address has no credentials."""
    assert Address.of(SecretUrl(url)) == address
    assert str(address) == label
    assert "password" not in repr(address)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "s3cret",
        "localhost:9200",
        "es.example.com",
        "ftp://es:9200",
        "postgres://u:s3cret@es",
        "http://",
        "http://:9200",
        "http://es:0",
        "http://es:99999",
        "http://es:s3cret",
        "http://u:s3cret/x@es:9200",
        "http://u:12/s3cret@es:9200",
        "http://u:s3?cret@es:9200",
        "http://u:s3#cret@es:9200",
        "http://es:9200?token=s3cret",
        "http://es:9200#s3cret",
        "http://e s:9200",
        "http://es\n:9200",
        "http://[::1:9200",
    ],
)
def test_a_url_that_is_none_is_refused_without_being_quoted(url: str):
    """The message says what is wrong and how to write it, and never repeats what may be a password."""
    [problem] = problems(connection_url=SecretUrl(url))
    assert problem.startswith("connection.url ")
    assert "cret" not in problem
    assert "s3" not in problem


@pytest.mark.parametrize("document_id", ["id", "a.b", "a.b.c", "größe", "", "a b"])
def test_fields_that_can_be_ids(document_id: str):
    """Any name that JSON writes as it is; nothing means the automatic id."""
    assert not problems(document_id=document_id)


@pytest.mark.parametrize("document_id", [".", "a.", ".a", "a..b", 'a"b', "a\\b", "a\nb"])
def test_fields_that_cannot_be_ids(document_id: str):
    """Empty steps and names that need an escape."""
    assert len(problems(document_id=document_id)) == 1
