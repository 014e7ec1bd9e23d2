"""Batches of any records are what the same records would be, written one by one: random sequences against a dict."""

from __future__ import annotations

import itertools
import os
import random
from collections import Counter
from typing import Any

import attrs
import pytest

from integration.postgres_sink.conftest import OpenSink, Sql

DEFAULTS: dict[str, Any] = {"a": 7, "b": None, "at": None, "gone": None}
KEYS = 5
BATCHES = 60

Event = tuple[int, dict[str, Any] | None]


@attrs.frozen
class Model:
    """A table that is written one record at a time."""

    mode: str
    guarded: bool = False
    soft: bool = False
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
            self.rows[key] |= fields | self._live

    def _miss(self, key: int, fields: dict[str, Any]) -> None:
        if self.mode == "update":
            self.counts["row_missing"] += 1
        else:
            self.rows[key] = DEFAULTS | fields | self._live

    def _delete(self, key: int) -> None:
        if not self.soft:
            self.rows.pop(key, None)
        elif key in self.rows:
            self.rows[key]["gone"] = True

    def _is_older(self, new: int | None, old: int | None) -> bool:
        return self.guarded and old is not None and (new is None or new < old)

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


CASES = [
    *(("upsert", *flags) for flags in itertools.product([False, True], [None, "hard", "soft"])),
    ("update", False, None),
    ("update", True, None),
    ("insert_ignore", False, None),
]


@pytest.mark.parametrize(("mode", "guarded", "deletes"), CASES)
async def test_batches_are_written_as_if_one_by_one(
    sql: Sql, open_sink: OpenSink, mode: str, guarded: bool, deletes: str | None
):
    """In every mode, with guards, tombstones and partial records; and what is counted is counted right."""
    seed = int(os.environ.get("SEED") or random.randrange(1 << 32))
    print(f"SEED={seed}")
    rng = random.Random(seed)
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, a int DEFAULT 7, b int, at int, gone boolean)")
    sql.run("INSERT INTO orders (id, b) SELECT n, n FROM generate_series(0, 2) AS n")
    soft = deletes == "soft"
    model = Model(mode, guarded=guarded, soft=soft)
    model.rows.update({n: DEFAULTS | {"b": n} for n in range(3)})
    options: dict[str, Any] = {"guard_column": "at" if guarded else None, "delete_enabled": deletes is not None}
    sink = await open_sink(
        mode=mode, pk_mode="record_key", delete_soft_column="gone" if soft else None, skip_unchanged=soft, **options
    )

    for _ in range(BATCHES):
        made = events(rng, guarded=guarded, deletes=deletes is not None)
        await sink.write_keyed(*made)

        for key, fields in made:
            model.write(key, fields)

        rows = {id_: {"a": a, "b": b, "at": at, "gone": gone} for id_, a, b, at, gone in sql.run("TABLE orders")}
        assert rows == model.rows, made

    assert sink.counts == model.counts
