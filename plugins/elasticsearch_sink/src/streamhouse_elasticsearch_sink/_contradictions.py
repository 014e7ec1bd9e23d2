"""What is wrong with the options of what is written, each by itself and together: a pure function of them.

An option that can't be read is told first; what does not fit together, when all can.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from streamhouse_connect import Problem
from streamhouse_elasticsearch_sink._fields import JsonField
from streamhouse_elasticsearch_sink._index_templates import json_object
from streamhouse_elasticsearch_sink._values import METADATA, METADATA_FIELD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streamhouse_elasticsearch_sink._indexes import IndexTemplate
    from streamhouse_elasticsearch_sink._writing_options import WritingOptions

__all__ = ["writing_problems"]

_DELETING: Final = "delete.enabled"
_VERSION: Final = "version.source"


def writing_problems(options: WritingOptions) -> Iterator[Problem]:
    """Say what is wrong with an option beyond its type."""
    readers: tuple[tuple[str, Callable[[], object]], ...] = (
        ("index.name", lambda: options.index),
        ("document.id", lambda: options.id_template),
        ("routing", lambda: options.routing_template),
        (_VERSION, lambda: options.version),
        ("version.partitions", lambda: options.acknowledged_partitions),
        ("value.wrap", lambda: options.value_wrap and JsonField(options.value_wrap, option="value.wrap")),
    )
    readers += tuple(
        (key, partial(json_object, text)) for key, text in options.index_files.items() if text.lstrip().startswith("{")
    )
    wrong = [Problem(key, message) for key, read in readers if (message := _message(key, read))]

    yield from wrong or _contradictions(options)

    for name in options.metadata_fields:
        if name not in METADATA:
            yield Problem("metadata.fields", f"knows {', '.join(METADATA)}, and no {name!r}")


def _message(key: str, read: Callable[[], object]) -> str | None:
    try:
        read()
    except ValueError as error:
        return str(error) if key != "version.partitions" else "must be a list of topic:count, such as orders:12"

    return None


def _contradictions(options: WritingOptions) -> Iterator[Problem]:
    index = options.index

    if not index.prefix and not options.index_any:
        yield Problem(
            "index.name",
            f"is {options.index_name!r}, with which a topic or a record could lead to any index; put a prefix before it, "
            "such as logs-, or set index.any=true",
        )

    if options.data_stream and options.method != "create":
        yield Problem(
            "write.method", f"is {options.method}, but documents of a data stream can only be created; leave it out"
        )

    if options.version_source not in {None, "none"} and options.method != "index":
        yield Problem(_VERSION, f"is not possible with write.method={options.method}; leave it out")

    if options.version_source == "offset" and not (options.id_template and options.id_template.is_key):
        yield Problem(
            _VERSION, "is offset, and offsets can be compared only of records with one key: set document.id={key}"
        )

    if options.pipeline and options.method == "update":
        yield Problem("pipeline", "is not possible with write.method=update, which Elasticsearch does without it")

    if options.metadata_fields and options.value_wrap == METADATA_FIELD:
        yield Problem("value.wrap", f"is {METADATA_FIELD}, which metadata.fields adds; choose another name")

    if options.index_settings or options.index_mapping:
        yield from _unsettled(options, index)

    if options.delete_enabled:
        yield from _undeletable(options, index)


def _unsettled(options: WritingOptions, index: IndexTemplate) -> Iterator[Problem]:
    if options.index_template or options.require_alias:
        yield Problem(
            "index.settings", "and index.mapping are not used with index.template, nor for an alias (require_alias)"
        )

    if index.pattern.startswith("*"):
        yield Problem(
            "index.settings",
            f"and index.mapping would be for all indexes with a name like {index.pattern}, whoever makes them; put a prefix before "
            "index.name, or give an index.template with index_patterns",
        )


def _undeletable(options: WritingOptions, index: IndexTemplate) -> Iterator[Problem]:
    if options.method == "create":
        yield Problem(_DELETING, "is not possible where documents are only created")
    elif not options.document_id:
        yield Problem(_DELETING, "needs a document.id that tombstones have, such as {key}")

    identity = (("document.id", options.id_template), ("routing", options.routing_template))

    for key, source in (*identity, ("index.name", index)):
        if source and source.needs_values:
            yield Problem(_DELETING, f"needs a {key} without fields: a tombstone has none; use {{key}}")

    for key, source in identity:
        if source and source.needs_offsets:
            yield Problem(_DELETING, f"needs a {key} without {{offset}}: a tombstone has another one than its document")

    if index.needs_times:
        yield Problem(
            _DELETING, "needs an index.name without {timestamp:…}: a tombstone has another time than its document"
        )

    if options.is_versioned_by_field:
        yield Problem(_DELETING, "needs a version.source other than a field: a tombstone has none")
