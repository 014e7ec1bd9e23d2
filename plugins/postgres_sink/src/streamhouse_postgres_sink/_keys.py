"""The key of each record, as fields that go to columns beside those of its value.

    record_key   {"id": 7, "x": 1}   →  id            a JSON object: the fields that pk.fields names
                 7, "seven"          →  id            any other JSON value, if pk.fields names one field
                 seven               →  id            what is not JSON is text
    kafka        topic, partition, offset

Knows nothing of the table: what the columns make of it is the same as for the fields of values.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Final

import msgspec

from streamhouse_postgres_sink._cells import escaping, holds_escapes
from streamhouse_postgres_sink._rows import Decoded, Fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamhouse_connect import Batch

__all__ = ["from_keys", "from_positions"]

_object: Final = msgspec.json.Decoder(Fields).decode
_any: Final = msgspec.json.Decoder(msgspec.Raw).decode
_NULLS: Final = (b"null", b"")


class _Unusable(Exception):  # noqa: N818 - it is the key that is
    """A record's key does not give the fields; the message says why, without any value."""


def from_keys(keys: Sequence[bytes | None], names: Sequence[str]) -> Decoded:
    """Take the fields out of the records' keys."""
    try:
        return _from_objects(keys, names)
    except (TypeError, KeyError, UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return _from_any(keys, names)


def _from_objects(keys: Sequence[bytes | None], names: Sequence[str]) -> Decoded:
    """Do so at once where every key is an object with the fields, as in most topics either all are or none."""
    joined = b" ".join(keys)  # type: ignore[arg-type]  # a key that is missing is found out here
    joined.decode()  # Raw does not look
    found = map(_object, keys)  # type: ignore[arg-type]  # as before

    if len(names) == 1:
        records = [{names[0]: fields[names[0]]} for fields in found]
    else:
        records = [dict(zip(names, cells, strict=True)) for cells in map(itemgetter(*names), found)]

    return Decoded(records, escaping(keys, joined), {})  # type: ignore[arg-type]  # none is None


def _from_any(keys: Sequence[bytes | None], names: Sequence[str]) -> Decoded:
    records: list[Fields] = []
    escapes = set()
    rejected = {}

    for index, key in enumerate(keys):
        try:
            fields = _fields(key, names)
        except _Unusable as error:
            rejected[index] = str(error)
            continue

        records.append(fields)

        if any(map(holds_escapes, map(bytes, fields.values()))):
            escapes.add(index)

    return Decoded(records, frozenset(escapes), rejected)


def from_positions(batch: Batch, names: Sequence[str]) -> Decoded:
    """Make the fields of where the records are in their topics."""
    topic, partition, offset = names
    records: list[Fields] = []
    escapes: set[int] = set()

    for span in batch.spans:
        text = msgspec.json.encode(span.tp.topic)
        place = {topic: msgspec.Raw(text), partition: msgspec.Raw(b"%d" % span.tp.partition)}
        records += [{**place, offset: msgspec.Raw(b"%d" % at)} for at in batch.offsets[span.start : span.stop]]

        if holds_escapes(text):
            escapes.update(range(span.start, span.stop))

    return Decoded(records, frozenset(escapes), {})


def _fields(key: bytes | None, names: Sequence[str]) -> Fields:
    if key is None:
        raise _Unusable("has no key (pk.mode=record_key)")

    try:
        text = key.decode()
    except UnicodeDecodeError as error:
        raise _Unusable(f"has a key that is not UTF-8: byte {error.start} (pk.mode=record_key)") from None

    if key.lstrip().startswith(b"{"):
        try:
            fields = _object(key)
            return {name: fields[name] for name in names}
        except KeyError as error:
            raise _Unusable(f"has a key without the field {error.args[0]} (pk.fields)") from None
        except (msgspec.DecodeError, RecursionError):
            pass  # as text it may be fine

    if len(names) > 1:
        raise _Unusable(f"has a key that is not a JSON object with the fields {', '.join(names)} (pk.fields)")

    if key.strip() in _NULLS:
        raise _Unusable("has an empty key (pk.mode=record_key)")

    return {names[0]: _scalar(key, text)}


def _scalar(key: bytes, text: str) -> msgspec.Raw:
    """Return a key as one JSON value: space around it makes it text, as does all that is not JSON."""
    if key == key.strip():
        try:
            return _any(key)
        except (msgspec.DecodeError, RecursionError):
            pass

    return msgspec.Raw(msgspec.json.encode(text))
