"""What this distribution adds to StreamHouse Connect; its entry point names the package, which re-exports the hook."""

from streamhouse_connect import Sink, hookimpl
from streamhouse_elasticsearch_sink._sink import ElasticsearchSink

__all__ = ["streamhouse_register_sinks"]


@hookimpl
def streamhouse_register_sinks() -> list[type[Sink[object]]]:
    """Register the sink."""
    return [ElasticsearchSink]  # type: ignore[list-item]  # a sink of its own config is one of object to the registry
