"""Which partition a record goes to: by its key, as in Kafka's clients. Pure, but for a cache of hashes."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from streamhouse_connect.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streamhouse_connect.brokers.interface import Topic

__all__ = ["KeyPartitioner", "check_partitions", "murmur2"]

_SEED: Final = 0x9747B28C
_MIX: Final = 0x5BD1E995
_WORD: Final = 0xFFFFFFFF
_CACHED_KEYS: Final = 65_536
_CACHED_KEY_BYTES: Final = 128


def murmur2(data: bytes) -> int:
    """Return the 32-bit hash of `org.apache.kafka.common.utils.Utils.murmur2`, unsigned."""
    length = len(data)
    hashed = _SEED ^ length
    whole = length & ~3

    for at in range(0, whole, 4):
        word = int.from_bytes(data[at : at + 4], "little") * _MIX & _WORD
        word = (word ^ word >> 24) * _MIX & _WORD
        hashed = (hashed * _MIX & _WORD) ^ word

    if length > whole:
        hashed = (hashed ^ int.from_bytes(data[whole:], "little")) * _MIX & _WORD

    hashed = (hashed ^ hashed >> 13) * _MIX & _WORD
    return hashed ^ hashed >> 15


class KeyPartitioner:
    """Keys to partitions; remembers the hashes of short keys, as keys come again."""

    def __init__(self) -> None:
        self._cached: Callable[[bytes], int] = lru_cache(maxsize=_CACHED_KEYS)(murmur2)

    def __call__(self, keys: Sequence[bytes | None], partitions: int, *, unkeyed: int) -> list[int]:
        """Return each key's partition; null keys go to `unkeyed`."""
        return [unkeyed if key is None else (self._hash(key) & 0x7FFFFFFF) % partitions for key in keys]

    def _hash(self, key: bytes) -> int:
        # Long keys would make the cache's memory unbounded.
        return self._cached(key) if len(key) <= _CACHED_KEY_BYTES else murmur2(key)


def check_partitions(topic: Topic, given: Sequence[int | None]) -> None:
    """Check the partitions that a producer has chosen.

    :raises ConfigError: naming each one that is out of range, and its record.
    """
    wrong = {p: index for index, p in enumerate(given) if p is not None and not 0 <= p < topic.partitions}
    last = topic.partitions - 1

    if wrong:
        raise ConfigError(
            [
                Problem("partition", f"{p} (record {i}) is out of range: topic {topic.name!r} has 0 to {last}")
                for p, i in wrong.items()
            ]
        )
