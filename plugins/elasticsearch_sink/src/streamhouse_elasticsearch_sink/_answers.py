"""What the answer to a `_bulk` request says of each document: a pure function of bytes.

Each document decides for itself; what is neither written nor refused by name is said to be unknown. Knows nothing of HTTP
or of the bodies that were sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs
import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["FILTER_PATH", "Failure", "Garbled", "Outcome", "failure", "outcome"]

FILTER_PATH: Final = "items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by.reason"
"""What of an answer is read. The rest, most of it, is not sent; the error of a whole request always is."""

_MAX_REASON: Final = 1000

_TRANSIENT: Final = frozenset(
    {"es_rejected_execution_exception", "unavailable_shards_exception", "cluster_block_exception"}
)
# Not the document's fault: somebody has to change the server or a user's rights.
_BLOCKED: Final = frozenset({"security_exception", "index_not_found_exception"})


class Garbled(Exception):  # noqa: N818 - what the answer is
    """The answer says nothing reliable about the documents: they may have been written or not."""


@attrs.frozen
class Outcome:
    """What became of the documents of a request, by index into the batch; those that are not named are written."""

    again: Mapping[int, str] = attrs.field(factory=dict)
    """Refused for now, with the reason."""
    rejected: Mapping[int, str] = attrs.field(factory=dict)
    """Refused for ever."""
    blocked: str | None = None
    """Why documents are refused until somebody changes something."""

    def __add__(self, other: Outcome) -> Outcome:
        return Outcome(
            {**self.again, **other.again}, {**self.rejected, **other.rejected}, self.blocked or other.blocked
        )


class _Cause(msgspec.Struct, gc=False):
    reason: str | None = None


class Failure(msgspec.Struct, gc=False):
    """Why Elasticsearch refused a document, or a request."""

    type: str = "unknown_error"
    reason: str | None = None
    caused_by: _Cause | None = None

    def __str__(self) -> str:
        cause = self.caused_by.reason if self.caused_by else None
        more = f" ({cause})" if cause and cause not in (self.reason or "") else ""
        return f"{self.type}: {self.reason or 'no reason given'}{more}"[:_MAX_REASON]


class _Result(msgspec.Struct, gc=False):
    status: int
    error: Failure | None = None


class _Item(msgspec.Struct, gc=False):
    index: _Result


class _Answer(msgspec.Struct, gc=False):
    items: list[_Item]


class _RefusedRequest(msgspec.Struct, gc=False):
    error: Failure


_ANSWER: Final = msgspec.json.Decoder(_Answer)
_REFUSED: Final = msgspec.json.Decoder(_RefusedRequest)


def failure(body: bytes) -> Failure | None:
    """Read why a whole request was refused; None if that is not Elasticsearch speaking."""
    try:
        return _REFUSED.decode(body).error
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def outcome(answer: bytes, indexes: Sequence[int]) -> Outcome:
    """Read the answer to a request with the documents `indexes`.

    :raises Garbled: if it is cut off, not an answer to a bulk request, or of another number of documents.
    """
    try:
        items = _ANSWER.decode(answer).items
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise Garbled(f"the answer is not that to a bulk request ({error})") from None

    if len(items) != len(indexes):
        raise Garbled(f"the answer is about {len(items)} documents instead of {len(indexes)}")

    again: dict[int, str] = {}
    rejected: dict[int, str] = {}
    blocked: str | None = None

    for index, item in zip(indexes, items, strict=True):
        status = item.index.status

        if 200 <= status < 300:  # noqa: PLR2004 - HTTP's
            continue

        why = item.index.error or Failure(reason=f"HTTP status {status}")

        if status == 429 or status >= 500 or why.type in _TRANSIENT:  # noqa: PLR2004 - HTTP's
            again[index] = str(why)
        elif status == 401 or why.type in _BLOCKED:  # noqa: PLR2004 - HTTP's
            blocked = blocked or str(why)
        else:
            rejected[index] = str(why)

    return Outcome(again, rejected, blocked)
