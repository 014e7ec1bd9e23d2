"""What every broker keeps to: subclass, say how one is made, and pytest (with pytest-asyncio in auto mode) runs the rest.

    class TestMyBroker(BrokerConformance):
        @pytest.fixture
        def broker(self, tmp_path: Path) -> Broker:
            return MyBroker(tmp_path)

The broker is empty and not open yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamhouse_connect.testing.consumers import ConsumerConformance, RecordingListener
from streamhouse_connect.testing.logs import LogConformance
from streamhouse_connect.testing.subscriptions import SubscriptionConformance

if TYPE_CHECKING:
    from streamhouse_connect import Broker

__all__ = ["BrokerConformance", "RecordingListener"]


class BrokerConformance(LogConformance, ConsumerConformance, SubscriptionConformance):
    """The tests."""

    async def test_closing_twice_is_harmless(self, broker: Broker) -> None:
        """A broker may be closed again, or without having been opened."""
        await broker.close()

        async with broker:
            pass

        await broker.close()
