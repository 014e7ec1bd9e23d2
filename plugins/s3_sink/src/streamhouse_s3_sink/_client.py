"""Client: sends single requests to the store, through s3fs. Knows nothing of buckets, objects or what an answer means.

s3fs is given bucket and key apart: its path syntax would read `?versionId=` in a prefix as something else. Nothing is
tried twice here: the runtime retries, and says so.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self

import s3fs

from streamhouse_s3_sink._body import Body
from streamhouse_s3_sink._credentials import are_fixed, make_session
from streamhouse_s3_sink._errors import answer_in, translated

if TYPE_CHECKING:
    from streamhouse_s3_sink._config import Limits, S3Config

__all__ = ["Client"]

# Larger ones are read piece by piece; it costs a round trip (Expect: 100-continue), which also spares a body in vain.
_STREAMED_BYTES: Final = 256 << 10
_SESSIONS: Final = 2


class Client:
    """Sends requests on the running event loop, and reads credentials again that have expired."""

    def __init__(self, config: S3Config, limits: Limits) -> None:
        self._config = config
        self._limits = limits
        self._filesystem: Any = None
        self._sessions: list[Any] = []
        """Those not closed yet; requests may be under way on the one before the last."""
        self._renewing = asyncio.Lock()
        self._is_renewed = False
        """Whether the credentials were read again since a request has last succeeded."""

    @classmethod
    async def connect(cls, config: S3Config, limits: Limits) -> Self:
        """Make a session; nothing is sent to the store yet.

        :raises FatalError: if the configuration of this machine does not allow one.
        """
        client = cls(config, limits)

        with translated(f"connect to s3://{config.bucket}"):
            await client._connect()

        return client

    async def close(self) -> None:
        """Close every connection."""
        while self._sessions:
            await self._sessions.pop().close()

    async def send(self, operation: str, parameters: dict[str, Any], body: bytes | memoryview = b"") -> dict[str, Any]:
        """Send one request, and give up when nothing has moved for `silence_s`.

        The HTTP client's own timeouts begin when the body has been sent: a store that stops reading would hold us for
        ever.

        :raises Exception: whatever s3fs raises; `_errors` knows.
        :raises TimeoutError: when it gives up.
        :raises ConnectionError: if the credentials had expired, and others may be there now.
        """
        filesystem = self._filesystem

        try:
            answer = await self._send(filesystem, operation, parameters, body)

        except Exception as error:
            found = answer_in(error)

            if found is None or not found.has_expired or not await self._renew(filesystem):
                raise

            message = f"the credentials had expired ({found.code}), and have been read again"

        else:
            self._is_renewed = False
            return answer

        raise ConnectionError(message)  # out here, it does not hold on to the other one, whose frames hold the body

    async def _connect(self) -> None:
        config = self._config
        filesystem = s3fs.S3FileSystem(
            asynchronous=True,
            skip_instance_cache=True,
            use_listings_cache=False,
            session=await make_session(config, self._limits),
            endpoint_url=config.endpoint.reveal() if config.endpoint else None,
            client_kwargs={"region_name": config.region},
            config_kwargs=_settings(config, self._limits),
        )
        filesystem.retries = 1
        self._sessions.append(await filesystem.set_session())
        self._filesystem = filesystem

    async def _renew(self, used: Any) -> bool:
        """Read the credentials again, once for all requests that have met their end; tell whether it is worth a try."""
        if are_fixed(self._config):
            return False

        async with self._renewing:
            if self._filesystem is not used:
                return True

            if self._is_renewed:
                return False

            await self._connect()
            self._is_renewed = True

            while len(self._sessions) > _SESSIONS:
                await self._sessions.pop(0).close()

        return True

    async def _send(
        self, filesystem: Any, operation: str, parameters: dict[str, Any], body: bytes | memoryview
    ) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        silence_s = self._limits.silence_s

        def postpone() -> None:
            with suppress(RuntimeError):  # the request has ended meanwhile
                patience.reschedule(loop.time() + silence_s)

        def has_been_read() -> None:
            loop.call_soon_threadsafe(postpone)

        content = Body(memoryview(body), on_read=has_been_read) if len(body) > _STREAMED_BYTES else None

        if body:
            parameters = {**parameters, "Body": content or bytes(body)}

        try:
            async with asyncio.timeout(silence_s) as patience:
                call_s3 = filesystem._call_s3  # noqa: SLF001 - fsspec's convention for coroutines
                answer: dict[str, Any] = await call_s3(operation, **parameters)

        except TimeoutError as error:
            raise TimeoutError(f"the store has been silent for {silence_s:g} s") from error

        finally:
            if content is not None:
                content.release()

        return answer


def _settings(config: S3Config, limits: Limits) -> dict[str, object]:
    path_style = config.path_style if config.path_style is not None else config.endpoint is not None
    return {
        "s3": {"addressing_style": "path" if path_style else "auto" if config.path_style is None else "virtual"},
        "connect_timeout": limits.connect_s,
        "read_timeout": limits.silence_s,
        "retries": {"total_max_attempts": 1, "mode": "standard"},
        "max_pool_connections": max(10, 2 * config.max_in_flight),
        "user_agent_extra": "streamhouse-connect",
        # Many stores do not understand the checksums in trailers that botocore sends otherwise; we have our own.
        "request_checksum_calculation": "when_required",
    }
