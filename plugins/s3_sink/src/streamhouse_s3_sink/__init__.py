"""The S3 sink of StreamHouse Connect: one object for each batch, created exactly once."""

from streamhouse_s3_sink._config import S3Config
from streamhouse_s3_sink._plugin import streamhouse_register_sinks
from streamhouse_s3_sink._sink import S3Sink

__all__ = ["S3Config", "S3Sink", "streamhouse_register_sinks"]
