"""The options of the sink: those of the connection, and those of what is written. Knows nothing of the client library."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from streamhouse_elasticsearch_sink._connection_options import ConnectionOptions
from streamhouse_elasticsearch_sink._contradictions import writing_problems
from streamhouse_elasticsearch_sink._writing_options import WritingOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamhouse_connect import Problem

__all__ = ["ElasticsearchConfig"]


@attrs.frozen(kw_only=True)
class ElasticsearchConfig(WritingOptions, ConnectionOptions):
    """The options of `elasticsearch-sink`."""

    def problems(self) -> Iterator[Problem]:
        """Say what is wrong with an option beyond its type."""
        yield from self.connection_problems()
        yield from writing_problems(self)
