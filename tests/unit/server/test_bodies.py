from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
from starlette.testclient import TestClient

from streamhouse_connect_server import Limits, create_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamhouse_connect import Worker

    from .conftest import Api
    from .fakes import FakeWorker

WRITES = [
    ("POST", "/api/v1/connectors", 10_000),
    ("PUT", "/api/v1/connectors/a", 10_000),
    ("POST", "/api/v1/topics", 10_000),
    ("POST", "/api/v1/produce", 100_000),
    ("POST", "/api/v1/produce/batch", 100_000),
]

every_write = pytest.mark.parametrize(("method", "path", "limit"), WRITES)


@every_write
def test_a_body_above_the_limit_is_413(api: Api, method: str, path: str, limit: int) -> None:
    """The length that a client announces is enough to refuse it."""
    response = api.call(method, path, b" " * (limit + 1))

    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")
    assert str(limit) in response.json()["message"]


@every_write
def test_a_body_of_unknown_length_is_413_once_it_is_above_the_limit(
    api: Api, method: str, path: str, limit: int
) -> None:
    """Chunks are counted while they are read, and no more are read than are needed to know."""
    sent = 0

    def chunks() -> Iterator[bytes]:
        nonlocal sent

        for _ in range(1000):
            sent += limit // 10
            yield b" " * (limit // 10)

    response = api.client.request(method, path, content=chunks(), headers={"Content-Type": "application/json"})

    assert response.status_code == 413


@every_write
@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-www-form-urlencoded",
        "text/plain",
        "text/json",
        "multipart/form-data; boundary=x",
        "application/jsonx",
        "application/xml+jsonn",
        "",
        ";",
        "application/json; charset=latin-1",
    ],
)
def test_another_type_is_415(api: Api, method: str, path: str, limit: int, content_type: str) -> None:
    """What is not declared to be JSON in UTF-8 is refused, which also keeps out the forms of web pages."""
    response = api.call(method, path, b"{}", headers={"Content-Type": content_type})

    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")


def test_the_remedy_for_curl_is_in_the_message(api: Api) -> None:
    """`curl -d` declares a form unless it is told otherwise."""
    response = api.call("POST", "/api/v1/topics", b"{}", headers={"Content-Type": "application/x-www-form-urlencoded"})

    assert "add the header 'Content-Type: application/json'" in response.json()["message"]


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON; charset=UTF-8", 'application/json;charset="utf-8"', "application/ld+json"],
)
def test_json_has_many_names(api: Api, content_type: str) -> None:
    """Case, charset and structured suffixes make no difference."""
    assert api.call("POST", "/api/v1/topics", b'{"name":"a"}', headers={"Content-Type": content_type}).is_success


def test_a_body_without_a_type_is_taken_for_json(api: Api) -> None:
    """No declaration is no wrong declaration."""
    assert api.client.post("/api/v1/topics", content=b'{"name":"a"}').status_code == 201


def test_a_compressed_body_is_415(api: Api) -> None:
    """Better than calling it malformed."""
    response = api.post("/api/v1/topics", b"\x1f\x8b", headers={"Content-Encoding": "gzip"})

    assert response.status_code == 415
    assert "gzip" in response.json()["message"]


@every_write
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "it ends too early"),
        (b"{", "it ends too early"),
        (b'{"name": "a"} x', "trailing characters (byte 15)"),
        (b'{"name": tru}', "invalid character"),
        (b'{"name": 01}', "invalid number (byte 10)"),
        (b'{"name": NaN}', "invalid character (byte 9)"),
        (b'{"name": "\xff"}', "byte 10 is not UTF-8"),
        (b'{"value": {"\xc3\x28": 1}}', "byte 12 is not UTF-8"),
        (b'{"name": "\xed\xa0\x80"}', "byte 10 is not UTF-8"),
        (b'{"name": "\\ud800"}', "invalid utf-16 surrogate pair (byte 10)"),
        (b'{"name": "\\ude00\\ud83d"}', "invalid utf-16 surrogate pair"),
        (b'{"name": "\\ud800\\u0041"}', "invalid utf-16 surrogate pair"),
        (b'{"name": "a\nb"}', "invalid character (byte 11)"),
        (b"\xef\xbb\xbf{}", "invalid character (byte 0)"),
        (b'{"value": ' + b"[" * 4_000 + b"]" * 4_000 + b"}", "nested too deeply"),
        (b'{"value": ' + b'{"a":' * 1_500 + b"1" + b"}" * 1_501, "nested too deeply"),
    ],
)
def test_what_is_no_json_is_400_with_the_place(  # noqa: PLR0917 - parameters of two tables
    api: Api, worker: FakeWorker, method: str, path: str, limit: int, body: bytes, reason: str
) -> None:
    """The reason is the decoder's, in words that are true."""
    response = api.call(method, path, body)

    assert (response.status_code, response.json()["code"]) == (400, "invalid_json")
    assert reason in response.json()["message"]
    assert worker.calls == []


def test_a_connector_is_not_nested(api: Api, worker: FakeWorker) -> None:
    """What a configuration can't be, but a decoder can read, stops before anybody walks through it."""
    body = b'{"name": "a", "config": {"a": ' + b"[" * 40 + b"]" * 40 + b"}}"

    assert api.post("/api/v1/connectors", body).json()["code"] == "invalid_json"
    assert worker.calls == []


def test_a_number_out_of_range_is_400(api: Api) -> None:
    """Numbers that the decoder can't hold are the client's problem."""
    for number in (b"1e999", b"9" * 5000, b"-" + b"9" * 5000):
        response = api.post("/api/v1/connectors", b'{"name": "a", "config": {"a": %b}}' % number)
        assert response.status_code == 400
        assert "out of range" in response.json()["message"]


def test_the_last_of_a_repeated_key_counts(api: Api, worker: FakeWorker) -> None:
    """As in most readers of JSON."""
    api.post("/api/v1/connectors", b'{"name": "a", "name": "b"}')

    assert worker.calls == [("create", {"name": "b"})]


def test_what_a_client_sent_is_cut_in_messages(api: Api) -> None:
    """An answer does not grow with the question."""
    long = "x" * 9_000
    assert len(api.post("/api/v1/produce", {long: 1}).content) < 1000
    assert len(api.get("/api/v1/consume", params={long: "a", "offset": long}).content) < 1000
    assert len(api.post("/api/v1/topics", b"{}", headers={"Content-Type": long}).content) < 1000


@pytest.mark.parametrize(
    ("body", "field", "wrong"),
    [
        ({f"k{n}": 1 for n in range(1_001)}, "", "the body has 1,001 keys; 1,000 are the most that is taken"),
        ({"config": {f"{n}": 1 for n in range(1_001)}}, "config", "has 1,001 keys; 1,000 are the most that is taken"),
        ({"topics": list(range(10_001))}, "topics", "has 10,001 items; 10,000 are the most that is taken"),
        ({"a": [{}, {"b": [0] * 10_001}]}, "a[1].b", "has 10,001 items; 10,000 are the most that is taken"),
    ],
)
def test_a_connector_has_bounds(worker: FakeWorker, body: dict[str, object], field: str, wrong: str) -> None:
    """What is compared with each other, or with all that is known, is not more than can be looked at while others wait."""
    app = create_app(cast("Worker", worker), limits=Limits())

    with TestClient(app, base_url="http://127.0.0.1:8080") as client:
        for method, path in (("POST", "/api/v1/connectors"), ("PUT", "/api/v1/connectors/a")):
            response = client.request(method, path, json=body)
            assert response.status_code == 400
            assert response.json()["problems"] == [{"field": field, "message": wrong}]

    assert worker.calls == []
