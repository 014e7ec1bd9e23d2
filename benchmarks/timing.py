"""From the first record polled to the last one durable: what both sides' processes measure, in the same way."""

from __future__ import annotations

import json
import time

from benchmarks.memory import peak_bytes

__all__ = ["Timing"]


class Timing:
    """Seconds and CPU seconds between `begin`, of which the first call counts, and `end`, of which the last does."""

    def __init__(self) -> None:
        self._began: tuple[float, float] | None = None
        self._ended = (0.0, 0.0)

    def begin(self) -> None:
        """Note that a record has come."""
        self._began = self._began or _now()

    def end(self) -> None:
        """Note that what was read up to now is durable."""
        self._ended = _now()

    def report(self, nbytes: int) -> None:
        """Print the measurement, with the bytes that a drop sink has seen."""
        if self._began is None:
            raise RuntimeError("no record came")

        seconds, cpu = (end - begin for begin, end in zip(self._began, self._ended, strict=True))
        print(json.dumps({"seconds": seconds, "cpu": cpu, "peak_bytes": peak_bytes(), "nbytes": nbytes}))


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()
