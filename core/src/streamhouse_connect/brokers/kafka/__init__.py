"""Kafka, and what speaks its protocol. The client library comes with the extra `kafka`, and is taken in when a broker is opened."""

from streamhouse_connect.brokers.kafka.broker import KafkaBroker

__all__ = ["KafkaBroker"]
