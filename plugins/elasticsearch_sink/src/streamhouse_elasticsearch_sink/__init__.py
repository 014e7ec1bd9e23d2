"""The elasticsearch-sink: writes records as documents to Elasticsearch, each under a deterministic id."""

from streamhouse_elasticsearch_sink._config import ElasticsearchConfig
from streamhouse_elasticsearch_sink._plugin import streamhouse_register_sinks
from streamhouse_elasticsearch_sink._sink import ElasticsearchSink

__all__ = ["ElasticsearchConfig", "ElasticsearchSink", "streamhouse_register_sinks"]
