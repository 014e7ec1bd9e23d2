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
from streamhouse_s3_sink._errors import translated

if TYPE_CHECKING:
    from streamhouse_s3_sink._config import Limits, S3Config

__all__ = ["Client"]

# Larger ones are read piece by piece; it costs a round trip (Expect: 100-continue), which also spares a body in vain.
_STREAMED_BYTES: Final = 256 << 10


class Client:
    """A session of s3fs on the running event loop."""

    def __init__(self, filesystem: Any, session: Any, *, silence_s: float) -> None:
        self._filesystem = filesystem
        self._session = session
        self._silence_s = silence_s

    @classmethod
    async def connect(cls, config: S3Config, limits: Limits) -> Self:
        """Make a session; nothing is sent yet.

        :raises FatalError: if the configuration of this machine does not allow one.
        """
        endpoint = config.endpoint.reveal() if config.endpoint else None
        filesystem = s3fs.S3FileSystem(
            asynchronous=True,
            skip_instance_cache=True,
            use_listings_cache=False,
            key=config.access_key.reveal() if config.access_key else None,
            secret=config.secret_key.reveal() if config.secret_key else None,
            endpoint_url=endpoint,
            client_kwargs={"region_name": config.region},
            config_kwargs=_settings(config, limits),
        )
        filesystem.retries = 1

        with translated(f"connect to s3://{config.bucket}"):
            session = await filesystem.set_session()

        return cls(filesystem, session, silence_s=limits.silence_s)

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    async def send(self, operation: str, parameters: dict[str, Any], body: bytes | memoryview = b"") -> dict[str, Any]:
        """Send one request, and give up when nothing has moved for `silence_s`.

        The HTTP client's own timeouts begin when the body has been sent: a store that stops reading would hold us for
        ever.

        :raises Exception: whatever s3fs raises; `_errors` knows.
        :raises TimeoutError: when it gives up.
        """
        loop = asyncio.get_running_loop()

        def postpone() -> None:
            with suppress(RuntimeError):  # the request has ended meanwhile
                patience.reschedule(loop.time() + self._silence_s)

        def has_been_read() -> None:
            loop.call_soon_threadsafe(postpone)

        content = Body(memoryview(body), on_read=has_been_read) if len(body) > _STREAMED_BYTES else None

        if body:
            parameters = {**parameters, "Body": content or bytes(body)}

        try:
            async with asyncio.timeout(self._silence_s) as patience:
                call_s3 = self._filesystem._call_s3  # noqa: SLF001 - fsspec's convention for coroutines
                answer: dict[str, Any] = await call_s3(operation, **parameters)

        except TimeoutError as error:
            raise TimeoutError(f"the store has been silent for {self._silence_s:g} s") from error

        finally:
            if content is not None:
                content.release()

        return answer


def _settings(config: S3Config, limits: Limits) -> dict[str, object]:
    path_style = config.path_style if config.path_style is not None else config.endpoint is not None
    settings: dict[str, object] = {
        "s3": {"addressing_style": "path" if path_style else "auto" if config.path_style is None else "virtual"},
        "connect_timeout": limits.connect_s,
        "read_timeout": limits.silence_s,
        "retries": {"total_max_attempts": 1, "mode": "standard"},
        "max_pool_connections": 4 * limits.parts_at_once,
        "user_agent_extra": "streamhouse-connect",
    }

    if config.endpoint:  # many stores do not understand the checksums in trailers that botocore sends to AWS
        settings["request_checksum_calculation"] = "when_required"

    return settings
