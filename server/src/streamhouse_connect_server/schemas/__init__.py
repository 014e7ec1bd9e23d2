"""The wire: what bodies look like, in and out, and how the library's data becomes them."""

from streamhouse_connect_server.schemas.connectors import ConnectorBody, ValidBody
from streamhouse_connect_server.schemas.plugins import PluginBody
from streamhouse_connect_server.schemas.records import (
    BatchAppended,
    BatchRequest,
    ConsumeBody,
    ConsumedRecord,
    HeaderBody,
    HeaderBytes,
    HeadersBody,
    ProduceRequest,
    RecordAppended,
    RecordBody,
)
from streamhouse_connect_server.schemas.topics import TopicBody, TopicRequest

__all__ = [
    "BatchAppended",
    "BatchRequest",
    "ConnectorBody",
    "ConsumeBody",
    "ConsumedRecord",
    "HeaderBody",
    "HeaderBytes",
    "HeadersBody",
    "PluginBody",
    "ProduceRequest",
    "RecordAppended",
    "RecordBody",
    "TopicBody",
    "TopicRequest",
    "ValidBody",
]
