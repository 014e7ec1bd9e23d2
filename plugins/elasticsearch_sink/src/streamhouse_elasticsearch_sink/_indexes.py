"""Names of indexes: the template of `index.name`, and Elasticsearch's rules for what it makes.

A topic can never lead to a wildcard, a date-math expression, a hidden or a system index. Knows nothing of documents.
"""

from __future__ import annotations

import re
from typing import Final

import attrs

__all__ = ["IndexTemplate"]

MAX_BYTES: Final = 255

_PLACEHOLDER: Final = re.compile(r"\{[^{}]*\}|[{}]")
# Elasticsearch's list and ":"; "%" is legal there, but has a meaning in every URL that somebody will write by hand.
_FORBIDDEN: Final = re.compile(r"[\\/*?\"<>|,#:%{}\s\x00-\x1f\x7f]")


@attrs.frozen
class IndexTemplate:
    """The name of an index, in which `{topic}` stands for the record's topic.

    :raises ValueError: with a message that completes "index.name …".
    """

    text: str = attrs.field()

    @text.validator
    def _check(self, _: object, text: str) -> None:
        unknown = [found for found in _PLACEHOLDER.findall(text) if found != "{topic}"]

        if unknown:
            raise ValueError(f"knows no placeholder {unknown[0]}; it may hold {{topic}}")

        # With a harmless topic in place of any, what is wrong is the template's own text.
        wrong = _problem(text.replace("{topic}", "t").lower())

        if wrong:
            raise ValueError(f"is {text!r}, which {wrong}")

    def index(self, topic: str) -> str:
        """Return the name of the index for a topic.

        :raises ValueError: if Elasticsearch would not take it, or would take it for more than a name.
        """
        name = self.text.replace("{topic}", topic).lower()
        wrong = _problem(name)

        if wrong:
            raise ValueError(f"index.name {self.text!r} makes {name!r} of topic {topic!r}, which {wrong}")

        return name


def _problem(name: str) -> str | None:
    found = _FORBIDDEN.search(name)

    if found:
        return f"holds {found[0]!r}, and an index can't"

    if not name or name[0] in "-_+.":
        return "is empty or starts with - _ + or a dot, and an index can't; put a prefix before it"

    if len(name.encode(errors="surrogatepass")) > MAX_BYTES:
        return f"is longer than {MAX_BYTES} bytes"

    return None
