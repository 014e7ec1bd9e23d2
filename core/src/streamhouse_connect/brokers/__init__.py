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

__all__ = ["Appended", "Broker", "Committed", "Consumer", "NewRecords", "RebalanceListener", "Topic"]
