"""The partitioner that does not partition."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamhouse_connect.partitioners.interface import Partitioner, PlainConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamhouse_connect.records import Batch

__all__ = ["NonePartitioner"]


class NonePartitioner(Partitioner[PlainConfig]):
    """Files every record directly under its topic."""

    name = "none"
    config_class = PlainConfig

    def split(self, batch: Batch) -> Sequence[tuple[str, Sequence[int]]]:
        return [("", range(len(batch)))] if len(batch) else []
