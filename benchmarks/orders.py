"""The records of the benchmarks over Kafka: orders of exactly 200 bytes of JSON, with a nested list."""

from __future__ import annotations

import json

__all__ = ["ORDER_BYTES", "order"]

ORDER_BYTES = 200


def order(number: int) -> bytes:
    """Return one order; its note fills it up."""
    made: dict[str, object] = {
        "id": number,
        "customer": f"c{number % 9999:06}",
        "amount": number * 1.25,
        "items": [{"sku": f"a{number}", "quantity": 2}, {"sku": f"b{number}", "quantity": 1}],
        "note": "",
    }
    made["note"] = "x" * (ORDER_BYTES - len(json.dumps(made, separators=(",", ":"))))
    return json.dumps(made, separators=(",", ":")).encode()
