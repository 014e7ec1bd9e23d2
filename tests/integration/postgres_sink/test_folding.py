"""Batches of any records are what the same records would be, written one by one: random sequences against a dict."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import attrs
import pytest

from integration.postgres_sink.conftest import OpenSink, Sql
from repeats import seeded

DEFAULTS: dict[str, Any] = {"a": 7, "b": None, "at": None, "gone": None}
KEYS = 5
BATCHES = 30

Event = tuple[int, dict[str, Any] | None]


@attrs.frozen
class Model:
    """A table that is written one record at a time."""

    mode: str
    guarded: bool = False
    soft: bool = False
    missing: str = "keep"
    rows: dict[int, dict[str, Any]] = attrs.field(factory=dict)
    counts: Counter[str] = attrs.field(factory=Counter)

    def write(self, key: int, fields: dict[str, Any] | None) -> None:
        """Write a record, or delete."""
        if fields is None:
            self._delete(key)
        elif key not in self.rows:
            self._miss(key, fields)
        elif self.mode == "insert_ignore":
            self.counts["row_ignored"] += 1
        elif self._is_older(fields["at"] if self.guarded else None, self.rows[key]["at"]):
            self.counts["row_older"] += 1
        else:
            self.rows[key] = (self.rows[key] if self.missing == "keep" else self._lacking) | fields | self._live

    def _miss(self, key: int, fields: dict[str, Any]) -> None:
        if self.mode == "update":
            self.counts["row_missing"] += 1
        else:
            self.rows[key] = self._lacking | fields | self._live

    def _delete(self, key: int) -> None:
        if not self.soft:
            self.rows.pop(key, None)
        elif key in self.rows:
            self.rows[key]["gone"] = True

    def _is_older(self, new: int | None, old: int | None) -> bool:
        return self.guarded and old is not None and (new is None or new < old)

    @property
    def _lacking(self) -> dict[str, Any]:
        """What a row has of columns for which its record has no field."""
        return dict.fromkeys(DEFAULTS) if self.missing == "null" else DEFAULTS

    @property
    def _live(self) -> dict[str, Any]:
        return {"gone": False} if self.soft else {}


def events(rng: random.Random, *, guarded: bool, deletes: bool) -> list[Event]:
    """Make a batch: uniform or not, of few keys or of many."""
    names = rng.choice([["a"], ["b"], ["a", "b"], []])
    is_uniform = rng.random() < 0.3
    made: list[Event] = []

    for _ in range(rng.choice([1, 2, 5, 20])):
        key = rng.randrange(KEYS)

        if deletes and rng.random() < 0.3:
            made.append((key, None))
            continue

        chosen = names if is_uniform else [name for name in "ab" if rng.random() < 0.5]
        fields = {name: rng.choice([None, rng.randrange(100)]) for name in chosen}
        made.append((key, {**fields, **({"at": rng.choice([None, *range(6)])} if guarded else {})}))

    return made


@attrs.frozen
class Keys:
    """How the numbers that the model knows rows by are spelt as keys."""

    rng: random.Random
    is_composite: bool
    is_in_value: bool

    @classmethod
    def chosen(cls, rng: random.Random, *, deletes: bool) -> Keys:
        return cls(rng, is_composite=rng.random() < 0.5, is_in_value=not deletes and rng.random() < 0.5)

    @property
    def columns(self) -> tuple[str, ...]:
        return ("id", "region") if self.is_composite else ("id",)

    @property
    def mode(self) -> str:
        return "record_value" if self.is_in_value else "record_key"

    def record(self, key: int, fields: dict[str, Any] | None) -> tuple[Any, dict[str, Any] | None]:
        """Make a record's key and value; PostgreSQL knows the number however it is spelt."""
        spelt = {"id": self.rng.choice([key // 2, f"{key // 2}", f" {key // 2}.0"]), "region": "ab"[key % 2]}
        named = spelt if self.is_composite else {"id": self.rng.choice([key, f"{key}", f"{key}.00"])}

        if self.is_in_value and fields is not None:
            return None, {**fields, **named} if self.rng.random() < 0.5 else {**named, **fields}

        return named if self.is_composite or self.rng.random() < 0.5 else named["id"], fields

    def number(self, row: Sequence[Any]) -> int:
        """Return the number by which the model knows a row of the table."""
        id_, region = row
        return int(id_) * 2 + "ab".index(region) if self.is_composite else int(id_)


@attrs.frozen
class Case:
    """A configuration."""

    mode: str
    missing: str
    guarded: bool = False
    deletes: str | None = None


MISSING = ["keep", "default", "null"]
CASES = [
    *itertools.starmap(Case, itertools.product(["upsert"], MISSING, [False, True], [None, "hard", "soft"])),
    *itertools.starmap(Case, itertools.product(["update"], ["keep", "null"], [False, True])),
    *(Case("insert_ignore", missing) for missing in MISSING),
]


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_batches_are_written_as_if_one_by_one(sql: Sql, open_sink: OpenSink, case: Case):
    """In every mode, with guards, tombstones and partial records, and any key; and what is counted is counted right."""
    rng = seeded()
    keys = Keys.chosen(rng, deletes=case.deletes is not None)
    soft = case.deletes == "soft"
    model = Model(case.mode, guarded=case.guarded, soft=soft, missing=case.missing)
    sql.run("CREATE TABLE orders (id numeric, region text DEFAULT '', a int DEFAULT 7, b int, at int, gone boolean)")
    sql.run(f"CREATE UNIQUE INDEX ON orders ({', '.join(keys.columns)})")

    for number in range(3):
        id_, region = (number // 2, "ab"[number % 2]) if keys.is_composite else (number, "")
        sql.run("INSERT INTO orders (id, region, b) VALUES (%s, %s, %s)", id_, region, number)
        model.rows[number] = DEFAULTS | {"b": number}

    sink = await open_sink(
        mode=case.mode,
        key=keys.columns,
        pk_mode=keys.mode,
        missing_fields=case.missing,
        guard_column="at" if case.guarded else None,
        delete_enabled=case.deletes is not None,
        delete_soft_column="gone" if soft else None,
        skip_unchanged=case.mode != "insert_ignore" and rng.random() < 0.5,
    )

    for _ in range(BATCHES):
        made = events(rng, guarded=case.guarded, deletes=case.deletes is not None)
        await sink.write_keyed(*(keys.record(*event) for event in made))

        for event in made:
            model.write(*event)

        rows = {keys.number(row[:2]): dict(zip(DEFAULTS, row[2:], strict=True)) for row in sql.run("TABLE orders")}
        assert rows == model.rows, made

    assert sink.counts == model.counts
