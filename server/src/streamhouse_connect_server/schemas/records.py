"""Records on the wire."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import UNSET, Raw, Struct, UnsetType

from streamhouse_connect_server.schemas.integers import Int32, Int64

__all__ = [
    "BatchAppended",
    "BatchRequest",
    "ConsumeBody",
    "ConsumedRecord",
    "HeaderBody",
    "HeaderBytes",
    "HeadersBody",
    "ProduceRequest",
    "RecordAppended",
    "RecordBody",
]


class HeaderBytes(Struct, rename="camel", forbid_unknown_fields=True, frozen=True, gc=False):
    """A header's value that is not text."""

    value_base64: str


HeaderBody: TypeAlias = str | HeaderBytes | None
HeadersBody: TypeAlias = dict[str, HeaderBody] | list[tuple[str, HeaderBody]]
"""A name may appear twice in a list of pairs."""


class RecordBody(Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    """A record to append. `topic` may repeat the batch's."""

    key: Raw | UnsetType = UNSET
    key_base64: str | UnsetType = UNSET
    value: Raw | UnsetType = UNSET
    value_base64: str | UnsetType = UNSET
    partition: Int32 | None = None
    timestamp: Int64 | None = None
    headers: HeadersBody | None = None
    topic: str | None = None


class ProduceRequest(RecordBody, kw_only=True):
    """One record and its topic."""

    topic: str


class BatchRequest(Struct, forbid_unknown_fields=True):
    """Records of one topic."""

    topic: str
    records: list[RecordBody]


class RecordAppended(Struct, frozen=True):
    """Where a record is."""

    offset: int
    partition: int


class BatchAppended(Struct, frozen=True):
    """Where records are, in the order sent."""

    count: int
    offsets: list[int]


class ConsumedRecord(Struct, rename="camel", frozen=True, gc=False):
    """A record, in the shape in which it may be produced: text as text, else base64 in the field beside it."""

    partition: int
    offset: int
    timestamp: int
    key: str | UnsetType | None = UNSET
    key_base64: str | UnsetType = UNSET
    value: str | UnsetType | None = UNSET
    value_base64: str | UnsetType = UNSET
    headers: HeadersBody = {}


class ConsumeBody(Struct, rename="camel", frozen=True):
    """Records of one partition, and where to go on."""

    records: list[ConsumedRecord]
    next_offset: int
