"""The options of what is written: into which index, under which id, by which action. Knows nothing of the connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import attrs

from streamhouse_connect import option
from streamhouse_elasticsearch_sink._bulk import Method, Recipe
from streamhouse_elasticsearch_sink._fields import JsonField
from streamhouse_elasticsearch_sink._ids import MAX_ROUTE_BYTES, IdTemplate
from streamhouse_elasticsearch_sink._indexes import MAX_BYTES, MAX_STREAM_BYTES, IndexTemplate
from streamhouse_elasticsearch_sink._values import METADATA, METADATA_FIELD, ValueLines
from streamhouse_elasticsearch_sink._versions import FieldVersion, TimestampVersion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamhouse_elasticsearch_sink._versions import Version

__all__ = ["WritingOptions"]

_FIELD: Final = "field:"


@attrs.frozen(kw_only=True, slots=False)  # of two base classes, one at most can have slots
class WritingOptions:
    """What is written."""

    index_name: str = option(
        "index.name",
        identity=True,
        doc="The index, alias or data stream that documents go to, such as logs-{topic}-{timestamp:%Y.%m.%d}. It may hold {topic}, {partition}, "
        "{timestamp:…} (the record's, in UTC), {field:NAME} and {field:NAME|default}. Upper case is lowered.",
    )
    index_any: bool = option(
        "index.any",
        default=False,
        doc="Allows an index.name that begins with a placeholder, so that records can lead to any index.",
    )
    write_method: Literal["index", "create", "update"] | None = option(
        "write.method",
        default=None,
        doc="index: a document replaces the one of its id. create: one that exists stays. update: the fields of the value are put "
        "into the document, which is made if it is missing. Default: index; create with data.stream.",
    )
    delete_enabled: bool = option(
        "delete.enabled",
        default=False,
        doc="Whether a tombstone, a record without a value, deletes the document of its id.",
    )
    null_values: Literal["ignore", "dead-letter", "fail"] = option(
        "null.values",
        default="ignore",
        doc="What becomes of a tombstone without delete.enabled: it is passed over and counted (ignore), made a dead letter "
        "whatever errors.tolerance is (dead-letter), or stops the connector (fail).",
    )
    document_id: str | None = option(
        "document.id",
        identity=True,
        default=None,
        doc="The document's _id: a JSON field, nested as a.b, or a template of {key}, {field:NAME}, {topic}, {partition} and {offset}; "
        "by default topic+partition+offset.",
    )
    document_id_overflow: Literal["reject", "hash"] = option(
        "document.id.overflow",
        default="reject",
        doc="What becomes of a record whose _id is longer than 512 bytes: it is rejected, or its _id is the SHA-256 of that (hash).",
    )
    version_source: str | None = option(
        "version.source",
        default=None,
        identity=True,
        doc="What keeps an older record from replacing a newer one's document: its offset, its timestamp, an integer of its value "
        "(field:NAME), or nothing (none). Default: offset with document.id={key} while an index has one topic, else none.",
    )
    version_partitions: tuple[str, ...] = option(
        "version.partitions",
        default=(),
        doc="Acknowledges that topics were given partitions: orders:12,users:6. With version.source=offset the connector fails until then.",
    )
    routing: str | None = option(
        "routing",
        default=None,
        doc="What chooses a document's shard instead of its _id: a field or a template, as document.id.",
    )
    data_stream: bool = option(
        "data.stream",
        default=False,
        doc="Whether index.name is a data stream: documents are created only, and get the record's time as @timestamp if they have none.",
    )
    require_alias: bool = option("require_alias", default=False, doc="Whether index.name has to be an alias.")
    pipeline: str | None = option("pipeline", default=None, doc="The ingest pipeline that documents go through.")
    refresh: Literal["false", "true", "wait_for"] = option(
        "refresh",
        default="false",
        doc="Whether documents are made visible to searches with each request: at once (true) or by waiting for it (wait_for). Both are slow.",
    )
    index_settings: str | None = option(
        "index.settings",
        default=None,
        doc="The settings of the indexes that are made: a JSON object, or a file with one. With index.mapping they are kept in an index "
        "template, which is made at the start if it is missing.",
    )
    index_mapping: str | None = option(
        "index.mapping",
        default=None,
        doc="The mapping of the indexes that are made: a JSON object, or a file with one.",
    )
    index_template: str | None = option(
        "index.template",
        default=None,
        doc="In place of both a whole index template: a JSON object, or a file with one. Without index_patterns it is for index.name.",
    )
    value_wrap: str | None = option(
        "value.wrap",
        default=None,
        doc="The field that takes the text of a value that is no JSON object, such as message; by default it is rejected.",
    )
    metadata_fields: tuple[str, ...] = option(
        "metadata.fields",
        default=(),
        doc=f"What is added to documents, in the object {METADATA_FIELD}, of {', '.join(METADATA)}.",
    )

    @property
    def method(self) -> Method:
        """How documents are written."""
        return self.write_method or ("create" if self.data_stream else "index")

    @property
    def index(self) -> IndexTemplate:
        """Where documents go.

        :raises ValueError: with a message that completes "index.name …".
        """
        return IndexTemplate(self.index_name, MAX_STREAM_BYTES if self.data_stream else MAX_BYTES)

    @property
    def id_template(self) -> IdTemplate | None:
        """Where ids come from; None: topic, partition and offset."""
        if not self.document_id:
            return None

        return IdTemplate(self.document_id, hashed=self.document_id_overflow == "hash")

    @property
    def acknowledged_partitions(self) -> Mapping[str, int]:
        """Topic → the number of partitions that it may have been given."""
        pairs = (item.rpartition(":") for item in self.version_partitions)
        return {topic: int(count) for topic, _, count in pairs}

    @property
    def versions_by_offset(self) -> bool:
        """Whether documents are versioned by offset, if offsets can be compared."""
        if self.version_source is not None:
            return self.version_source == "offset"

        template = self.id_template
        return self.method == "index" and template is not None and template.is_key

    @property
    def query(self) -> Mapping[str, str]:
        """What all requests ask for in their address."""
        asked = {
            "pipeline": self.pipeline,
            "refresh": None if self.refresh == "false" else self.refresh,
            "require_alias": "true" if self.require_alias else None,
        }
        return {name: value for name, value in asked.items() if value}

    def recipe(self, *, epoch: int) -> Recipe:
        """Return how records become documents; versions by offset are still to be added."""
        return Recipe(
            index=self.index,
            method=self.method,
            values=ValueLines(
                wrap=self.value_wrap or None,
                metadata=self.metadata_fields,
                timestamp=self.data_stream,
                partial=self.method == "update",
                tombstones=self.delete_enabled,
            ),
            id=self.id_template,
            routing=self.routing_template,
            version=self.version,
            epoch=epoch,
        )

    @property
    def index_files(self) -> Mapping[str, str]:
        """Key → what is given for indexes that are made: JSON, or a file with it."""
        given = {
            "index.settings": self.index_settings,
            "index.mapping": self.index_mapping,
            "index.template": self.index_template,
        }
        return {key: text for key, text in given.items() if text}

    @property
    def routing_template(self) -> IdTemplate | None:
        """What chooses shards; None: the id."""
        return IdTemplate(self.routing, option="routing", longest=MAX_ROUTE_BYTES) if self.routing else None

    @property
    def is_versioned_by_field(self) -> bool:
        """Whether a document's version stands in its value."""
        return (self.version_source or "").startswith(_FIELD)

    @property
    def version(self) -> Version | None:
        """What versions documents, unless it is nothing, or the offset.

        :raises ValueError: with a message that completes "version.source …".
        """
        source = self.version_source

        if source is None or source in {"none", "offset"}:
            return None

        if source == "timestamp":
            return TimestampVersion()

        if not self.is_versioned_by_field:
            raise ValueError(f"is {source!r}; it may be offset, timestamp, field:NAME or none")

        return FieldVersion(JsonField(source.removeprefix(_FIELD), option="version.source field"))
