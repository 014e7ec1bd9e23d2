"""The way to the cluster: the official client's transport, told to send bytes as they are and to leave decisions to us.

It takes one node after the other, keeps those that do not answer out for a while (1, 2, 4, … 30 s), and sends a request that a
node did not answer to the next one, once each: ids make that safe. Where no node is left the runtime retries.

What would keep OpenSearch out is not in the way: neither the client's check of the product, which stands above its transport,
nor media types of Elasticsearch's own. We look at what the server says it is ourselves, once.

Importing this module takes the client library in, which is slow; it is imported when a sink is opened.
"""

from __future__ import annotations

import asyncio
import io
import logging
import ssl
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import quote

import aiohttp
from elastic_transport import (
    AiohttpHttpNode,
    ApiResponseMeta,
    ConnectionTimeout,
    HttpHeaders,
    NodeConfig,
    Serializer,
    TlsError,
    TransportError,
)
from elastic_transport import ConnectionError as ClientConnectionError
from elastic_transport._node import NodeApiResponse  # the one name that a node needs and the package does not export
from elastic_transport.client_utils import DEFAULT, DefaultType
from elasticsearch import AsyncElasticsearch

from streamhouse_connect import FatalError
from streamhouse_elasticsearch_sink._addresses import addresses, label
from streamhouse_elasticsearch_sink._answers import FILTER_PATH, is_supported
from streamhouse_elasticsearch_sink._connection_options import ConnectionOptions
from streamhouse_elasticsearch_sink._errors import Answer, refused, translated
from streamhouse_elasticsearch_sink._tls import tls

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Connection"]

_JSON: Final = "application/json"
_NDJSON: Final = "application/x-ndjson"
_OF_THE_NODE: Final = (502, 503, 504)
"""What may be other at the next node; 429 is waited out, not passed on."""
_BULK: Final = f"/_bulk?filter_path={FILTER_PATH}"
_MOST: Final = 16 << 20
"""Bytes of the longest answer to a request without a body."""
_MOST_PER_BYTE: Final = 32
"""How many more for each byte of a body: each document of 50 bytes may be refused with 1,000 and its own text."""


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
                    _extras={"connect_timeout": options.connect_timeout_ms / 1000},
                )
                for node in nodes
            ],
            node_class=DirectNode,
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


class DirectNode(AiohttpHttpNode):
    """aiohttp that follows no redirects and takes no proxies from the environment: all goes to the configured servers or nowhere.

    Unlike the base class it leaves bodies out of the debug log, hands them over in pieces, as aiohttp wants large ones, and
    passes any answer on, whatever type it says it is of.
    """

    _is_closed = False

    async def perform_request(  # type: ignore[override]  # async like the client's own nodes, which say the same
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: HttpHeaders | None = None,
        request_timeout: DefaultType | float | None = DEFAULT,
    ) -> NodeApiResponse:
        # What fails because of the closing is not to open the next node anew.
        if self._is_closed:
            raise ClientConnectionError("the connection is closed")

        if self.session is None:
            self._create_aiohttp_session()

        assert self.session is not None
        all_headers = self._headers.copy()
        all_headers.update(headers or {})
        total: Any = self.config.request_timeout if request_timeout is DEFAULT else request_timeout
        timeout = aiohttp.ClientTimeout(total=total, sock_connect=self.config._extras["connect_timeout"])  # noqa: SLF001 - made for subclasses
        start = asyncio.get_running_loop().time()

        try:
            async with self.session.request(
                method,
                self.base_url + target,
                data=io.BytesIO(body) if body else None,
                headers=all_headers,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                answer = await _read(response, most=_MOST + _MOST_PER_BYTE * len(body or b""))
        except TimeoutError as error:
            raise ConnectionTimeout("no answer in time") from error
        except (ssl.SSLError, aiohttp.ClientSSLError) as error:
            raise TlsError(str(error)) from error
        except (aiohttp.ClientError, OSError) as error:
            raise ClientConnectionError(str(error)) from error

        meta = ApiResponseMeta(
            status=response.status,
            http_version="1.1",
            headers=HttpHeaders({**response.headers, "content-type": _JSON}),
            duration=asyncio.get_running_loop().time() - start,
            node=self.config,
        )
        return NodeApiResponse(meta, answer)

    async def close(self) -> None:  # type: ignore[override]  # as above
        self._is_closed = True
        await super().close()


async def _read(response: aiohttp.ClientResponse, *, most: int) -> bytes:
    pieces: list[bytes] = []

    async for piece in response.content.iter_any():
        pieces.append(piece)
        most -= len(piece)

        if most < 0:
            raise aiohttp.ClientPayloadError("the answer does not end")

    return b"".join(pieces)
