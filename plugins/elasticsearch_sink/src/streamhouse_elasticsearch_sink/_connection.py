"""The way to the server: the official client, told to send bytes as they are and to leave every decision to the runtime.

Importing this module takes the client library in, which is slow; it is imported when a sink is opened.
"""

from __future__ import annotations

import asyncio
import io
import logging
import ssl
from http import HTTPStatus
from typing import Any, ClassVar, Final

import aiohttp
from elastic_transport import (
    AiohttpHttpNode,
    ApiError,
    ApiResponseMeta,
    ConnectionTimeout,
    HttpHeaders,
    NodeConfig,
    Serializer,
    TlsError,
)
from elastic_transport import ConnectionError as ClientConnectionError
from elastic_transport._node import NodeApiResponse  # the one name that a node needs and the package does not export
from elastic_transport.client_utils import DEFAULT, DefaultType
from elasticsearch import AsyncElasticsearch

from streamhouse_elasticsearch_sink._answers import FILTER_PATH
from streamhouse_elasticsearch_sink._config import Address
from streamhouse_elasticsearch_sink._errors import CLIENT_ERRORS, translated

__all__ = ["Connection"]

_JSON: Final = {"accept": "application/json"}
_NDJSON: Final = {"accept": "application/json", "content-type": "application/x-ndjson"}
_BULK: Final = f"/_bulk?filter_path={FILTER_PATH}"


class Connection:
    """One server; nothing is retried here."""

    def __init__(self, address: Address, *, timeout: float) -> None:
        quieten()
        self._address = address
        self._client = AsyncElasticsearch(
            [NodeConfig(address.scheme, address.host, address.port, path_prefix=address.path)],
            basic_auth=None if address.user is None else (address.user, address.password),
            node_class=DirectNode,
            serializers=dict.fromkeys(
                ("application/json", "application/x-ndjson", "application/*", "text/*"), RawSerializer()
            ),
            request_timeout=timeout,
            max_retries=0,
            retry_on_timeout=False,
            retry_on_status=(),
        )

    async def verify(self) -> None:
        """Make sure that Elasticsearch answers and takes the credentials.

        :raises RetriableError: if it is down, or not ready.
        :raises FatalError: if it is something else, or refuses the credentials.
        """
        try:
            await self._client.perform_request("GET", "/", headers=_JSON)
        except ApiError as error:
            # A user who may write, but not look at the cluster, is a good one: the first write will tell.
            if error.meta.status != HTTPStatus.FORBIDDEN:
                raise translated(error, self._address) from error
        except CLIENT_ERRORS as error:
            raise translated(error, self._address) from error

    async def bulk(self, body: bytes) -> bytes | None:
        """Send the body of a bulk request and return the answer; None if the server says that the body is too large.

        :raises DeliveryError: if the request as a whole was refused, or got no answer.
        """
        try:
            response = await self._client.perform_request("POST", _BULK, headers=_NDJSON, body=body)
        except ApiError as error:
            if error.meta.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                return None

            raise translated(error, self._address) from error
        except CLIENT_ERRORS as error:
            raise translated(error, self._address) from error

        return bytes(response.body or b"")

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

    mimetype: ClassVar[str] = "application/json"

    def loads(self, data: bytes) -> bytes:
        return data

    def dumps(self, data: bytes) -> bytes:
        return data


class DirectNode(AiohttpHttpNode):
    """aiohttp that follows no redirects: documents and credentials go to the configured server or nowhere.

    Unlike the base class it leaves bodies out of the debug log, and hands them over in pieces, as aiohttp wants large ones.
    """

    async def perform_request(  # type: ignore[override]  # async like the client's own nodes, which say the same
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: HttpHeaders | None = None,
        request_timeout: DefaultType | float | None = DEFAULT,
    ) -> NodeApiResponse:
        if self.session is None:
            self._create_aiohttp_session()

        assert self.session is not None
        all_headers = self._headers.copy()
        all_headers.update(headers or {})
        timeout: Any = self.config.request_timeout if request_timeout is DEFAULT else request_timeout
        start = asyncio.get_running_loop().time()

        try:
            async with self.session.request(
                method,
                self.base_url + target,
                data=io.BytesIO(body) if body else None,
                headers=all_headers,
                timeout=aiohttp.ClientTimeout(total=timeout),
                allow_redirects=False,
            ) as response:
                answer = await response.read()
        except TimeoutError as error:
            raise ConnectionTimeout("no answer in time") from error
        except (ssl.SSLError, aiohttp.ClientSSLError) as error:
            raise TlsError(str(error)) from error
        except (aiohttp.ClientError, OSError) as error:
            raise ClientConnectionError(str(error)) from error

        meta = ApiResponseMeta(
            status=response.status,
            http_version="1.1",
            headers=HttpHeaders(response.headers),
            duration=asyncio.get_running_loop().time() - start,
            node=self.config,
        )
        return NodeApiResponse(meta, answer)
