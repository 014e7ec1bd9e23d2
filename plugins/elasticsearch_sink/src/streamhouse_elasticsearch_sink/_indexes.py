"""Names of indexes: the template of `index.name`, and Elasticsearch's rules for what it makes.

Neither a topic nor a record can lead to a wildcard, a date-math expression, a hidden or a system index, or to any that does
not begin as the template does. Knows nothing of documents.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import attrs

from streamhouse_connect import Batch
from streamhouse_elasticsearch_sink._templates import FieldPart, LiteralPart, Rows, Template, TimePart, TopicPart

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from streamhouse_connect import TopicPartition
    from streamhouse_elasticsearch_sink._templates import Part

__all__ = ["MAX_BYTES", "MAX_STREAM_BYTES", "IndexTemplate"]

MAX_BYTES: Final = 255
MAX_STREAM_BYTES: Final = MAX_BYTES - len(".ds--2026.12.31-000001")
"""What is left to a data stream, as its indexes are called .ds-NAME-2026.12.31-000001."""

# Elasticsearch's list and ":"; "%" is legal there, but has a meaning in every URL that somebody will write by hand.
_FORBIDDEN: Final = re.compile(r"[\\/*?\"<>|,#:%{}\s\x00-\x1f\x7f\ud800-\udfff]")
_PLACEHOLDERS: Final = ("topic", "partition", "timestamp", "field")
_NO_ROWS: Final = Rows(Batch.concat(()), ())


@attrs.frozen
class IndexTemplate:
    """The name of an index, with placeholders.

    :raises ValueError: with a message that completes "index.name …".
    """

    text: str
    longest: int = MAX_BYTES
    _template: Template = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        template = Template.parse(self.text, option="index.name", known=_PLACEHOLDERS)
        object.__setattr__(self, "_template", template)
        # With something harmless in place of what is not known yet, what is wrong is the template's own text.
        name = "".join(_sample(part) for part in template.parts).lower()
        wrong = _problem(name, self.longest)

        if wrong:
            raise ValueError(f"is {self.text!r}, which {wrong}")

    @property
    def prefix(self) -> str:
        """What every name begins with."""
        first = self._template.parts[0]
        return first.words.lower() if isinstance(first, LiteralPart) else ""

    @property
    def pattern(self) -> str:
        """The names that it can make, as index templates describe them."""
        made = "".join(part.words if isinstance(part, LiteralPart) else "*" for part in self._template.parts)
        return re.sub(r"\*+", "*", made.lower())

    @property
    def names_topics(self) -> bool:
        """Whether the topic is a part of the name."""
        return any(isinstance(part, TopicPart) for part in self._template.parts)

    @property
    def is_fixed(self) -> bool:
        """Whether all records of a partition go to one index."""
        return self._template.is_fixed

    @property
    def needs_values(self) -> bool:
        """Whether a tombstone leads to no index."""
        return self._template.needs_values

    @property
    def needs_times(self) -> bool:
        """Whether records of one id lead to several indexes as time goes by."""
        return any(isinstance(part, TimePart) for part in self._template.parts)

    def fixed(self, tp: TopicPartition) -> str:
        """Return the name of the one index of a partition.

        :raises ValueError: if Elasticsearch would not take it, or would take it for more than a name.
        """
        return self._checked(_NO_ROWS, tp, 0, f"topic {tp.topic!r}")

    def name(self, rows: Rows, tp: TopicPartition, at: int) -> str:
        """Return the name of the index of a record.

        :raises ValueError: with the reason why there is none.
        """
        return self._checked(rows, tp, at, "the record")

    def shared(self, topics: Collection[str]) -> Iterator[tuple[str, str]]:
        """Return pairs of topics that may lead to one index."""
        seen: dict[str, str] = {}

        for topic in sorted(topics):
            stem = self._stem(topic)
            other = next((seen[known] for known in seen if self._meet(known, stem)), None)

            if other is not None:
                yield other, topic

            seen.setdefault(stem, topic)

    def _checked(self, rows: Rows, tp: TopicPartition, at: int, source: str) -> str:
        # Part by part: how a letter is lowered may depend on the next one.
        name = "".join([part.text(rows, tp, at).lower() for part in self._template.parts])
        wrong = _problem(name, self.longest)

        if wrong:
            raise ValueError(f"index.name {self.text!r} makes {name[:300]!r} of {source}, which {wrong}")

        return name

    def _stem(self, topic: str) -> str:
        """Return the names of a topic, up to what can have any length; all dates of a pattern have one length."""
        made = []

        for part in self._template.parts:
            if isinstance(part, TopicPart):
                made.append(topic.lower())
            elif isinstance(part, LiteralPart | TimePart):
                made.append(part.words.lower() if isinstance(part, LiteralPart) else "0")
            else:
                break

        return "".join(made)

    def _meet(self, one: str, other: str) -> bool:
        if all(isinstance(part, LiteralPart | TopicPart | TimePart) for part in self._template.parts):
            return one == other

        return one.startswith(other) or other.startswith(one)


def _sample(part: Part) -> str:
    """Return a text that a part may have: its own where it has one, so that what is wrong with it is wrong at once."""
    if isinstance(part, LiteralPart):
        return part.words

    if isinstance(part, TimePart):
        return part.at(0)

    return (part.default if isinstance(part, FieldPart) else None) or "t"


def _problem(name: str, longest: int) -> str | None:
    found = _FORBIDDEN.search(name)

    if found:
        return f"holds {found[0]!r}, and an index can't"

    if not name or name[0] in "-_+.":
        return "is empty or starts with - _ + or a dot, and an index can't; put a prefix before it"

    if len(name.encode()) > longest:
        return f"is longer than {longest} bytes"

    return None
