"""Sending: a batch's documents in as many requests as it takes, and only what was refused for now again.

    parts ── sent ──▶ done · stale · rejected
      ▲  ├─ over `batch.bytes`, or what the server has said of sizes ─▶ smaller parts
      │  ├─ too large, or refused as a whole again and again ─▶ halves
      ╰──┴─ again, after a wait ◀── refused for now

What is left of a batch is kept while the runtime waits to try it again: what was written is not sent twice without need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from streamhouse_connect import FatalError, RetriableError
from streamhouse_elasticsearch_sink._answers import Conflicts, Garbled, Outcome, outcome
from streamhouse_elasticsearch_sink._limit import TooBusy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from streamhouse_elasticsearch_sink._bulk import Documents
    from streamhouse_elasticsearch_sink._connection import Connection
    from streamhouse_elasticsearch_sink._limit import Limit

__all__ = ["Rest", "Sender"]

_DELAYS: Final = (0.1, 0.2, 0.4, 0.8)
"""Seconds before documents that were refused for now are sent again; then the runtime takes over."""
_PATIENCE: Final = 3
"""How often a request may be refused as a whole before it is halved: it may be more than the server ever has room for."""


@attrs.define(eq=False)
class Rest:
    """What is still to be sent of a batch, and what was rejected so far."""

    made: Documents
    parts: list[Sequence[int]]
    """Documents that go into one request each, the next one last."""
    again: dict[int, str] = attrs.field(factory=dict)
    """Documents that were refused for now, with the reason."""
    rejected: dict[int, str] = attrs.field(factory=dict)
    missing: str | None = None
    """What the last answer said of an index that is not there."""
    too_busy: int = 0
    """How often in a row the server was too busy for the next part."""

    @staticmethod
    def of(made: Documents) -> Rest:
        """Return all of it."""
        first = made.first()
        return Rest(made, [first] if first else [])

    def halve(self) -> None:
        """Make two requests of the next one, if it is about several documents."""
        part = self.parts.pop()
        half = len(part) // 2
        self.parts += [part[half:], part[:half]] if half else [part]


@attrs.define(eq=False)
class Sender:
    """Sends to one cluster, in requests of `most` bytes or fewer, or of one document each."""

    connection: Connection
    limit: Limit
    conflicts: Conflicts
    count: Callable[[str, int], None]
    sleep: Callable[[float], Awaitable[object]]
    uniform: Callable[[float, float], float]
    most: int

    async def send(self, rest: Rest) -> None:
        """Return when nothing is left; what was rejected is in `rest.rejected`.

        :raises DeliveryError: if not; `rest` is what is left.
        """
        delays = iter(_DELAYS)

        while rest.parts or rest.again:
            if not rest.parts:
                await self._back_off(rest, next(delays, None))

            await self._send_next(rest)

    async def _send_next(self, rest: Rest) -> None:
        part = rest.parts[-1]
        body = rest.made.body(part)

        if len(body) > self.most and len(part) > 1:
            rest.parts[-1:] = reversed(rest.made.cut(part, self.most))
            return

        try:
            answered = await self._post(body, part, rest.made)
        except TooBusy:
            rest.too_busy += 1

            if rest.too_busy >= _PATIENCE:
                rest.too_busy = 0
                rest.halve()

            raise

        rest.too_busy = 0

        if answered is None and len(part) > 1:
            self.most = min(self.most, len(body) - 1)
            rest.halve()
            return

        rest.parts.pop()

        if answered is None:
            reason = f"too large: a request of {len(body)} bytes is over the server's limit (http.max_content_length)"
            answered = Outcome(rejected={part[0]: reason})

        if answered.stale:
            self.count("document_stale", answered.stale)

        rest.again.update(answered.again)
        rest.rejected.update(answered.rejected)
        rest.missing = answered.missing

        if freed := rest.made.next(part, again=answered.again, rejected=answered.rejected):
            rest.parts.append(freed)

        if answered.blocked:
            raise FatalError(f"{self.connection.where} refuses documents: {answered.blocked}")

    async def _post(self, body: bytes, part: Sequence[int], made: Documents) -> Outcome | None:
        """Send one request; None if it is too large."""
        async with self.limit.turn() as turn:
            answer = await self.connection.bulk(body)

            if answer is None:
                return None

            try:
                answered = outcome(answer, part, action=made.method, deletions=made.deletions, conflicts=self.conflicts)
            except Garbled as error:
                message = f"{self.connection.where} left it ambiguous what was written: {error}"
                raise RetriableError(message) from error

            turn.was_refused = answered.is_busy
            return answered

    async def _back_off(self, rest: Rest, delay: float | None) -> None:
        again = rest.again
        first = next(iter(again.values()))

        # They wait for each other, so that one request takes them all.
        rest.parts.append(sorted(again))
        rest.again = {}

        if delay is None and rest.missing:
            raise FatalError(f"{self.connection.where} refuses documents: {rest.missing}")

        if delay is None:
            raise RetriableError(f"{self.connection.where} refuses {len(rest.parts[0])} documents for now: {first}")

        self.count("document_sent_again", len(again))
        await self.sleep(self.uniform(delay / 2, delay))
