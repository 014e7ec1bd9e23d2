"""The options of the sink: those of the connection, and those of what is written. Knows nothing of the client library."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from streamhouse_connect import Problem, option
from streamhouse_elasticsearch_sink._connection_options import ConnectionOptions
from streamhouse_elasticsearch_sink._ids import JsonField
from streamhouse_elasticsearch_sink._indexes import IndexTemplate

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ElasticsearchConfig"]


@attrs.frozen(kw_only=True)
class ElasticsearchConfig(ConnectionOptions):
    """The options of `elasticsearch-sink`."""

    index_name: str = option(
        "index.name",
        identity=True,
        doc="The index that documents go to; {topic} stands for the record's topic. Upper case is lowered.",
    )
    document_id: str | None = option(
        "document.id",
        default=None,
        identity=True,
        doc="The JSON field whose value is the document's _id, nested as a.b; by default topic+partition+offset.",
    )

    def problems(self) -> Iterator[Problem]:
        """Say what is wrong with an option beyond its type."""
        yield from self.connection_problems()

        for key, read in (
            ("index.name", lambda: IndexTemplate(self.index_name)),
            ("document.id", lambda: self.document_id and JsonField(self.document_id)),
        ):
            try:
                read()
            except ValueError as error:
                yield Problem(key, str(error))
