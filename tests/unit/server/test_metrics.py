from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Api

paths = pytest.mark.parametrize("path", ["/metrics", "/api/v1/metrics"])


@paths
@pytest.mark.parametrize(
    "accept",
    [
        None,
        "",
        "*/*",
        "text/plain",
        "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1",
        "text/plain, application/json;q=0.5",
        "text/html,application/json;q=0.1",
        "application/json;q=0.9, text/*",
        "application/json, text/plain, */*",
        "*/*, application/json",
        "application/json;q=0",
        "application/json;q=x",
        "application/jsonx",
        ";;q=,,",
    ],
)
def test_metrics_are_prometheus_text(api: Api, path: str, accept: str | None) -> None:
    """Prometheus gets its own format, and so does everybody who wants something else at least as much as JSON."""
    response = api.get(path, headers={} if accept is None else {"Accept": accept})

    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert response.text == 'connector_records_processed{connector="a"} 7.0\n'


@paths
@pytest.mark.parametrize(
    "accept",
    ["application/json", "application/*", "Application/JSON;q=0.9, text/plain;q=0.8", "*/*;q=0.5, application/json"],
)
def test_metrics_are_json_for_those_who_ask(api: Api, path: str, accept: str) -> None:
    """The same numbers, one object each."""
    response = api.get(path, headers={"Accept": accept})

    assert response.json() == [{"name": "connector_records_processed", "labels": {"connector": "a"}, "value": 7.0}]
