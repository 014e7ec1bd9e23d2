"""The options that are about tables: which ones, how they come about and grow, and which fields go to which columns."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal

import attrs

from streamhouse_connect import Problem, option
from streamhouse_postgres_sink._names import InvalidName, TablePattern, parse_table_name, trouble_with
from streamhouse_postgres_sink._offset_statements import NAME as OFFSETS

__all__ = ["COLUMN", "METADATA", "TableConfig", "pairs"]

METADATA: Final[Mapping[str, str]] = {
    "topic": "text",
    "partition": "integer",
    "offset": "bigint",
    "timestamp": "timestamptz",
    "ingested_at": "timestamptz",
}
"""What is known of a record beside its value, and the types of columns for it."""

COLUMN: Final = "column:"
_METADATA_PREFIX: Final = "__connect_"
_UNKNOWN: Final = ("ignore", "fail", "evolve")
_MAX_COLUMNS: Final = 1600
"""PostgreSQL's MaxHeapAttributeNumber."""
_OUTSIDE_PARENTHESES: Final = re.compile(r",(?![^(]*\))")
_TYPE: Final = re.compile(
    r"(?:double precision|(?:character|bit) varying|[a-z_]\w*(?:\.[a-z_]\w*)?)"
    r"(?:\(\d+(?:, ?-?\d+)?\))?(?: with(?:out)? time zone)?(?:\[\])*",
    re.ASCII | re.IGNORECASE,
)
"""Goes into statements as it is, and holds nothing that could be more than a type."""


