"""The way to the cluster: the official client's transport, told to send bytes as they are and to leave decisions to us.

It takes one node after the other, keeps those that do not answer out for a while (1, 2, 4, … 30 s), and sends a request that a
node did not answer to the next one, once each: ids make that safe. Where no node is left the runtime retries.

What would keep OpenSearch out is not in the way: neither the client's check of the product, which stands above its transport,
nor media types of Elasticsearch's own. We look at what the server says it is ourselves, once.

Importing this module takes the client library in, which is slow; it is imported when a sink is opened.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, ClassVar, Final
from urllib.parse import quote

from elastic_transport import HttpHeaders, NodeConfig, Serializer, TransportError
from elasticsearch import AsyncElasticsearch

from streamhouse_connect import FatalError
from streamhouse_elasticsearch_sink._addresses import addresses, label
from streamhouse_elasticsearch_sink._answers import FILTER_PATH, is_supported
from streamhouse_elasticsearch_sink._connection_options import ConnectionOptions
from streamhouse_elasticsearch_sink._errors import Answer, refused, translated
from streamhouse_elasticsearch_sink._nodes import AskingNode, extras
from streamhouse_elasticsearch_sink._tls import tls

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Connection"]

_JSON: Final = "application/json"
_NDJSON: Final = "application/x-ndjson"
_OF_THE_NODE: Final = (502, 503, 504)
"""What may be other at the next node; 429 is waited out, not passed on."""
_BULK: Final = f"/_bulk?filter_path={FILTER_PATH}"


class Connection:
    """The nodes of one cluster; `query` is what every bulk request asks for in its address.

    :raises FatalError: if a file with certificates can't be read.
    """

    def __init__(self, options: ConnectionOptions, *, query: Mapping[str, str]) -> None:
        quieten()
        nodes = addresses(options.connection_url)
        self.where = f"Elasticsearch at {label(nodes)}"
        self._bulk = "&".join([_BULK, *(f"{name}={quote(value, safe='')}" for name, value in query.items())])
        context = tls(options) if any(node.scheme == "https" for node in nodes) else None
        headers = HttpHeaders({"authorization": options.authorization} if options.authorization else {})
        self._client = AsyncElasticsearch(
            [
                NodeConfig(
                    node.scheme,
                    node.host,
                    node.port,
                    path_prefix=node.path,
                    headers=headers,
                    connections_per_node=options.max_in_flight + 1,
                    request_timeout=options.request_timeout_ms / 1000,
                    ssl_context=context if node.scheme == "https" else None,
                    _extras=extras(connect_timeout=options.connect_timeout_ms / 1000),
                )
                for node in nodes
            ],
            node_class=AskingNode,
            serializers=dict.fromkeys((_JSON, _NDJSON), RawSerializer()),
        )
        self._other_nodes = len(nodes) - 1

    async def verify(self) -> None:
        """Make sure that Elasticsearch or OpenSearch answers and takes the credentials.

        :raises RetriableError: if it is down, or not ready.
        :raises FatalError: if it is something else, or refuses the credentials.
        """
        answer = await self._request("GET", "/")

        # A user who may write, but not look at the cluster, is a good one: the first write will tell.
        if answer.status == HTTPStatus.FORBIDDEN:
            return

        if not answer.is_success:
            raise refused(answer, self.where)

        if not is_supported(answer.headers, answer.body):
            raise FatalError(
                f"{self.where}: the server is neither Elasticsearch 8 or later nor OpenSearch; check connection.url"
            )

    async def ask(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        """Send a request and return the answer's status and body, whatever the status is.

        :raises DeliveryError: if there is no answer.
        """
        answer = await self._request(method, path, body)
        return answer.status, answer.body

    async def bulk(self, body: bytes) -> bytes | None:
        """Send the body of a bulk request and return the answer; None if the server says that the body is too large.

        :raises DeliveryError: if the request as a whole was refused, or got no answer.
        """
        answer = await self._request("POST", self._bulk, body, mimetype=_NDJSON)

        if answer.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return None

        if not answer.is_success:
            raise refused(answer, self.where)

        return answer.body

    async def _request(self, method: str, target: str, body: bytes | None = None, *, mimetype: str = _JSON) -> Answer:
        headers = {"accept": _JSON} if body is None else {"accept": _JSON, "content-type": mimetype}

        try:
            meta, answer = await self._client.transport.perform_request(
                method,
                target,
                headers=headers,
                body=body,
                max_retries=self._other_nodes,
                retry_on_status=_OF_THE_NODE,
                retry_on_timeout=True,
            )
        except TransportError as error:
            raise translated(error, self.where) from error

        return Answer(meta.status, meta.headers, bytes(answer or b""))

    async def close(self) -> None:
        """Close the connections; harmless to repeat."""
        await self._client.close()


def quieten() -> None:
    """Keep the client from logging every request and every failure, unless somebody has said what it shall log.

    It writes a line at INFO for each bulk; what fails is raised, and logged once, by the runtime.
    """
    logger = logging.getLogger("elastic_transport")

    if logger.level == logging.NOTSET:
        logger.setLevel(logging.ERROR)


class RawSerializer(Serializer):
    """Passes bytes through in both directions: bodies are ready, and answers are read with their schema."""

    mimetype: ClassVar[str] = _JSON

    def loads(self, data: bytes) -> bytes:
        return data

    def dumps(self, data: bytes) -> bytes:
        return data
