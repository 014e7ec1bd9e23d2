"""What is asked of a cluster, on a mock cluster."""

from __future__ import annotations

import pytest

from mock_kafka import MockCluster, MockedKafkaBroker
from streamhouse_connect import RetriableError


async def test_a_partition_without_a_leader_gets_one_some_day(cluster: MockCluster, monkeypatch: pytest.MonkeyPatch):
    """As after a broker has gone, or when the topic was made just now: whoever asks for offsets may ask again."""
    monkeypatch.setattr("streamhouse_connect.brokers.kafka._admin._SECONDS", 0.5)

    async with MockedKafkaBroker(cluster) as broker:
        await broker.create_topic("t")
        cluster.take_leader("t", 0)

        with pytest.raises(RetriableError, match="find the offsets of t-0"):
            await broker.watermarks("t")
