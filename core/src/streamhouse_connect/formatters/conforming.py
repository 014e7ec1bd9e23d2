"""Conforming: records as declared columns have them, or the reasons why they can't be. Knows nothing of Arrow or Avro."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final, cast

import msgspec

from streamhouse_connect.errors import RejectedRecords

if TYPE_CHECKING:
    from streamhouse_connect.formatters.declared import Columns
    from streamhouse_connect.values import JsonLines

__all__ = ["conform"]

_EXACT: Final = msgspec.json.Decoder(float_hook=Decimal)


def conform(lines: JsonLines, columns: Columns) -> list[dict[str, object]]:
    """Return the records with the values of their columns.

    :raises RejectedRecords: for those that don't fit, each with its field and the reason.
    """
    rows = []
    reasons = {}

    for index, line in enumerate(lines.lines):
        try:
            rows.append(cast("dict[str, object]", columns.take(_EXACT.decode(line))))
        except msgspec.DecodeError as error:
            reasons[index] = f"it has a number that is too large: {error}"
        except ValueError as error:
            reasons[index] = f"its field {str(error).removeprefix('.')}"

    if reasons:
        raise RejectedRecords(reasons)

    return rows
