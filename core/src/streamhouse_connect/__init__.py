"""StreamHouse Connect: moves records from topics into destinations, exactly once. The public API."""

from streamhouse_connect.brokers import (
    Appended,
    Broker,
    Committed,
    Consumer,
    KafkaBroker,
    MemoryBroker,
    NewRecords,
    RebalanceListener,
    SqliteBroker,
    Subscription,
    Topic,
)
from streamhouse_connect.columns import Columns, PlainColumns
from streamhouse_connect.config import OptionInfo, Size, option
from streamhouse_connect.definitions import (
    Definition,
    DefinitionStore,
    KafkaDefinitionStore,
    MemoryDefinitionStore,
    SqliteDefinitionStore,
    TargetState,
)
from streamhouse_connect.errors import (
    ConfigError,
    ConflictError,
    DeliveryError,
    FatalError,
    NotFoundError,
    PluginError,
    Problem,
    RejectedBatch,
    RejectedRecords,
    RetriableError,
    StreamHouseError,
    Superseded,
)
from streamhouse_connect.formatters import Formatter
from streamhouse_connect.metrics import Metrics, Sample
from streamhouse_connect.objects import ObjectConfig, ObjectInfo, ObjectSink
from streamhouse_connect.partitioners import Partitioner
from streamhouse_connect.plugins import BrokenPlugin, PluginInfo, Registry, hookimpl
from streamhouse_connect.records import NO_TIMESTAMP, Batch, Headers, Record, Span, TopicPartition
from streamhouse_connect.runtime import ConnectorInfo, PartitionInfo, State, TaskInfo, Worker
from streamhouse_connect.secrets import MASK, Secret, SecretUrl
from streamhouse_connect.sinks import Batching, BlockingSink, Guarantee, ReplayFrom, Sink, SinkContext, StateStore
from streamhouse_connect.values import json_objects

__all__ = [
    "MASK",
    "NO_TIMESTAMP",
    "Appended",
    "Batch",
    "Batching",
    "BlockingSink",
    "BrokenPlugin",
    "Broker",
    "Columns",
    "Committed",
    "ConfigError",
    "ConflictError",
    "ConnectorInfo",
    "Consumer",
    "Definition",
    "DefinitionStore",
    "DeliveryError",
    "FatalError",
    "Formatter",
    "Guarantee",
    "Headers",
    "KafkaBroker",
    "KafkaDefinitionStore",
    "MemoryBroker",
    "MemoryDefinitionStore",
    "Metrics",
    "NewRecords",
    "NotFoundError",
    "ObjectConfig",
    "ObjectInfo",
    "ObjectSink",
    "OptionInfo",
    "PartitionInfo",
    "Partitioner",
    "PlainColumns",
    "PluginError",
    "PluginInfo",
    "Problem",
    "RebalanceListener",
    "Record",
    "Registry",
    "RejectedBatch",
    "RejectedRecords",
    "ReplayFrom",
    "RetriableError",
    "Sample",
    "Secret",
    "SecretUrl",
    "Sink",
    "SinkContext",
    "Size",
    "Span",
    "SqliteBroker",
    "SqliteDefinitionStore",
    "State",
    "StateStore",
    "StreamHouseError",
    "Subscription",
    "Superseded",
    "TargetState",
    "TaskInfo",
    "Topic",
    "TopicPartition",
    "Worker",
    "hookimpl",
    "json_objects",
    "option",
]
