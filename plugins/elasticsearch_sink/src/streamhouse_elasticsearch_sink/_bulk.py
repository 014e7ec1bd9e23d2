"""The bodies of `_bulk` requests: a pure function of a batch.

A body alternates action lines and source lines; a deletion has none of the latter. Values become source lines only as JSON
objects on one line, ids, routes and names of indexes are written as JSON strings: nothing inside a record can end a line.
Knows nothing of HTTP or of answers.
"""

from __future__ import annotations

from itertools import pairwise
from math import ceil
from typing import TYPE_CHECKING, Final, Literal

import attrs
import msgspec

from streamhouse_connect import FatalError, RejectedRecords
from streamhouse_elasticsearch_sink._ids import IdTemplate, OffsetId, offset_stem
from streamhouse_elasticsearch_sink._templates import Rows
from streamhouse_elasticsearch_sink._values import ValueLines

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from streamhouse_connect import Batch, Span, TopicPartition
    from streamhouse_elasticsearch_sink._indexes import IndexTemplate
    from streamhouse_elasticsearch_sink._values import Sources
    from streamhouse_elasticsearch_sink._versions import Version

__all__ = ["Documents", "Method", "Recipe", "documents", "fixed_name"]

Method = Literal["index", "create", "update"]

_RETRY_ON_CONFLICT: Final = 3
"""An update reads before it writes; another writer in between is met by reading again."""


@attrs.frozen(kw_only=True)
class Recipe:
    """How records become documents."""

    index: IndexTemplate
    method: Method = "index"
    values: ValueLines = attrs.field(factory=ValueLines)
    id: IdTemplate | None = None
    """None: topic, partition and offset."""
    routing: IdTemplate | None = None
    version: Version | None = None
    epoch: int = 0

    @property
    def is_ordered(self) -> bool:
        """Whether it matters which of two requests arrives first, unless versions are by offset.

        There is but one record of an offset; of records with equal times or fields the last one is to stay.
        """
        return self.id is not None

    @property
    def is_plain(self) -> bool:
        """Whether a partition's action lines differ in their offsets only."""
        extras = self.id or self.routing or self.version or self.values.tombstones
        return self.method != "update" and self.index.is_fixed and not extras


@attrs.frozen
class Documents:
    """A batch as bulk lines."""

    entries: Sequence[bytes]
    """For each record its action line and, unless it is a deletion, its source line."""
    method: Method = "index"
    """What is done with all that are not deleted."""
    deletions: Collection[int] = ()
    """The records that delete."""
    after: Mapping[int, int] = attrs.field(factory=dict)
    """Of records with one id: each → the one that may be written next."""

    def first(self) -> Sequence[int]:
        """Return the indexes to write at first: one of each id."""
        if not self.after:
            return range(len(self.entries))

        later = set(self.after.values())
        return [index for index in range(len(self.entries)) if index not in later]

    def next(self, sent: Collection[int], *, again: Collection[int], rejected: Collection[int]) -> list[int]:
        """Return the records to send after the answer to these: with the same ids, and not made needless by it.

        Those that are to be sent `again` still stand before theirs.
        """
        if not self.after:
            return []

        # An update adds to the one before; anything else takes its place.
        done = [index for index in sent if index not in again] if self.method == "update" else rejected
        return sorted(self.after[index] for index in done if index in self.after)

    def cut(self, indexes: Sequence[int], most: int) -> list[Sequence[int]]:
        """Cut the records into parts of about the same size, with bodies of `most` bytes or fewer, or of one record each."""
        sizes = [len(self.entries[index]) for index in indexes]
        wanted = sum(sizes) / ceil(sum(sizes) / most)
        parts: list[Sequence[int]] = []
        start = nbytes = 0

        for at, size in enumerate(sizes):
            if at > start and (nbytes >= wanted or nbytes + size > most):
                parts.append(indexes[start:at])
                start, nbytes = at, 0

            nbytes += size

        return [*parts, indexes[start:]]

    def body(self, indexes: Sequence[int]) -> bytes:
        """Return the request's body for these records."""
        return b"".join([self.entries[index] for index in indexes])


def documents(batch: Batch, recipe: Recipe) -> Documents:
    """Turn a batch into bulk lines.

    :raises RejectedRecords: with every record that is no JSON object, or has no usable id, index, route or version.
    :raises FatalError: if a topic leads to no index.
    """
    sources = recipe.values.of(batch)

    if recipe.is_plain:
        return _plain(batch, recipe, sources)

    return _Writer(batch, recipe, sources).write()


