"""How one node is spoken to: by aiohttp, and nothing that it says without being asked counts as an answer."""

from __future__ import annotations

import asyncio
import io
import ssl
import sys
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from elastic_transport import AiohttpHttpNode, ApiResponseMeta, ConnectionTimeout, HttpHeaders, TlsError
from elastic_transport import ConnectionError as ClientConnectionError
from elastic_transport._node import NodeApiResponse  # the one name that a node needs and the package does not export
from elastic_transport.client_utils import DEFAULT, DefaultType

if TYPE_CHECKING:
    from aiohttp.client import ClientTimeout
    from aiohttp.client_reqrep import ClientRequest
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

__all__ = ["AskingNode", "extras"]

_CONNECT_TIMEOUT: Final = "connect_timeout"
_MOST_OF_A_HEADER: Final = 1 << 20
_MOST_HEADERS: Final = 10_000
"""Elasticsearch warns of what is deprecated in a header for each case, with no limit of its own."""
_CLOSES_TLS: Final = (3, 12, 7)
"""The Python that closes connections with TLS by itself."""
_LARGE: Final = 1 << 16
"""Bytes of a body that may not be under way in whole when the server closes the connection."""
_MOST: Final = 16 << 20
"""Bytes of the longest answer to a request without a body."""
_MOST_PER_BYTE: Final = 32
"""How many more for each byte of a body: each document of 50 bytes may be refused with 1,000 and its own text."""


def extras(*, connect_timeout: float) -> dict[str, object]:
    """Return what a node has to know besides what `NodeConfig` has fields for."""
    return {_CONNECT_TIMEOUT: connect_timeout}


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
        timeout = aiohttp.ClientTimeout(total=total, sock_connect=self.config._extras[_CONNECT_TIMEOUT])  # noqa: SLF001 - made for subclasses
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
            # The transport has no use for answers of types that it does not know.
            headers=HttpHeaders({**response.headers, "content-type": "application/json"}),
            duration=asyncio.get_running_loop().time() - start,
            node=self.config,
        )
        return NodeApiResponse(meta, answer)

    def _create_aiohttp_session(self) -> None:
        """Make a session as the base class does, with connections that are looked at before they are used again."""
        self.session = aiohttp.ClientSession(
            headers=self.headers,
            skip_auto_headers=("accept", "accept-encoding", "user-agent"),
            cookie_jar=aiohttp.DummyCookieJar(),
            max_field_size=_MOST_OF_A_HEADER,
            max_headers=_MOST_HEADERS,
            connector=_Connector(
                limit_per_host=self._connections_per_node,
                enable_cleanup_closed=sys.version_info < _CLOSES_TLS,
                ssl=self._ssl_context or True,
            ),
        )

    async def close(self) -> None:  # type: ignore[override]  # as above
        self._is_closed = True
        await super().close()


class AskingNode(DirectNode):
    """Finds out why a large body could not be sent to its end.

    Elasticsearch 9, as many a proxy, answers 413 to the head of a request and closes, without reading the body: the answer is lost with the
    connection. Asked whether the body may come (`Expect: 100-continue`) it answers before the body is sent.
    """

    async def perform_request(  # type: ignore[override]  # as above
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: HttpHeaders | None = None,
        request_timeout: DefaultType | float | None = DEFAULT,
    ) -> NodeApiResponse:
        try:
            return await super().perform_request(method, target, body, headers, request_timeout)
        except ClientConnectionError as error:
            if not (body and len(body) > _LARGE and _was_cut(error.__cause__)):
                raise

        asking = HttpHeaders({**(headers or {}), "expect": "100-continue"})
        return await super().perform_request(method, target, body, asking, request_timeout)


class _Connector(aiohttp.TCPConnector):
    """Keeps connections, but not those on which something has come that nobody has asked for.

    A server that says goodbye (408), or a proxy that answers twice: it would be taken for the answer to the next request.
    """

    async def connect(self, req: ClientRequest, traces: list[Trace], timeout: ClientTimeout) -> Connection:  # noqa: ASYNC109 - as the base class
        for _ in range(self.limit_per_host + 1):
            connection = await super().connect(req, traces, timeout)

            if connection.protocol is None or not connection.protocol.should_close:
                return connection

            connection.close()

        raise aiohttp.ClientPayloadError("it speaks before it is asked")


def _was_cut(cause: BaseException | None) -> bool:
    """Tell whether there was a connection, and no answer."""
    return isinstance(cause, aiohttp.ClientConnectionError) and not isinstance(cause, aiohttp.ClientConnectorError)


async def _read(response: aiohttp.ClientResponse, *, most: int) -> bytes:
    pieces: list[bytes] = []

    async for piece in response.content.iter_any():
        pieces.append(piece)
        most -= len(piece)

        if most < 0:
            raise aiohttp.ClientPayloadError("the answer does not end")

    return b"".join(pieces)
