from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import attrs
import pytest

from .fakes import make_info

if TYPE_CHECKING:
    from .conftest import Api
    from .fakes import FakeWorker

THREE = f'"3-{sha256(b"uid-a").hexdigest()[:8]}"'
OTHERS = f'"3-{sha256(b"uid-of-another").hexdigest()[:8]}"'

WRITES: list[tuple[str, str, object]] = [
    ("PUT", "", {}),
    ("DELETE", "", None),
    *(("POST", f"/{action}", None) for action in ("pause", "resume", "restart", "stop")),
]

every_write = pytest.mark.parametrize(("method", "path", "body"), WRITES)


@pytest.fixture(autouse=True)
def connector(worker: FakeWorker) -> None:
    """The connector `a`, in version 3."""
    worker.infos["a"] = attrs.evolve(make_info("a"), uid="uid-a")


def test_answers_tell_the_version(api: Api) -> None:
    """Whichever request a connector is the answer to."""
    assert api.get("/api/v1/connectors/a").headers["etag"] == THREE
    assert api.post("/api/v1/connectors", {"name": "b"}).headers["etag"].startswith('"3-')
    assert api.call("PUT", "/api/v1/connectors/a", {}).headers["etag"] == THREE
    assert api.post("/api/v1/connectors/a/pause").headers["etag"] == THREE


@every_write
@pytest.mark.parametrize("wanted", [THREE, "*", f'"1", {THREE}', f"W/{THREE}, {THREE}", f'"x" , {THREE},', ""])
def test_the_present_version_may_be_changed(api: Api, method: str, path: str, body: object, wanted: str) -> None:
    """It is one of those that the client names."""
    response = api.call(method, f"/api/v1/connectors/a{path}", body, headers={"If-Match": wanted})

    assert response.status_code in (200, 204), response.text


@every_write
@pytest.mark.parametrize(
    "wanted", [OTHERS, '"3"', '"1", "2"', f"W/{THREE}", '"x"', '""', '"9999999999999999999999"', '"03x"']
)
def test_another_version_may_not(  # noqa: PLR0917 - parameters of two tables
    api: Api, worker: FakeWorker, method: str, path: str, body: object, wanted: str
) -> None:
    """412, and nothing has changed; a weak tag is not enough to know that nothing has."""
    response = api.call(method, f"/api/v1/connectors/a{path}", body, headers={"If-Match": wanted})

    assert (response.status_code, response.json()["code"]) == (412, "version_changed")
    assert f"has version {THREE}" in response.json()["message"]
    assert "a" in worker.infos


@every_write
@pytest.mark.parametrize("wanted", ["3", '"3', "'3'", '"3" "4"', '"3",x'])
def test_what_is_no_tag_is_400(api: Api, method: str, path: str, body: object, wanted: str) -> None:
    """A client that forgets the quotation marks is told so."""
    response = api.call(method, f"/api/v1/connectors/a{path}", body, headers={"If-Match": wanted})

    assert response.status_code == 400
    assert [problem["field"] for problem in response.json()["problems"]] == ["If-Match"]


@every_write
@pytest.mark.parametrize("wanted", ['"3"', '"1", "3"', "*"])
def test_an_unknown_connector_is_404_in_any_version(
    api: Api, method: str, path: str, body: object, wanted: str
) -> None:
    """That it is not there says more than that it has changed."""
    response = api.call(method, f"/api/v1/connectors/nobody{path}", body, headers={"If-Match": wanted})

    assert (response.status_code, response.json()["code"]) == (404, "unknown_connector")
