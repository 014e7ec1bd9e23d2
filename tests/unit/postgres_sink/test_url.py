from __future__ import annotations

from pathlib import Path

import pytest

from streamhouse_connect import SecretUrl
from streamhouse_postgres_sink._url import certificates, connection_parameters, has_password, place, troubles_with

DIRECTORY = Path("/etc/certs")


def troubles(url: str) -> list[str]:
    return list(troubles_with(SecretUrl(url), directory=DIRECTORY))


def parameters(url: str) -> dict[str, str]:
    return connection_parameters(SecretUrl(url), directory=DIRECTORY)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:secret@host:5432/database",
        "postgres://host/database",
        "postgresql:///database",
        "postgresql://[::1]:5432/database",
        "postgresql://user:s%40%2F%3Acret@one:1,two:2/database?target_session_attrs=read-write",
        "postgresql://user:p?w@host/database",
        "postgresql://host/db?password=secret&sslmode=verify-full&sslrootcert=system&application_name=a@b&connect_timeout=3",
        "postgresql://host/db?sslmode=verify-full&sslrootcert=ca.crt&sslcert=/etc/certs/a/client.crt&sslkey=a/../client.key",
        "postgresql://host/db?sslcert=client.crt&sslkey=client.key&sslpassword=secret",
    ],
)
def test_a_url_of_postgresql_is_accepted(url: str):
    """Under both of its schemes, with several hosts, and with the parameters that are harmless."""
    assert not troubles(url)


@pytest.mark.parametrize(
    ("url", "trouble"),
    [
        ("mysql://u:hunter2@host/db", "starts with mysql://"),
        ("host=localhost password=hunter2", "must start with postgresql://"),
        ("postgresql://u:hunter2%zz@host/db", "percent-encode"),
        ("postgresql://host/db\x00?sslmode=disable", "can't be printed"),
        ("postgresql://host/db?host=evil", "the parameter host"),
        ("postgresql://host/db?hostaddr=1.2.3.4", "the parameter hostaddr"),
        ("postgresql://host/db?user=postgres", "the parameter user"),
        ("postgresql://host/db?options=-csearch_path%3Dx", "the parameter options"),
        ("postgresql://host/db?passfile=/root/.pgpass", "the parameter passfile"),
        ("postgresql://host/db?service=x", "the parameter service"),
        ("postgresql://host/db?sslkey=/root/key", "sslkey outside of /etc/certs"),
        ("postgresql://host/db?sslkey=../key", "sslkey outside of /etc/certs"),
        ("postgresql://host/db?sslkey=%2e%2e/key", "sslkey outside of /etc/certs"),
        ("postgresql://host/db?sslkey=/etc/certs2/key", "sslkey outside of /etc/certs"),
        ("postgresql://host/db?sslcert=/etc/certs/../shadow", "sslcert outside of /etc/certs"),
        ("postgresql://host/db?sslrootcert=/etc/shadow", "sslrootcert outside of /etc/certs"),
        ("postgresql://host/db?sslkey=engine:key", "sslkey with a colon"),
        ("postgresql://host/db?passw%6Frd=hunter2", "a parameter that is not allowed"),
        ("postgresql://us?er:hunter2@host/db", "a parameter that is not allowed"),
        ("postgresql://u:hunter2@evil/x@host/db", "two ways"),
        ("postgresql://u:hunter2@evil@host/db", "two ways"),
        ("postgresql://u:12345/hunter2@host/db", "two ways"),
        ("postgresql://host:abc/db", "two ways"),
        ("postgresql://host:70000/db", "has a port"),
        ("postgresql://host:0/db", "has a port"),
        ("postgresql://host/db?sslmode=on", "gives sslmode a value"),
        ("jdbc:postgresql://host/db", "leave out jdbc:"),
        ("postgresql://host/db?target_session_attrs=standby", "there are any, read-write, primary"),
        ("postgresql://host/db?target_session_attrs=x", "gives target_session_attrs a value"),
        ("postgresql://host/db?connect_timeout=0", "connect_timeout"),
        ("postgresql://host/db?connect_timeout=forever", "connect_timeout"),
    ],
)
def test_what_is_wrong_with_a_url_is_said_without_its_password(url: str, trouble: str):
    """What would move the connection elsewhere, or wait for ever, is wrong too."""
    said = "; ".join(troubles(url))
    assert trouble in said
    assert "hunter2" not in said
    assert "12345" not in said


