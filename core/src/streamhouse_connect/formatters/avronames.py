"""Names as Avro allows them: letters, digits and underscores; reversibly."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["avro_name", "original_name"]

_ESCAPE: Final = re.compile(r"_(?=x[0-9A-F]*[^A-Za-z0-9])|[^A-Za-z0-9_]|^[0-9]")
_ESCAPED: Final = re.compile(r"_x([0-9A-F]*)_")


def avro_name(name: str) -> str:
    """Return the name as Avro allows it; two names never become the same, and `original_name` turns it back."""
    return _ESCAPE.sub(lambda found: f"_x{ord(found[0]):X}_", name) or "_x_"


def original_name(name: str) -> str:
    """Return the name that `avro_name` was given."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)) if found[1] else "", name)
