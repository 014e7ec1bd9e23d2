import pytest

from streamhouse_connect.brokers.partitioning import KeyPartitioner, murmur2

# From Kafka's UtilsTest.testMurmur2, and librdkafka's rdmurmur2.c; both as the signed integers of Java.
VECTORS = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize(("key", "hashed"), VECTORS.items())
def test_hashes_are_kafkas(key: bytes, hashed: int) -> None:
    """The hash equals that of Kafka's Java client, which takes it for signed."""
    assert murmur2(key) == hashed & 0xFFFFFFFF


def test_a_key_goes_to_its_positive_hash_modulo_partitions() -> None:
    """The sign bit is dropped, not the sign turned, as `Utils.toPositive` does."""
    partitions = KeyPartitioner()(list(VECTORS), 7, unkeyed=0)

    assert partitions == [(hashed & 0x7FFFFFFF) % 7 for hashed in VECTORS.values()]


def test_null_keys_go_where_they_are_sent_and_empty_ones_by_their_hash() -> None:
    """A null key is no key; an empty one is a key like any other."""
    assert KeyPartitioner()([None, b"", None], 1_000, unkeyed=999) == [999, (murmur2(b"") & 0x7FFFFFFF) % 1_000, 999]


def test_long_keys_are_hashed_but_not_remembered() -> None:
    """A key that is longer than what the cache takes goes to the same partition every time."""
    key = b"k" * 10_000
    partitioner = KeyPartitioner()

    assert partitioner([key, key], 1_000, unkeyed=0) == [(murmur2(key) & 0x7FFFFFFF) % 1_000] * 2
    assert partitioner._cached.cache_info().currsize == 0  # type: ignore[attr-defined]  # it is an lru_cache
