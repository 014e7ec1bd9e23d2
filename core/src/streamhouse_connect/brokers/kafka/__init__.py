"""Kafka, and what speaks its protocol. Importing this takes the client library in; it comes with the extra `kafka`."""

from streamhouse_connect.brokers.kafka.broker import KafkaBroker

__all__ = ["KafkaBroker"]
