"""The partitioner whose paths the user spells out."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import attrs

from streamhouse_connect.config import option
from streamhouse_connect.errors import Problem
from streamhouse_connect.partitioners.interface import Partitioner
from streamhouse_connect.partitioners.layouts import MAX_PATH, Layout
from streamhouse_connect.partitioners.templates import parse, wrong_with
from streamhouse_connect.partitioners.times import TimeConfig, Times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from streamhouse_connect.records import Batch

__all__ = ["PatternConfig", "PatternPartitioner"]


@attrs.frozen(kw_only=True)
class PatternConfig(TimeConfig):
    """Which path."""

    path: str = option(
        "partitioning.path",
        default="",
        identity=True,
        doc="For pattern: the path below the topic, such as dt=%Y-%m-%d/tenant={field:tenant}. It may hold %Y, %m, %d, %j, %G, "
        "%V, %H and %M as strftime has them, {field:NAME} and {partition}.",
    )

    def problems(self) -> Iterator[Problem]:
        """Find what is wrong with the path, and with the time."""
        yield from super().problems()

        if not self.path:
            example = "dt=%Y-%m-%d/tenant={field:tenant}"
            yield Problem("partitioning.path", f"is required by partitioning=pattern: a path such as {example}")

        elif len(self.path.encode("utf-8", "replace")) > MAX_PATH:
            yield Problem("partitioning.path", f"must be at most {MAX_PATH} bytes long in UTF-8")

        elif wrong := wrong_with(self.path):
            yield Problem("partitioning.path", f"{wrong}: {self.path!r}")


class PatternPartitioner(Partitioner[PatternConfig]):
    """Files records under a path of one's own pattern: `dt=2026-02-10/tenant=a`."""

    name = "pattern"
    config_class = PatternConfig

    def __init__(self, config: PatternConfig, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(config)
        times = Times(config, clock)
        self._layout = Layout(parse(config.path, times.zone), times)
        self.weakened = self._layout.weakened

    def split(self, batch: Batch) -> Sequence[tuple[str, Sequence[int]]]:
        return self._layout.split(batch)
