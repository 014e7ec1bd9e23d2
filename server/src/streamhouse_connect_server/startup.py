"""Between the first request and the worker's start: brokers may be out of reach, and whoever asks is told so."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

import attrs

from streamhouse_connect import RetriableError
from streamhouse_connect_server.errors import error_response

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from starlette.types import ASGIApp, Receive, Scope, Send

    from streamhouse_connect import Worker

__all__ = ["Startup", "UntilStarted"]

_LOG = logging.getLogger(__name__)

_LATER: Final = (RetriableError, ConnectionError, TimeoutError)
_LAST_PAUSE: Final = 10.0
_LIVE: Final = "/live"


@attrs.define
class Startup:
    """Why requests can't be served yet; None: they can."""

    reason: str | None = "the worker is starting"
    first_pause: float = 1.0
    """Seconds between two attempts; each time twice as many, up to ten."""

    async def start(self, worker: Worker, stack: AsyncExitStack, *, until: asyncio.Future[None]) -> bool:
        """Start the worker, which `stack` stops then; where brokers are out of reach, try again and again.

        Return whether it has started before `until` was done.

        :raises StreamHouseError: if another attempt would end in the same way.
        """
        pause = self.first_pause

        while not until.done():
            attempt = asyncio.create_task(stack.enter_async_context(worker))
            ends: set[asyncio.Future[Any]] = {attempt, until}

            try:
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)

                if attempt.done():
                    attempt.result()
                    self.reason = None
                    return True
            except _LATER as error:
                self.reason = str(error) or type(error).__name__
                _LOG.warning("not_started next_attempt_in_s=%.0f reason=%s", pause, self.reason)
            finally:
                attempt.cancel()
                await asyncio.wait({attempt})

            await asyncio.wait({until}, timeout=pause)
            pause = min(2 * pause, _LAST_PAUSE)

        return False


@attrs.define
class UntilStarted:
    """Middleware: answers everything but `/live` with 503 and the reason, until the worker has started."""

    app: ASGIApp
    startup: Startup

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reason = self.startup.reason

        if reason is None or scope["type"] != "http" or scope["path"] == _LIVE:
            await self.app(scope, receive, send)
            return

        message = f"the worker has not started yet: {reason}"
        await error_response(503, "not_ready", message, headers={"Retry-After": "1"})(scope, receive, send)
