"""What a configuration promises, in words: a pure function of the options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streamhouse_connect import Guarantee

if TYPE_CHECKING:
    from streamhouse_elasticsearch_sink._writing_options import WritingOptions

__all__ = ["guarantee_of"]

_BY_OFFSET: Final = (
    "a document's _id is topic+partition+offset, so a record written again replaces itself; a topic that is deleted and made "
    "again replaces the documents of the old one"
)
_GC_DELETES: Final = (
    "; a deleted document's version is forgotten after index.gc_deletes (60 s), so a replay that begins later may show it until "
    "its deletion is read again"
)


def guarantee_of(options: WritingOptions) -> Guarantee:
    """Return what is promised with these options, and where it ends."""
    if options.data_stream:
        return Guarantee(
            "effectively-once",
            f"a document that exists is not created again ({_identity(options)}); if the data stream rolls over between a crash and the "
            "replay, what is repeated is there twice",
        )

    if options.method == "update":
        return Guarantee(
            "effectively-once",
            f"an update that is written again changes nothing ({_identity(options)}); while records are repeated after a crash, fields may "
            f"show older values for a moment{_places(options)}",
        )

    if options.method == "create":
        return Guarantee(
            "effectively-once" if options.document_id else "exactly-once",
            f"a document that exists is not created again ({_identity(options)})" + _places(options),
        )

    if not options.document_id:
        return Guarantee("exactly-once", _BY_OFFSET + _places(options))

    deletes = _GC_DELETES if options.delete_enabled else ""

    if options.versions_by_offset:
        return Guarantee(
            "exactly-once",
            "a document's _id is its record's key and its version the offset, so an older record never replaces a newer one; "
            f"while partitions are being added keys move, and the connector fails until that is acknowledged{deletes}{_places(options)}",
        )

    if options.version_source not in {None, "none"}:
        return Guarantee(
            "effectively-once",
            f"a document's version is {_version(options)}, so a record of a lower one never replaces it, and of equal ones the last "
            f"written stays ({_identity(options)}){deletes}{_places(options)}",
        )

    return Guarantee(
        "effectively-once",
        f"a record written again replaces itself ({_identity(options)}); while records are repeated after a crash, an older version of a "
        f"document may show for a moment{_places(options)}",
    )


def _identity(options: WritingOptions) -> str:
    return f"its _id is made of {options.document_id or 'topic+partition+offset'}"


def _version(options: WritingOptions) -> str:
    return "the record's timestamp" if options.version_source == "timestamp" else f"its {options.version_source}"


def _places(options: WritingOptions) -> str:
    """Say what makes one id several documents."""
    moving = []

    # Of ids of offsets there is but one record, which always has the same route and index.
    if options.document_id:
        moving += ["routing"] if options.routing not in {None, "", options.document_id} else []
        moving += ["index.name"] if options.index.needs_values or options.index.needs_times else []

    found = ""

    if moving:
        found = (
            f"; records of one _id that differ in what {' and '.join(moving)} makes of them are documents of their own"
        )

    if options.require_alias:
        found += "; if the alias moves to another index between a crash and the replay, what is repeated is there twice"

    return found
