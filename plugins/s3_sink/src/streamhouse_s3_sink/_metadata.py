"""The user metadata of an object: how a sink recognises later what it wrote.

S3 allows 2 KB of it in ASCII, keys and values together; some stores change the case of the keys. Pure functions.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamhouse_connect import ObjectInfo

__all__ = ["Claim", "claim_in", "metadata_of"]

_PREFIX: Final = "streamhouse-"

# Three such values, four numbers, a checksum and the keys stay below 2 KB.
_VALUE_BYTES: Final = 400


@attrs.frozen
class Claim:
    """What the metadata of an object says about it."""

    identity: str
    topic: str
    partition: int
    first_offset: int
    last_offset: int
    count: int

    def belongs_to(self, info: ObjectInfo) -> bool:
        """Tell whether the writer of `info` has written it: the same records, though perhaps more or fewer."""
        return (
            (self.identity, self.topic) == (_text(info.identity), _text(info.topic))
            and (self.partition, self.first_offset) == (info.partition, info.first_offset)
            and self.last_offset >= self.first_offset
        )

    def __str__(self) -> str:
        return f"{self.identity} ({self.topic}-{self.partition}, offsets {self.first_offset} to {self.last_offset})"


def metadata_of(info: ObjectInfo, *, checksum: str) -> dict[str, str]:
    """Return the metadata for an object."""
    values = {
        "identity": _text(info.identity),
        "topic": _text(info.topic),
        "partition": str(info.partition),
        "first-offset": str(info.first_offset),
        "last-offset": str(info.last_offset),
        "count": str(info.count),
        "checksum": checksum,
    }
    return {_PREFIX + key: value for key, value in values.items()}


def claim_in(metadata: Mapping[str, str]) -> Claim | None:
    """Read what `metadata_of` wrote; None for the object of somebody else."""
    values = {key.lower(): value for key, value in metadata.items()}

    try:
        return Claim(
            identity=values[_PREFIX + "identity"],
            topic=values[_PREFIX + "topic"],
            partition=int(values[_PREFIX + "partition"]),
            first_offset=int(values[_PREFIX + "first-offset"]),
            last_offset=int(values[_PREFIX + "last-offset"]),
            count=int(values[_PREFIX + "count"]),
        )
    except (KeyError, ValueError):
        return None


def _text(value: str) -> str:
    """Return ASCII that differs where values differ."""
    quoted = quote(value, safe="/:@", errors="surrogatepass")

    if len(quoted) <= _VALUE_BYTES:
        return quoted

    return "sha256:" + hashlib.sha256(value.encode(errors="surrogatepass")).hexdigest()
