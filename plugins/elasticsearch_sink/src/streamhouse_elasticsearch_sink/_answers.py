"""What the answer to a `_bulk` request says of each document: a pure function of bytes.

    2xx, a delete of what is not there                      done
    409, another version                                    as `Conflicts` says
    429, 5xx, a full queue, missing shards, a block         again: only these documents, later
    a missing index                                         again: it may just have been deleted, and be made again
    401, 403, missing rights, a missing pipeline            blocked: somebody has to change something
    anything else                                           rejected, with type and reason, which names the field

Each document decides for itself. Knows nothing of HTTP or of the bodies that were sent.
"""

from __future__ import annotations

import enum
import re
from http import HTTPStatus
from operator import attrgetter
from typing import TYPE_CHECKING, Final, Literal

import attrs
import msgspec

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

__all__ = [
    "BROKEN",
    "BUSY",
    "FILTER_PATH",
    "SUCCESS",
    "Conflicts",
    "Failure",
    "Garbled",
    "Outcome",
    "failure",
    "is_supported",
    "outcome",
]

FILTER_PATH: Final = "items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by.reason"
"""What of an answer is read. The rest, most of it, is not sent; the error of a whole request always is."""

SUCCESS: Final = range(200, 300)
BUSY: Final = HTTPStatus.TOO_MANY_REQUESTS
BROKEN: Final = HTTPStatus.INTERNAL_SERVER_ERROR
"""This and all above it."""
_UNAUTHORIZED: Final = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_MAX_REASON: Final = 1000

_BLOCK: Final = "cluster_block_exception"
_TRANSIENT: Final = frozenset(
    {
        "circuit_breaking_exception",
        _BLOCK,
        "es_rejected_execution_exception",
        "process_cluster_event_timeout_exception",
        "rejected_execution_exception",
        "unavailable_shards_exception",
    }
)
_CROWDED: Final = frozenset({"es_rejected_execution_exception", "rejected_execution_exception"})
# A pipeline's own word against a document, though the status says 500.
_REFUSED_BY_PIPELINE: Final = "fail_processor_exception"
_UNKNOWN: Final = "unknown_error"
_CONFLICT: Final = "version_conflict_engine_exception"
# Not the document's fault: somebody has to change the server or a user's rights.
_BLOCKED: Final = frozenset(
    {
        "document_source_missing_exception",  # the index keeps none, and updates need it
        "index_closed_exception",
        "routing_missing_exception",
        "security_exception",
    }
)
_MISSING: Final = "index_not_found_exception"
# What words begin with is the server's own; behind it they may quote a document.
_BLOCKED_REASON: Final = re.compile(
    r"only write ops with an op_type of create are allowed in data streams"  # data.stream is missing
    r"|pipeline with id \[|no write index is defined for alias|(Validation Failed: 1: )?this action would add \["  # shards
    r"|_id must be unset or set to \[|specifying routing is not supported|\w+ is not supported because the destination"  # time series
    r"|index request targeting data stream \[[^\]]*\] specifies a custom routing|Alias \[[^\]]*\] has index routing"
    r"|explicit index in bulk is not allowed|request \[[^\]]*\] contains unrecognized parameter"  # of the request as a whole
)
_PRODUCT: Final = "Elasticsearch"


class Conflicts(enum.Enum):
    """What it means that a document has another version already, or is there already."""

    REJECTED = "rejected"
    """Nothing that we do explains it."""
    STALE = "stale"
    """What is there is as new as what was sent: the record was written before, or overtaken."""
    AGAIN = "again"
    """Somebody changed the document at the same moment."""


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
    stale: int = 0
    """How many were not written because what is there is as new."""
    missing: str | None = None
    """What the server says of an index that was not there for some of those that are to be sent again."""
    is_busy: bool = False
    """Whether the server had more to do than it can."""


class _Cause(msgspec.Struct, gc=False):
    reason: str | None = None


class Failure(msgspec.Struct, gc=False):
    """Why Elasticsearch refused a document, or a request."""

    type: str = _UNKNOWN
    reason: str | None = None
    caused_by: _Cause | None = None

    @property
    def is_transient(self) -> bool:
        """Whether it passes by itself, or when somebody makes room, whatever the status says."""
        return self.type in _TRANSIENT

    @property
    def is_blocking(self) -> bool:
        """Whether it is no document's fault, and holds until somebody acts."""
        if self.type in _BLOCKED:
            return True

        words = (self.reason, self.caused_by and self.caused_by.reason)
        return self.type != _REFUSED_BY_PIPELINE and any(_BLOCKED_REASON.match(each) for each in words if each)

    def __str__(self) -> str:
        cause = self.caused_by.reason if self.caused_by else None
        more = f" ({cause})" if cause and cause not in (self.reason or "") else ""
        return f"{self.type}: {self.reason or 'no reason given'}{more}"[:_MAX_REASON]