def _plain(batch: Batch, recipe: Recipe, sources: Sources) -> Documents:
    entries: list[bytes] = []
    rejected = sources.rejected

    for span in batch.spans:
        offsets = batch.offsets[span.start : span.stop]

        if not offsets:
            continue

        try:
            stem = offset_stem(span.tp.topic, span.tp.partition, epoch=recipe.epoch, last=offsets[-1])
        except ValueError as error:
            rejected.update(dict.fromkeys(range(span.start, span.stop), str(error)))
            continue

        entry = (_action(recipe.method, fixed_name(recipe, span.tp)) + stem).replace(b"%", b"%%") + b'%d"}}\n%b\n'

        if not rejected:
            entries += [entry % pair for pair in zip(offsets, sources.lines[span.start : span.stop], strict=True)]

    if rejected:
        raise RejectedRecords(rejected)

    return Documents(entries, recipe.method)


class _Writer:
    """Writes the lines of one batch, record by record."""

    def __init__(self, batch: Batch, recipe: Recipe, sources: Sources) -> None:
        self._batch = batch
        self._recipe = recipe
        self._sources = sources
        self._rows = Rows(batch, sources.values)
        self._id = recipe.id or OffsetId(recipe.epoch)
        self._entries: list[bytes] = []
        self._rejected = sources.rejected
        self._versions: dict[int, int] = {}
        self._targets: list[bytes] = []
        self._deletions: set[int] = set()

    def write(self) -> Documents:
        for span in self._batch.spans:
            self._write(span)

        if self._rejected:
            raise RejectedRecords(self._rejected)

        return Documents(self._entries, self._recipe.method, self._deletions, self._after())

    def _write(self, span: Span) -> None:
        recipe, rows, lines, tp = self._recipe, self._rows, self._sources.lines, span.tp
        identify, route = self._id.literal, recipe.routing and recipe.routing.literal
        has_extra = recipe.version is not None or recipe.method == "update"
        fixed = _head(fixed_name(recipe, tp)) if recipe.index.is_fixed else None
        entry = b'{"%b":%%b%%b}}\n%%b\n' % recipe.method.encode()
        rejected, targets, append = self._rejected, self._targets, self._entries.append

        for at, literal in zip(range(span.start, span.stop), self._id.literals(rows, span), strict=True):
            if at in rejected:
                continue

            line = lines[at]

            try:
                target = (fixed or _head(recipe.index.name(rows, tp, at))) + (literal or identify(rows, tp, at))

                if route:
                    target += b',"routing":' + route(rows, tp, at)

                extra = self._extra(tp, at, line) if has_extra else b""
            except ValueError as error:
                rejected[at] = str(error)
                continue

            targets.append(target)

            if line is None:
                self._deletions.add(at)
                append(b'{"delete":%b%b}}\n' % (target, extra))
            else:
                append(entry % (target, extra, line))

    def _extra(self, tp: TopicPartition, at: int, line: bytes | None) -> bytes:
        if self._recipe.version:
            version = self._versions[at] = self._recipe.version.of(self._rows, tp, at)
            return b',"version":%d,"version_type":"external_gte"' % version

        return b"" if line is None else b',"retry_on_conflict":%d' % _RETRY_ON_CONFLICT

    def _after(self) -> dict[int, int]:
        after: dict[int, int] = {}

        if len(set(self._targets)) == len(self._targets):
            return after

        same: dict[bytes, list[int]] = {}

        for at, target in enumerate(self._targets):
            same.setdefault(target, []).append(at)

        for indexes in same.values():
            # Created is what comes first, updates follow each other; else the last one counts, or the one of the highest version.
            if self._recipe.method == "index":
                indexes.sort(key=lambda at: (self._versions.get(at, 0), at), reverse=True)

            after.update(pairwise(indexes))

        return after


def fixed_name(recipe: Recipe, tp: TopicPartition) -> str:
    """Return the name of the one index of a partition.

    :raises FatalError: if its topic leads to none.
    """
    try:
        return recipe.index.fixed(tp)
    except ValueError as error:
        raise FatalError(str(error)) from None


def _head(index: str) -> bytes:
    return b'{"_index":%b,"_id":' % msgspec.json.encode(index)


def _action(method: Method, index: str) -> bytes:
    return b'{"%b":%b' % (method.encode(), _head(index))
