"""Real servers for tests: started from wheels and Maven Central, on free ports, in directories of their own."""

from services.base import Service, ServiceUnavailableError
from services.elasticsearch import Elasticsearch, Indices, OpenSearch, SearchServer
from services.elasticsearch9 import Elasticsearch9
from services.kafka import Kafka, Topics
from services.pgbouncer import PgBouncer
from services.postgres import UNSYNCED, Database, Postgres, SystemPostgres
from services.s3 import Bucket, Ministack, S3Server, SeaweedFS

__all__ = [
    "UNSYNCED",
    "Bucket",
    "Database",
    "Elasticsearch",
    "Elasticsearch9",
    "Indices",
    "Kafka",
    "Ministack",
    "OpenSearch",
    "PgBouncer",
    "Postgres",
    "S3Server",
    "SearchServer",
    "SeaweedFS",
    "Service",
    "ServiceUnavailableError",
    "SystemPostgres",
    "Topics",
]
