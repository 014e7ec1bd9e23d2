from __future__ import annotations

import socket

import click
import pytest

from streamhouse_connect import ConfigError, ConflictError, NotFoundError
from streamhouse_connect.cli import views
from streamhouse_connect.cli.client import Client, NoAnswerError
from streamhouse_connect.cli.failures import CommandError

from .conftest import ScriptedServer

TOPIC = b'{"name":"orders","partition_count":1,"retention_ms":null,"retention_bytes":null,"partitions":[],"new":1}'


def test_an_answer_may_hold_more_than_is_known(scripted_server: ScriptedServer) -> None:
    """A newer server is no reason to fail."""
    scripted_server.body = TOPIC

    with Client(scripted_server.url + "/") as client:
        assert client.topic("orders").partition_count == 1


@pytest.mark.parametrize("name", ["a/b", "../topics", "a?b=c", "a#b", "%2e", "ä ö", "a\nb"])
def test_a_name_stays_one_segment_of_the_path(scripted_server: ScriptedServer, name: str) -> None:
    """No name leads to another resource."""
    with Client(scripted_server.url) as client:
        client.delete_connector(name)

    ((_, path, _),) = scripted_server.requests
    assert path.count("/") == 4
    assert "?" not in path


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_that_is_a_direction_is_refused(scripted_server: ScriptedServer, name: str) -> None:
    """Deleting `..` must not delete something else."""
    with Client(scripted_server.url) as client, pytest.raises(click.UsageError):
        client.delete_connector(name)

    assert scripted_server.requests == []


@pytest.mark.parametrize(("status", "kind"), [(404, NotFoundError), (409, ConflictError)])
def test_an_error_of_the_api_is_the_librarys(
    scripted_server: ScriptedServer, status: int, kind: type[Exception]
) -> None:
    """The message and the code are the server's."""
    scripted_server.status = status
    scripted_server.body = b'{"error_code":%d,"code":"some_code","message":"no way","problems":[]}' % status

    with Client(scripted_server.url) as client, pytest.raises(kind, match="no way") as caught:
        client.topic("orders")

    assert getattr(caught.value, "code", None) == "some_code"


def test_all_problems_of_a_bad_request_arrive(scripted_server: ScriptedServer) -> None:
    """Each with the field that it is about."""
    scripted_server.status = 400
    scripted_server.body = (
        b'{"error_code":400,"code":"invalid_config","message":"x","problems":'
        b'[{"field":"name","message":"is required"},{"field":"config.s3.bucket","message":"is required"}]}'
    )

    with Client(scripted_server.url) as client, pytest.raises(ConfigError) as caught:
        client.create_connector(b"{}")

    assert [problem.field for problem in caught.value.problems] == ["name", "config.s3.bucket"]


@pytest.mark.parametrize(("status", "body"), [(404, b"<html>nginx</html>"), (502, b""), (301, b""), (500, b"[]")])
def test_a_server_of_somebody_else_is_recognised(scripted_server: ScriptedServer, status: int, body: bytes) -> None:
    """A wrong port leads to a hint, not to a riddle."""
    scripted_server.status, scripted_server.body = status, body

    with Client(scripted_server.url) as client, pytest.raises(CommandError, match=f"answered {status}.*check --url"):
        client.topics()


@pytest.mark.parametrize("body", [b"", b"ok", b"{}", b"\xff", b"[1]"])
def test_an_answer_of_another_shape_is_no_traceback(scripted_server: ScriptedServer, body: bytes) -> None:
    """Whatever answers 200 need not be ours."""
    scripted_server.body = body

    with Client(scripted_server.url) as client, pytest.raises(CommandError, match="check --url"):
        client.topics()


def test_a_server_error_is_told(scripted_server: ScriptedServer) -> None:
    """With its status, as there is no error of the library for it."""
    scripted_server.status = 500
    scripted_server.body = b'{"error_code":500,"code":"internal_error","message":"see the log","problems":[]}'

    with Client(scripted_server.url) as client, pytest.raises(CommandError, match="answered 500: see the log"):
        client.topics()


def test_a_connection_that_breaks_may_have_been_enough(scripted_server: ScriptedServer) -> None:
    """The request may have been carried out."""
    scripted_server.breaks = True

    with Client(scripted_server.url) as client, pytest.raises(NoAnswerError, match="broke") as caught:
        client.produce(views.NewRecords("orders", [views.NewRecord("1")]))

    assert caught.value.sent


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def test_nobody_there_is_certain() -> None:
    """Nothing was sent, and the message says what to do."""
    url = f"http://127.0.0.1:{closed_port()}"

    with Client(url) as client, pytest.raises(NoAnswerError, match=r"connection refused\); check --url") as caught:
        client.topics()

    assert not caught.value.sent


def test_a_password_in_the_url_is_not_shown() -> None:
    """Neither in an error."""
    url = f"http://me:hunter2@127.0.0.1:{closed_port()}"

    with Client(url) as client, pytest.raises(NoAnswerError) as caught:
        client.topics()

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "localhost:8080", "ftp://x", "http://", "http://[::1", "http://x:99999", "/"])
def test_what_is_no_url_is_refused(url: str) -> None:
    """Before anything is tried."""
    with pytest.raises(click.UsageError, match="no URL of a server"):
        Client(url)


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(
    scripted_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`HTTP_PROXY` without `no_proxy` is common, and would make the default URL useless."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port()}")

    with Client(scripted_server.url) as client:
        assert client.topics() == []
