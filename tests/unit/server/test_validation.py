"""`/api/v1/validate`: what making a connector would be answered with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streamhouse_connect import ConfigError, Problem

if TYPE_CHECKING:
    from .conftest import Api
    from .fakes import FakeWorker

BODY = {"name": "orders-to-files", "connectorClass": "file", "topics": ["orders"], "config": {}}


@pytest.mark.parametrize(
    ("query", "call"), [("", "validate"), ("?connect=false", "validate"), ("?connect=true", "check")]
)
def test_a_good_connector(api: Api, worker: FakeWorker, query: str, call: str) -> None:
    """It is valid, and not made; the destination is asked where that is asked for."""
    response = api.post(f"/api/v1/validate{query}", BODY)

    assert (response.status_code, response.json()) == (200, {"valid": True, "warnings": ["odd"]})
    assert worker.calls == [(call, BODY)]


def test_a_destination_that_is_not_there(api: Api, worker: FakeWorker) -> None:
    """It is a problem of the option, as in the answer to a create."""
    worker.failure = ConfigError([Problem("config.s3.bucket", "is not there")])

    assert api.fields("/api/v1/validate?connect=true", BODY) == {"config.s3.bucket": "is not there"}


def test_connect_is_true_or_false(api: Api, worker: FakeWorker) -> None:
    """Anything else is named."""
    assert "connect" in api.fields("/api/v1/validate?connect=maybe", BODY)
    assert worker.calls == []
