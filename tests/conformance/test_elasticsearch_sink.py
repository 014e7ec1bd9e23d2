"""The Elasticsearch sink, by the suite for all sinks of mixed batches."""

from collections.abc import Sequence

import attrs
import pytest

from services import Indices
from streamhouse_connect import SecretUrl
from streamhouse_connect.testing.sinks import Place, SinkConformance
from streamhouse_elasticsearch_sink import ElasticsearchConfig, ElasticsearchSink


@attrs.frozen
class Index:
    indices: Indices

    def sink(self) -> ElasticsearchSink:
        url = SecretUrl(self.indices.url)
        return ElasticsearchSink(ElasticsearchConfig(connection_url=url, index_name=self._name))

    async def numbers(self) -> Sequence[int]:
        if not self.indices.server.request("GET", f"/_cat/indices/{self._name}*?format=json"):
            return []

        return [document["n"] for document in self.indices.server.documents(self._name).values()]

    @property
    def _name(self) -> str:
        return f"{self.indices.prefix}orders"


class TestElasticsearchSink(SinkConformance):
    @pytest.fixture
    def place(self, elasticsearch: Indices) -> Place:
        return Index(elasticsearch)
