"""The bodies of `_bulk` requests: a pure function of a batch.

A body alternates action lines and source lines. Values become source lines only as JSON objects on one line, ids and names
of indexes are written as JSON strings: nothing inside a record can end a line. Knows nothing of HTTP or of answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import msgspec

from streamhouse_connect import Batch, RejectedRecords, json_objects
from streamhouse_elasticsearch_sink._ids import JsonField, offset_stem

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

__all__ = ["Documents", "documents"]


@attrs.frozen
class Documents:
    """A batch as bulk lines."""

    entries: Sequence[bytes]
    """For each record its action line and its source line."""
    earlier: Mapping[int, int] = attrs.field(factory=dict)
    """Index → the last record before it with the same id, which it replaces."""

    def newest(self) -> Sequence[int]:
        """Return the indexes to write: of several records with one id only the last."""
        if not self.earlier:
            return range(len(self.entries))

        replaced = set(self.earlier.values())
        return [index for index in range(len(self.entries)) if index not in replaced]

    def uncovered(self, rejected: Collection[int]) -> set[int]:
        """Return the records that count after all, because the ones that replaced them were rejected."""
        return {self.earlier[index] for index in rejected if index in self.earlier}

    def body(self, indexes: Sequence[int]) -> bytes:
        """Return the request's body for these records."""
        return b"".join([self.entries[index] for index in indexes])


def documents(
    batch: Batch, *, index: Callable[[str], str], field: JsonField | None = None, epoch: int = 0
) -> Documents:
    """Turn a batch into bulk lines; `index` gives the index of a topic, `field` the ids where they are not offsets.

    :raises RejectedRecords: with every record that is no JSON object or has no usable id.
    """
    if field:
        return _by_field(batch, index, field)

    return _by_offset(batch, index, epoch)


def _by_offset(batch: Batch, index: Callable[[str], str], epoch: int) -> Documents:
    sources = json_objects(batch.values)
    entries: list[bytes] = []

    for span in batch.spans:
        offsets = batch.offsets[span.start : span.stop]

        if not offsets:
            continue

        try:
            stem = offset_stem(span.tp.topic, span.tp.partition, epoch=epoch, last=offsets[-1])
        except ValueError as error:
            raise RejectedRecords(dict.fromkeys(range(span.start, span.stop), str(error))) from None

        entry = (_action(index(span.tp.topic)) + stem).replace(b"%", b"%%") + b'%d"}}\n%b\n'
        entries += [entry % pair for pair in zip(offsets, sources[span.start : span.stop], strict=True)]

    return Documents(entries)


def _by_field(batch: Batch, index: Callable[[str], str], field: JsonField) -> Documents:
    sources, reasons = _checked(batch.values)
    entries: list[bytes] = []
    earlier: dict[int, int] = {}
    newest: dict[bytes, int] = {}

    for span in batch.spans:
        action = _action(index(span.tp.topic))

        for at in range(span.start, span.stop):
            if at in reasons:
                continue

            try:
                line = action + field.literal(sources[at])
            except ValueError as error:
                reasons[at] = str(error)
                continue

            if line in newest:
                earlier[at] = newest[line]

            newest[line] = at
            entries.append(b"%b}}\n%b\n" % (line, sources[at]))

    if reasons:
        raise RejectedRecords(reasons)

    return Documents(entries, earlier)


def _checked(values: Sequence[bytes | None]) -> tuple[Sequence[bytes], dict[int, str]]:
    """Return the values as source lines, with the reasons against those that can't be one."""
    try:
        return json_objects(values), {}
    except RejectedRecords as rejected:
        return [value or b"" for value in values], dict(rejected.reasons)


def _action(index: str) -> bytes:
    return b'{"index":{"_index":%b,"_id":' % msgspec.json.encode(index)
