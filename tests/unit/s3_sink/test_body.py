"""Body: a view that HTTP clients can read, rewind and measure."""

from __future__ import annotations

import io

from streamhouse_s3_sink._body import Body


def make_body(content: bytes) -> tuple[Body, list[int]]:
    """Return a body and the list that grows with every read."""
    reads: list[int] = []
    return Body(memoryview(content), on_read=lambda: reads.append(1)), reads


def test_reading_in_pieces() -> None:
    """Pieces come in order, then nothing comes."""
    body, reads = make_body(b"abcdefg")

    assert [bytes(body.read(3)) for _ in range(4)] == [b"abc", b"def", b"g", b""]
    assert len(reads) == 4


def test_reading_all() -> None:
    """Without a size, or with None, the rest comes at once."""
    body, _ = make_body(b"abcdefg")

    assert bytes(body.read(2)) == b"ab"
    assert bytes(body.read()) == b"cdefg"
    assert bytes(body.read(None)) == b""


def test_measuring_and_rewinding() -> None:
    """A client measures by seeking to the end, and reads twice: to sign, and to send."""
    body, _ = make_body(b"abc")

    assert (body.seek(0, io.SEEK_END), body.tell()) == (3, 3)
    assert body.seek(0) == 0
    assert bytes(body.read()) == b"abc"
    assert body.seek(-2, io.SEEK_CUR) == 1
    assert bytes(body.read()) == b"bc"


def test_the_bytes_are_not_copied() -> None:
    """A piece is a view of the same memory."""
    content = bytearray(b"abc")
    body = Body(memoryview(content), on_read=lambda: None)
    piece = body.read(1)
    content[0] = ord("x")

    assert bytes(piece) == b"x"
