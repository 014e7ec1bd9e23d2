"""Newline-delimited JSON: each value on a line of its own, as it came."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Final

import attrs

from streamhouse_connect.errors import RejectedRecords
from streamhouse_connect.formatters.interface import Formatter
from streamhouse_connect.values import json_lines

if TYPE_CHECKING:
    from streamhouse_connect.records import Batch

__all__ = ["JsonConfig", "JsonFormatter"]

_CHUNK: Final = 1 << 20


@attrs.frozen(kw_only=True)
class JsonConfig:
    """There is nothing to choose."""


class JsonFormatter(Formatter[JsonConfig]):
    """One record a line: any JSON value, byte for byte as it came; one that spans lines is compacted."""

    name = "json"
    config_class = JsonConfig
    extension = ".json"
    content_type = "application/x-ndjson"

    def format(self, batch: Batch, out: BinaryIO) -> None:
        out.write(json_lines(batch.values).joined)

        if len(batch):
            out.write(b"\n")

    def count(self, source: BinaryIO) -> int:
        count = 0
        rest = b""

        while chunk := source.read(_CHUNK):
            *lines, rest = (rest + chunk).split(b"\n")
            count += self._valid(lines)

        if rest:
            raise ValueError("its last line is cut off")

        if count == 0:
            raise ValueError("it is empty")

        return count

    @staticmethod
    def _valid(lines: list[bytes]) -> int:
        try:
            return len(json_lines(lines).lines)
        except RejectedRecords as error:
            raise ValueError(f"it holds a line that is no record: {error}") from None
