"""A cluster for the tests that need one: librdkafka's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mock_kafka import MockCluster, mock_cluster


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    """An empty mock cluster."""
    with mock_cluster() as made:
        yield made