@attrs.frozen(kw_only=True)
class TableConfig:
    """Which tables the rows go to, and which columns."""

    table_name: str = option(
        "table.name",
        doc='The table, read as SQL reads it: orders, sales.orders, "Sales 1"."T". What is not quoted is folded to '
        "lower case. {topic} stands for the topic, letter by letter: sales.raw_{topic}. Columns are filled from the fields of "
        "the same name.",
    )
    auto_create: bool = option(
        "auto.create",
        default=False,
        doc="Make a table that does not exist, with columns for the fields of its first batch; pk.fields becomes the primary key.",
    )
    auto_evolve: Literal["none", "add", "widen"] = option(
        "auto.evolve",
        default="none",
        doc="add: fields that have no column get one. widen: besides, columns are made wider for values that do not fit: smallint "
        "to integer to bigint to numeric, varchar to text, NOT NULL to nullable. Nothing ever becomes narrower.",
    )
    columns_types: str = option(
        "columns.types",
        default="",
        doc="Types for columns that are made, in place of those that the values suggest: amount:numeric(38,18),at:timestamptz.",
    )
    max_columns: int = option(
        "max.columns",
        default=200,
        minimum=1,
        maximum=_MAX_COLUMNS,
        doc="No table is given more columns than this; a record that needs more is rejected.",
    )
    fields_include: tuple[str, ...] = option(
        "fields.include", default=(), doc="The fields of the value that are written; default: all."
    )
    fields_exclude: tuple[str, ...] = option(
        "fields.exclude", default=(), doc="Fields of the value that are not written."
    )
    fields_rename: tuple[str, ...] = option(
        "fields.rename",
        default=(),
        doc="Columns of other names than their fields, as field:column pairs. All other options name the columns.",
    )
    unknown_fields: str | None = option(
        "unknown.fields",
        default=None,
        doc="What becomes of fields that have no column: they are left out and counted (ignore), the record is rejected (fail), "
        "they get a column (evolve), or all of them go to one column of type jsonb (column:NAME). Default: evolve with "
        "auto.evolve=add or widen, else ignore.",
    )
    missing_fields: Literal["keep", "default", "null"] = option(
        "missing.fields",
        default="keep",
        doc="What becomes of columns for which a record has no field. A row that is inserted gets their defaults. One that is updated "
        "keeps what it has (keep), or gets the defaults as well (default). null: they become null in both, if they may be.",
    )
    metadata_columns: tuple[str, ...] = option(
        "metadata.columns",
        default=(),
        doc="What else is written of a record: topic, partition, offset, timestamp, ingested_at, to columns called "
        "__connect_topic and so on, or as named: offset:source_offset.",
    )

    @property
    def tables(self) -> TablePattern:
        """The tables; only once there are no problems, as all of these."""
        return TablePattern(parse_table_name(self.table_name))

    @property
    def adds_columns(self) -> bool:
        """Whether fields without a column get one."""
        return self.auto_evolve != "none" and self.unknown_fields in (None, "evolve")

    @property
    def widens_columns(self) -> bool:
        """Whether columns are made wider."""
        return self.auto_evolve == "widen"

    @property
    def unknown_column(self) -> str | None:
        """The column that all unknown fields go to."""
        unknown = self.unknown_fields or ""
        return unknown.removeprefix(COLUMN) if unknown.startswith(COLUMN) else None

    @property
    def renames(self) -> Mapping[str, str]:
        """Field → column, where they differ."""
        return dict(pairs(self.fields_rename))

    @property
    def maps_fields(self) -> bool:
        """Whether anything but the fields as they are is written."""
        return bool(self.fields_include or self.fields_exclude or self.fields_rename)

    @property
    def metadata(self) -> Mapping[str, str]:
        """What is written of a record beside its value → column."""
        return {name: column or _METADATA_PREFIX + name for name, column in pairs(self.metadata_columns)}

    @property
    def declared_types(self) -> Mapping[str, str]:
        """Column → type, as far as the types of columns to make are given."""
        return dict(pairs(_listed(self.columns_types)))

    def table_problems(
        self, *, taken: Collection[str], value_key: Sequence[str], guard: str | None
    ) -> Iterator[Problem]:
        """Yield what is wrong beyond the type of single options.

        `taken` are columns that other options fill, `value_key` those of the key that are filled from the value. `guard` is
        filled from it unless something else does.
        """
        try:
            if parse_table_name(self.table_name).name == OFFSETS:
                yield Problem("table.name", f"{OFFSETS} is where offsets are kept; choose another table")
        except InvalidName as error:
            yield from (Problem("table.name", reason) for reason in error.reasons)

        yield from self._unknown_problems()
        yield from self._pair_problems()
        for name, column in self.metadata.items():
            if name not in METADATA:
                yield Problem("metadata.columns", f"knows no {name}; there are {', '.join(METADATA)}")

            if column in taken or column in value_key or column == self.unknown_column:
                yield Problem("metadata.columns", f"{column} has another use: name a column of its own")

        yield from self._unfilled("pk.fields", value_key)

        if guard is not None and guard not in (*value_key, *taken, *self.metadata.values()):
            yield from self._unfilled("upsert.guard.column", [guard])

    def _unfilled(self, option: str, columns: Iterable[str]) -> Iterator[Problem]:
        for name in columns:
            sources = {field for field, column in self.renames.items() if column == name} or {
                name
            } - self.renames.keys()

            if not sources & set(self.fields_include or sources) - set(self.fields_exclude):
                yield Problem(
                    option, f"{name} is written by no field: see fields.include, fields.exclude, fields.rename"
                )

    def _unknown_problems(self) -> Iterator[Problem]:
        unknown = self.unknown_fields

        if unknown == "evolve" and self.auto_evolve == "none":
            yield Problem("unknown.fields", "evolve needs auto.evolve=add or widen")
        elif self.auto_evolve == "add" and not self.adds_columns:
            yield Problem("auto.evolve", f"add has no effect with unknown.fields={unknown}; leave one of them out")

        if self.unknown_column is not None:
            if reason := trouble_with(self.unknown_column):
                yield Problem("unknown.fields", reason)
        elif unknown is not None and unknown not in _UNKNOWN:
            yield Problem("unknown.fields", f"must be {', '.join(_UNKNOWN)} or column:NAME, not {unknown!r}")

    def _pair_problems(self) -> Iterator[Problem]:
        lists = {
            "fields.rename": self.fields_rename,
            "metadata.columns": self.metadata_columns,
            "columns.types": _listed(self.columns_types),
        }

        for key, entries in lists.items():
            found = list(pairs(entries))
            yield from (
                Problem(key, f"{entry!r} must be a pair: name:{'type' if key == 'columns.types' else 'column'}")
                for entry, (_, second) in zip(entries, found, strict=True)
                if not second and (":" in entry or key != "metadata.columns")
            )
            yield from (Problem(key, f"names {name} twice") for name in _repeated(first for first, _ in found))

            if key != "columns.types":
                seconds = [second for _, second in found if second]
                yield from (Problem(key, reason) for second in seconds if (reason := trouble_with(second)))
                yield from (Problem(key, f"fills column {name} twice") for name in _repeated(seconds))

        for name, type_ in self.declared_types.items():
            if type_ and not _TYPE.fullmatch(type_):
                yield Problem(
                    "columns.types", f"{type_!r} is not the name of a type ({name}); for others make the table yourself"
                )


def pairs(entries: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Split `first:second`; the second is empty if there is none. The last colon counts: a type or column seldom has one."""
    for entry in entries:
        first, colon, second = entry.rpartition(":")
        yield (first.strip(), second.strip()) if colon else (entry.strip(), "")


def _listed(text: str) -> list[str]:
    return [entry.strip() for entry in _OUTSIDE_PARENTHESES.split(text) if entry.strip()]


def _repeated(names: Iterable[str]) -> list[str]:
    listed = list(names)
    return [name for name in dict.fromkeys(listed) if listed.count(name) > 1]
