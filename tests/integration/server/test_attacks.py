"""Whatever is sent, the answer is never a 500, and every error has the one shape of errors."""

from __future__ import annotations

import json
import string
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fakes import Destination

from .conftest import run_api

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx2 as httpx
    from hypothesis.strategies import SearchStrategy

    from .conftest import Api

WRITES = [
    ("POST", "/api/v1/connectors"),
    ("PUT", "/api/v1/connectors/standing"),
    ("POST", "/api/v1/topics"),
    ("POST", "/api/v1/produce"),
    ("POST", "/api/v1/produce/batch"),
]
VALID: dict[str, Any] = {
    "/api/v1/connectors": {
        "name": "c",
        "connectorType": "sink",
        "connectorClass": "fake-sink",
        "topics": ["orders"],
        "config": {"batch.size": 5, "fake.password": "x", "errors.tolerance": "all"},
        "initialState": "stopped",
    },
    "/api/v1/connectors/standing": {
        "connectorClass": "fake-sink",
        "topics": ["orders"],
        "config": {"batch.bytes": "5 MiB", "fake.mood": "bad", "fake.password": "********"},
    },
    "/api/v1/topics": {"name": "t", "partition_count": 2, "retention_ms": 5, "retention_bytes": None},
    "/api/v1/produce": {
        "topic": "orders",
        "key": "k",
        "value": {"a": [1]},
        "partition": 0,
        "timestamp": 5,
        "headers": {"a": None, "b": {"valueBase64": "AA=="}},
    },
    "/api/v1/produce/batch": {"topic": "orders", "records": [{"value": "a"}, {"key": 1, "valueBase64": ""}]},
}

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**31, 2**63, -(2**63) - 1, 2**64, 10**400, -1, 0])
    | st.floats()
    | st.text()
    | st.sampled_from(["", "\x00", "..", "a" * 300, "\ud800", "orders", "null", "1e999", "********", "5 PiB", "\u202e"])
)
values: SearchStrategy[Any] = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
)


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    """One worker for all attacks, with a connector and a topic that stand."""
    destination = Destination()

    with run_api(destination.registry(), destination) as api:
        api.create(name="standing", initialState="stopped", config={"fake.password": "hunter2"})
        yield api


def check(api: Api, response: httpx.Response) -> None:
    """Assert that the answer is none of the server's failures, and take back what was made."""
    assert response.status_code < 500, (response.request.url, response.request.content, response.text)

    if response.status_code >= 400 and response.request.method != "HEAD":
        assert list(response.json()) == ["error_code", "code", "message", "problems"], response.text
        assert response.json()["error_code"] == response.status_code

    if response.status_code == 201:
        assert api.client.get(response.headers["location"]).status_code == 200
        assert api.client.delete(response.headers["location"]).status_code == 204


def send(api: Api, method: str, path: str, body: bytes) -> None:
    check(api, api.client.request(method, path, content=body, headers={"Content-Type": "application/json"}))


def mutated(data: st.DataObject, value: Any) -> Any:
    """Change something, somewhere."""
    if isinstance(value, dict) and value and data.draw(st.booleans()):
        key = data.draw(st.sampled_from(sorted(value)) | st.text(max_size=12))
        return {**value, key: mutated(data, value.get(key))}

    if isinstance(value, list) and value and data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(value) - 1))
        return [*value[:at], mutated(data, value[at]), *value[at + 1 :]]

    return data.draw(values)