class _Result(msgspec.Struct, gc=False):
    status: int
    error: Failure | None = None


class _Item(msgspec.Struct, gc=False):
    index: _Result | None = None
    create: _Result | None = None
    update: _Result | None = None
    delete: _Result | None = None


class _Answer(msgspec.Struct, gc=False):
    items: list[_Item]


class _RefusedRequest(msgspec.Struct, gc=False):
    error: Failure


class _Version(msgspec.Struct, gc=False):
    distribution: str | None = None


class _Greeting(msgspec.Struct, gc=False):
    version: _Version


_ANSWER: Final = msgspec.json.Decoder(_Answer)
_REFUSED: Final = msgspec.json.Decoder(_RefusedRequest)
_GREETING: Final = msgspec.json.Decoder(_Greeting)
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeError, RecursionError)


def failure(body: bytes) -> Failure | None:
    """Read why a whole request was refused; None if that is not Elasticsearch speaking."""
    try:
        return _REFUSED.decode(body).error
    except _UNREADABLE:
        return None


def is_supported(headers: Mapping[str, str], body: bytes) -> bool:
    """Tell from the answer to `GET /` whether it is Elasticsearch, which says so in a header, or OpenSearch, which does in the body."""
    if headers.get("x-elastic-product") == _PRODUCT:
        return True

    try:
        return _GREETING.decode(body).version.distribution == "opensearch"
    except _UNREADABLE:
        return False


def outcome(
    answer: bytes,
    indexes: Sequence[int],
    *,
    action: Literal["index", "create", "update"] = "index",
    deletions: Collection[int] = (),
    conflicts: Conflicts = Conflicts.REJECTED,
) -> Outcome:
    """Read the answer to a request with the documents `indexes`, of which some are `deletions` and all others the `action`.

    :raises Garbled: if it is cut off, not an answer to a bulk request, or to another one, or contradicts itself.
    """
    try:
        items = _ANSWER.decode(answer).items
    except _UNREADABLE as error:
        raise Garbled(f"the answer is not that to a bulk request ({error})") from None

    if len(items) != len(indexes):
        raise Garbled(f"the answer is about {len(items)} documents instead of {len(indexes)}")

    done: Iterable[_Result | None] = map(attrgetter(action), items)
    results = _with_deletions(done, items, indexes, deletions) if deletions else done
    refused = {
        index: result
        for index, result in zip(indexes, results, strict=True)
        if result is None or result.error is not None or result.status not in SUCCESS
    }
    return _sorted_out(refused, deletions, conflicts) if refused else Outcome()


def _with_deletions(
    results: Iterable[_Result | None], items: Sequence[_Item], indexes: Sequence[int], deletions: Collection[int]
) -> Iterator[_Result | None]:
    for index, item, result in zip(indexes, items, results, strict=True):
        yield item.delete if index in deletions else result


def _sorted_out(refused: Mapping[int, _Result | None], deletions: Collection[int], conflicts: Conflicts) -> Outcome:
    again: dict[int, str] = {}
    rejected: dict[int, str] = {}
    blocked: str | None = None
    missing: str | None = None
    stale = 0
    is_busy = False

    for index, result in refused.items():
        if result is None:
            raise Garbled("the answer names an action that was not sent")

        status = result.status

        if status in SUCCESS:
            raise Garbled(f"the answer has an error with status {status}")

        is_409 = status == HTTPStatus.CONFLICT
        why = result.error or Failure(_CONFLICT if is_409 else _UNKNOWN, f"HTTP status {status}")
        is_conflict = is_409 and why.type == _CONFLICT

        if status == HTTPStatus.NOT_FOUND and index in deletions and (result.error is None or why.type == _MISSING):
            continue

        if is_conflict and conflicts is Conflicts.STALE:
            stale += 1
        elif (is_conflict and conflicts is Conflicts.AGAIN) or _is_for_now(status, why):
            again[index] = str(why)
            # That the disk is full is no matter of how much is sent at once, though its status is 429.
            is_busy = is_busy or (status == BUSY and why.type != _BLOCK) or why.type in _CROWDED
        elif why.type == _MISSING:
            missing = again[index] = str(why)
        elif status in _UNAUTHORIZED or why.is_blocking:
            blocked = blocked or str(why)
        else:
            rejected[index] = str(why)

    return Outcome(again, rejected, blocked, stale, missing, is_busy)


def _is_for_now(status: int, why: Failure) -> bool:
    if why.type == _REFUSED_BY_PIPELINE:
        return False

    return status == BUSY or status >= BROKEN or why.is_transient
