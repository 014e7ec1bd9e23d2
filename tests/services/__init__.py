"""Real servers for tests: started from wheels and Maven Central, on free ports, in directories of their own."""

from services.base import Service, ServiceUnavailableError
from services.elasticsearch import Elasticsearch, Indices, OpenSearch, SearchServer
from services.kafka import Kafka, Topics
from services.postgres import Database, Postgres
from services.s3 import Bucket, Ministack, S3Server, SeaweedFS

__all__ = [
    "Bucket",
    "Database",
    "Elasticsearch",
    "Indices",
    "Kafka",
    "Ministack",
    "OpenSearch",
    "Postgres",
    "S3Server",
    "SearchServer",
    "SeaweedFS",
    "Service",
    "ServiceUnavailableError",
    "Topics",
]