@pytest.mark.parametrize(("method", "path"), WRITES)
@given(data=st.data())
def test_a_valid_body_with_something_else_in_it(api: Api, method: str, path: str, data: st.DataObject) -> None:
    """A valid body of which a part was exchanged for any other JSON, lone surrogates and NaN included."""
    body = VALID[path]

    for _ in range(data.draw(st.integers(0, 3))):
        body = mutated(data, body)

    text = json.dumps(body, ensure_ascii=data.draw(st.booleans()))
    send(api, method, path, text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize(("method", "path"), WRITES)
@given(data=st.data())
def test_a_valid_body_with_bytes_exchanged(api: Api, method: str, path: str, data: st.DataObject) -> None:
    """A valid text into which any bytes were put."""
    text = json.dumps(VALID[path]).encode()
    start = data.draw(st.integers(0, len(text)))
    stop = data.draw(st.integers(start, len(text)))
    send(api, method, path, text[:start] + data.draw(st.binary(max_size=20)) + text[stop:])


@pytest.mark.parametrize(("method", "path"), WRITES)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00",
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"config":{"batch.size":' + b"[" * 900 + b"]" * 900 + b"}}",
        b'{"name":"c","connectorClass":"fake-sink","topics":["orders"],"config":{"fake.mood":' + b"9" * 4400 + b"}}",
        b'{"name":"c","connectorClass":"fake-sink","topics":["orders"],"config":{"fake.mood":' + b"9" * 4200 + b"}}",
        b'{"topic":"orders","value":' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"topic":"orders","value":' + b"9" * 100_000 + b"}",
        b'{"topic":"orders","records":[' + b"{}," * 100_000 + b"{}]}",
        b'{"topic":"orders","records":[' + b"[]," * 100_000 + b"[]]}",
        b'{"name":"' + b"a" * 900_000 + b'","topic":"' + b"b" * 900_000 + b'"}',
        b'{"' + b"k" * 900_000 + b'":1}',
        b'{"topic":"orders","timestamp":1e400,"value":1}',
        b'{"topic":"orders\\u0000","value":1}',
    ],
    ids=range(16),
)
def test_bodies_made_to_hurt(api: Api, method: str, path: str, body: bytes) -> None:
    """Deep, long, wide and empty ones."""
    send(api, method, path, body)


@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"]),
    parts=st.lists(
        st.sampled_from(["", "api", "v1", "connectors", "topics", "consume", "produce", "batch", "pause", "metrics"])
        | st.sampled_from(["%00", "%2F", "%2e%2e", "..", "%ff", "%ED%A0%80", "ü", "nobody", "live", "x" * 2000])
        | st.text(string.printable, max_size=5),
        max_size=6,
    ),
)
def test_any_path(api: Api, method: str, parts: list[str]) -> None:
    """Any method of any path; of what is there only what harms nobody."""
    path = "/" + "/".join(parts).replace("?", "").replace("#", "")

    try:
        request = api.client.build_request(method, path)
    except Exception:
        return

    check(api, api.client.send(request))


@given(
    query=st.dictionaries(
        st.sampled_from(["topic", "partition", "offset", "max_records", "x"]) | st.text(),
        st.sampled_from(["orders", "0", "-1", "1e9", "99999999999999999999", "", "\x00"])
        | st.integers().map(str)
        | st.text(),
    )
)
@example({"topic": "orders", "offset": str(2**63 - 1), "max_records": "100000"})
@example({"topic": "standing", "partition": str(2**31 - 1)})
def test_any_query(api: Api, query: dict[str, str]) -> None:
    """Consume with any query."""
    check(api, api.client.get("/api/v1/consume", params=query))


@given(
    headers=st.dictionaries(
        st.sampled_from(["Accept", "Content-Type", "Content-Encoding", "Origin", "Host", "Content-Length", "Expect"]),
        st.text(string.printable.strip(), max_size=30)
        | st.sampled_from(["*/*;q=nan", "application/json;q=1e999", "[::", 'a;b;c="', "http://[::"]),
    ),
    write=st.sampled_from(WRITES),
)
def test_any_headers(api: Api, headers: dict[str, str], write: tuple[str, str]) -> None:
    """Headers of any content, on what reads them."""
    headers.pop("Content-Length", None)
    method, path = write
    check(api, api.client.request(method, path, content=b"{}", headers=headers))
    check(api, api.client.get("/metrics", headers=headers))


def test_all_of_this_has_changed_nothing(api: Api) -> None:
    """The connector and the topic stand."""
    assert [each["name"] for each in api.get("/api/v1/connectors")] == ["standing"]
    assert [each["name"] for each in api.get("/api/v1/topics")] == ["orders"]
