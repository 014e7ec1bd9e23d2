"""Brokers: where records come from."""

from streamhouse_connect.brokers.interface import (
    Appended,
    Broker,
    Committed,
    Consumer,
    NewRecords,
    RebalanceListener,
    Topic,
)
from streamhouse_connect.brokers.kafka import KafkaBroker
from streamhouse_connect.brokers.memory import MemoryBroker
from streamhouse_connect.brokers.sqlite import SqliteBroker
from streamhouse_connect.brokers.subscription import IsolationLevel, OffsetReset, Subscription

__all__ = [
    "Appended",
    "Broker",
    "Committed",
    "Consumer",
    "IsolationLevel",
    "KafkaBroker",
    "MemoryBroker",
    "NewRecords",
    "OffsetReset",
    "RebalanceListener",
    "SqliteBroker",
    "Subscription",
    "Topic",
]
