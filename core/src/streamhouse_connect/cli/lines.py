"""Reads a file of JSON values, one a line, in blocks; names the line that is not one. Knows nothing of topics."""

from __future__ import annotations

import select
from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

import attrs
import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["BadLine", "Lines", "Readable", "read_lines"]

_BLOCK: Final = 4 << 20
_LONGEST: Final = 64 << 20
_PATIENCE: Final = 0.05
"""For so many seconds more input is waited for before what there is goes on its way."""

_BOM: Final = b"\xef\xbb\xbf"
_GZIP: Final = b"\x1f\x8b"
_PARSED: Final = msgspec.json.Decoder(msgspec.Raw)


class Readable(Protocol):
    """A buffered binary file."""

    def read1(self, size: int, /) -> bytes:
        """Return up to `size` bytes with at most one read of what lies below; nothing at the end."""

    def fileno(self) -> int:
        """Return the file descriptor."""


@attrs.frozen
class BadLine:
    """A line that can't be sent, and why."""

    number: int
    reason: str


@attrs.frozen
class Lines:
    """Some lines of a file, without their ends and without blank ones."""

    values: Sequence[bytes]
    numbers: Sequence[int]
    """Each line's number in the file, from 1 on."""
    bad: BadLine | None = None
    """Why nothing comes after these."""

    def before(self, index: int, reason: str) -> Lines:
        """Return the lines before `index`, which is bad."""
        return Lines(self.values[:index], self.numbers[:index], BadLine(self.numbers[index], reason))


def read_lines(stream: Readable, *, limit: int) -> Iterator[Lines]:
    """Yield lines, up to `limit` at a time, each of them one JSON value in UTF-8.

    The last ones tell what is wrong with the line after them. From a pipe, what has arrived is not held back while nothing
    more comes.
    """
    number = 1

    for block in _blocks(stream):
        lines = _json(_text(block, number))
        number += block.count(b"\n")

        for start, stop in _cuts(lines.values, limit):
            bad = lines.bad if stop >= len(lines.values) else None
            yield Lines(lines.values[start:stop], lines.numbers[start:stop], bad)

        if lines.bad:
            return


def _blocks(stream: Readable) -> Iterator[bytes]:
    """Yield whole lines, as many as there are; only the last block may lack its newline."""
    waiting = bytearray()

    while piece := stream.read1(_BLOCK):
        waiting += piece

        if len(waiting) < _BLOCK and _more_comes(stream):
            continue

        whole = waiting.rfind(b"\n") + 1

        if whole:
            yield bytes(waiting[:whole])
            del waiting[:whole]

        if len(waiting) > _LONGEST:
            break

    if waiting:
        yield bytes(waiting)


def _cuts(values: Sequence[bytes], limit: int) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of parts of at most `limit` lines and, unless one line is longer, about a block's size."""
    start = size = 0

    for index, value in enumerate(values):
        if index - start >= limit or (size and size + len(value) > _BLOCK):
            yield start, index
            start, size = index, 0

        size += len(value)

    yield start, len(values)


def _more_comes(stream: Readable) -> bool:
    try:
        return bool(select.select([stream], [], [], _PATIENCE)[0])
    except (OSError, ValueError):  # not a file that can be waited for
        return True


def _text(block: bytes, first: int) -> Lines:
    """Split a block into lines of UTF-8."""
    if first == 1:
        block = block.removeprefix(_BOM)

    lines = block.removesuffix(b"\n").split(b"\n")

    if b"\r" in block:
        lines = [line.removesuffix(b"\r") for line in lines]

    values = [line for line in lines if line and not line.isspace()]
    numbers: Sequence[int] = range(first, first + len(lines))

    if len(values) < len(lines):
        numbers = [number for number, line in zip(numbers, lines, strict=True) if line and not line.isspace()]

    found = Lines(values, numbers)

    if len(block) > _LONGEST and max(map(len, values), default=0) > _LONGEST:
        index = next(index for index, line in enumerate(values) if len(line) > _LONGEST)
        return found.before(index, f"longer than {_LONGEST >> 20} MiB")

    return found if _is_utf8(block) else _before_binary(found)


def _before_binary(lines: Lines) -> Lines:
    index = next(index for index, line in enumerate(lines.values) if not _is_utf8(line))

    if lines.values[index].startswith(_GZIP) and lines.numbers[index] == 1:
        return lines.before(index, "not text but gzip; send it with: gzip -dc FILE | … --file -")

    return lines.before(index, "not text in UTF-8")


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True

    try:
        data.decode()
    except UnicodeDecodeError:
        return False

    return True


def _json(lines: Lines) -> Lines:
    """Return the lines before the first that is not JSON."""
    try:
        deque(map(_PARSED.decode, lines.values), maxlen=0)
    except (msgspec.DecodeError, RecursionError):
        index, reason = next(_not_json(lines.values))
        return lines.before(index, reason)

    return lines


def _not_json(values: Sequence[bytes]) -> Iterator[tuple[int, str]]:
    for index, value in enumerate(values):
        try:
            _PARSED.decode(value)
        except RecursionError:
            yield index, "nested too deeply"
        except msgspec.DecodeError as error:
            why = (
                str(error).removeprefix("JSON is malformed: ").replace("Input data was truncated", "it ends too early")
            )
            yield index, f"not JSON: {why}; each line holds one value (jq -c . FILE writes them so)"
