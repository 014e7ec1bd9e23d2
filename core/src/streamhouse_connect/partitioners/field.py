"""The partitioner by fields of the value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from streamhouse_connect.config import option
from streamhouse_connect.errors import Problem
from streamhouse_connect.partitioners.fields import wrong_with_name
from streamhouse_connect.partitioners.interface import Partitioner
from streamhouse_connect.partitioners.layouts import MAX_PATH, FieldPart, Layout
from streamhouse_connect.partitioners.segments import encoded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from streamhouse_connect.records import Batch

__all__ = ["FieldConfig", "FieldPartitioner"]


@attrs.frozen(kw_only=True)
class FieldConfig:
    """Which fields."""

    fields: tuple[str, ...] = option(
        "partitioning.fields",
        default=(),
        identity=True,
        doc="For field: the fields at the top of the value that records are filed by, separated by commas: tenant,region "
        "gives tenant=a/region=b.",
    )

    def problems(self) -> Iterator[Problem]:
        """Find what is wrong with the list."""
        if not self.fields:
            yield Problem(
                "partitioning.fields", "is required by partitioning=field: names of fields, such as tenant,region"
            )

        elif len(set(self.fields)) < len(self.fields):
            twice = next(name for name in self.fields if self.fields.count(name) > 1)
            yield Problem("partitioning.fields", f"names {twice[:80]!r} a second time; leave it out")

        elif wrong := next(filter(None, map(wrong_with_name, self.fields)), None):
            yield Problem("partitioning.fields", wrong)

        elif (size := sum(len(encoded(name).encode()) + 2 for name in self.fields)) > MAX_PATH:
            yield Problem("partitioning.fields", f"makes paths of {size} bytes; a path may be {MAX_PATH} at most")


class FieldPartitioner(Partitioner[FieldConfig]):
    """Files records by fields of their values: `tenant=a/region=b`."""

    name = "field"
    config_class = FieldConfig

    def __init__(self, config: FieldConfig) -> None:
        super().__init__(config)
        parts: list[str | FieldPart] = []

        for number, name in enumerate(config.fields):
            parts += [f"{'/' if number else ''}{encoded(name)}=", FieldPart(name)]

        self._layout = Layout(parts)

    def split(self, batch: Batch) -> Sequence[tuple[str, Sequence[int]]]:
        return self._layout.split(batch)