def test_a_stored_password_cannot_be_sent_to_another_host():
    """A masked URL that was altered so that libpq reads another host than everybody else is refused."""
    stored = SecretUrl("postgresql://u:hunter2@good/db")
    sent_back = SecretUrl("postgresql://u:********@evil/x@good/db")
    restored = sent_back.restored(stored)
    assert not isinstance(restored, SecretUrl) or list(troubles_with(restored, directory=DIRECTORY))


def test_parameters_never_wait_for_ever():
    """Unless the URL says otherwise, connecting takes 10 s at most and a silent peer is noticed."""
    given = parameters("postgresql://u:p@h/d")
    assert given["connect_timeout"] == "10"
    assert int(given["keepalives_idle"]) < 60
    assert parameters("postgresql://h/d?connect_timeout=3")["connect_timeout"] == "3"


def test_certificates_are_found_in_their_directory():
    """By their names in it, or by their whole paths; `system` is no file."""
    given = parameters("postgresql://h/d?sslrootcert=system&sslcert=c/client.crt&sslkey=/etc/certs/client.key")
    assert [given[name] for name in ("sslrootcert", "sslcert", "sslkey")] == [
        "system",
        "/etc/certs/c/client.crt",
        "/etc/certs/client.key",
    ]


@pytest.mark.parametrize("name", ["link/../../passwd", "/certificates/link/../../passwd", "link/../../../etc/passwd"])
def test_a_link_in_the_directory_is_no_way_out_of_it(name: str):
    """Its owner alone makes links, and names with dots are read letter by letter: what is left of them is what libpq opens."""
    url = SecretUrl(f"postgresql://host/db?sslkey={name}")
    assert any("outside of /certificates" in trouble for trouble in troubles_with(url, directory=Path("/certificates")))
    inside = connection_parameters(
        SecretUrl("postgresql://host/db?sslkey=link/../own.key"), directory=Path("/certificates")
    )
    assert inside["sslkey"] == "/certificates/own.key"


def test_the_environment_names_the_directory_of_certificates(monkeypatch: pytest.MonkeyPatch):
    """Without a word it is libpq's own."""
    monkeypatch.setenv("HOME", "/home/x")
    assert certificates() == Path("/home/x/.postgresql")
    monkeypatch.setenv("STREAMHOUSE_CONNECT_CERTIFICATES", "/etc/certs")
    assert certificates() == DIRECTORY


def test_of_several_hosts_one_is_taken_that_can_be_written_to():
    """Unless the URL says otherwise; of a single one nothing is asked."""
    assert parameters("postgresql://a,b/d")["target_session_attrs"] == "read-write"
    assert parameters("postgresql://a,b/d?target_session_attrs=any")["target_session_attrs"] == "any"
    assert parameters("postgresql://a/d")["target_session_attrs"] == "any"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u:p@h/d", True),
        ("postgresql://h/d?password=p", True),
        ("postgresql://u@h/d?sslpassword=p&sslkey=k", False),
    ],
)
def test_a_password_is_the_users(url: str, expected: bool):
    """Not a key's."""
    assert has_password(SecretUrl(url)) is expected


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:p@h:1/d?sslmode=disable", "h:1/d"),
        ("postgresql://h1,h2/d", "h1,h2/d"),
        ("postgresql://", "the local server"),
    ],
)
def test_messages_name_the_place_and_nobody(url: str, shown: str):
    """Host, port and database, but no user and no password."""
    assert place(SecretUrl(url)) == shown
