from __future__ import annotations

import pytest

from streamhouse_connect import Secret, SecretUrl
from streamhouse_elasticsearch_sink._addresses import Address, addresses
from streamhouse_elasticsearch_sink._addresses import label as label_of
from streamhouse_elasticsearch_sink._connection_options import ConnectionOptions

SECURE = SecretUrl("https://es:9200")
FINGERPRINT = "ab" * 32


def problems(**options: object) -> list[str]:
    made = ConnectionOptions(**options)  # type: ignore[arg-type]  # wrong on purpose
    return [str(problem) for problem in made.connection_problems()]


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
    assert addresses(SecretUrl(url)) == (address,)
    assert label_of((address,)) == label
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


def test_several_nodes_stand_between_commas():
    """A comma that begins no URL is part of one."""
    found = addresses(SecretUrl("http://a:9200, https://b ,http://c:1/x,http://c:1/y,https://[::1]:1,https://[::2]:1"))
    shown = "http://a:9200, https://b:443, http://c:1/x, http://c:1/y, https://[::1]:1, https://[::2]:1"
    assert label_of(found) == shown
    assert addresses(SecretUrl("http://u:p,w@a:9200"))[0].password == "p,w"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://u:s3cret@a,http://b", "connection.username and connection.password"),
        ("http://a,http://u:s3cret@b", "connection.username and connection.password"),
        ("http://a,http://a:80/", "twice"),
        ("http://a,ftp://b", "http:// or https://"),
        ("http://a,b", "each of several nodes by a URL of its own"),
        ("http://a:1,b:2", "is not a URL"),
        ("http://a,", "each of several nodes by a URL of its own"),
        ("http://A:80,http://a", "twice"),
    ],
)
def test_nodes_that_are_refused(url: str, words: str):
    """What can be shown of several URLs is the whole of them, or nothing."""
    [problem] = problems(connection_url=SecretUrl(url))
    assert words in problem
    assert "s3cret" not in problem


@pytest.mark.parametrize(
    ("options", "header"),
    [
        ({}, None),
        ({"connection_url": SecretUrl("http://u%40:p@es")}, "Basic dUA6cA=="),
        ({"connection_url": SecretUrl("http://:p@es")}, "Basic OnA="),
        ({"username": "u", "password": Secret("ä:b")}, "Basic dTrDpDpi"),
        ({"api_key": Secret("a2V5")}, "ApiKey a2V5"),
        ({"api_key": Secret("id:key")}, "ApiKey aWQ6a2V5"),
        ({"bearer_token": Secret("t.o-k")}, "Bearer t.o-k"),
    ],
)
def test_one_header_says_who_we_are(options: dict[str, object], header: str | None):
    """Whichever way credentials are given."""
    assert not problems(**options)
    assert ConnectionOptions(**options).authorization == header  # type: ignore[arg-type]  # from a table


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"username": "u"}, "connection.username belongs to connection.password"),
        ({"password": Secret("s3cret")}, "connection.username belongs to connection.password"),
        ({"api_key": Secret("s3cret x")}, "connection.api.key holds a space"),
        ({"bearer_token": Secret("s3cret\n")}, "connection.bearer.token holds a space, a line break"),
        (
            {"connection_url": SecretUrl("http://u:s3cret@es"), "api_key": Secret("s3cret")},
            "connection.api.key says who we are, and so does connection.url",
        ),
        (
            {"username": "u", "password": Secret("s3cret"), "bearer_token": Secret("s3cret")},
            "connection.bearer.token says who we are, and so does connection.username",
        ),
        ({"ca_file": "x"}, "connection.ca.file has no effect without https://"),
        ({"certificate_file": "x"}, "connection.certificate.file has no effect without https://"),
        ({"fingerprints": (FINGERPRINT,)}, "connection.fingerprint has no effect without https://"),
        ({"connection_url": SECURE, "key_file": "x"}, "connection.key.file belongs to connection.certificate.file"),
        (
            {"connection_url": SECURE, "key_password": Secret("s3cret")},
            "connection.key.password belongs to connection.certificate.file",
        ),
        (
            {"connection_url": SECURE, "ca_file": "x", "fingerprints": (FINGERPRINT,)},
            "connection.ca.file has no effect beside connection.fingerprint",
        ),
        ({"connection_url": SECURE, "fingerprints": ("ab:cd",)}, "connection.fingerprint is 'ab:cd'; write 64"),
    ],
)
def test_options_that_contradict_each_other(options: dict[str, object], problem: str):
    """Each is named by its key, and no secret is repeated."""
    [found] = problems(**options)
    assert found.startswith(problem)
    assert "s3cret" not in found


def test_fingerprints_may_have_colons():
    """As openssl prints them, or as Elasticsearch does."""
    spelt = ":".join(["AB"] * 32)
    assert not problems(connection_url=SECURE, fingerprints=(FINGERPRINT, spelt))
    assert ConnectionOptions(connection_url=SECURE, fingerprints=(FINGERPRINT, spelt)).pins == {b"\xab" * 32}
