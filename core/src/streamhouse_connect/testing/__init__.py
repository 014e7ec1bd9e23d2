"""For the tests of plugins: factories, fakes and conformance suites. Nothing in the product imports it."""

from streamhouse_connect.testing.brokers import BrokerConformance
from streamhouse_connect.testing.definitions import DefinitionStoreConformance
from streamhouse_connect.testing.factories import MemoryStateStore, make_batch, make_context

__all__ = ["BrokerConformance", "DefinitionStoreConformance", "MemoryStateStore", "make_batch", "make_context"]
