"""How records become rows: which statement a mode means, by which key, and what the table has to offer for it.

    insert          every record is a row
    insert_ignore   the same, unless there is a row with its key
    upsert          the same, or an update of the row with its key
    update          only an update

Knows nothing of options, SQL text or records.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["InsertMode", "Mode"]

InsertMode = Literal["upsert", "insert", "insert_ignore", "update"]


@attrs.frozen(kw_only=True)
class Mode:
    """How records become rows of one table."""

    insert: InsertMode
    key: tuple[str, ...] = ()
    """The columns that tell rows apart; none where it does not matter."""
    key_fields: tuple[str, ...] = ()
    """The fields that every record must have as its key: those of `key`, if there are any."""
    guard: str | None = None
    """The column whose value never becomes less by an update."""
    skip_unchanged: bool = False
    """A row that has the very values already is left alone."""
    deletes: bool = False
    """Records without a value delete."""
    soft_column: str | None = None
    """The column that says that a row is deleted; without one the row goes."""
    is_partial: bool = True
    """A field that a record lacks keeps what a row has; else the column gets its default."""

    @property
    def updates(self) -> bool:
        """Whether rows that are there may be changed."""
        return self.insert in ("upsert", "update")

    @property
    def is_staged(self) -> bool:
        """Whether records have to be somewhere before they become rows."""
        return self.insert != "insert"

    @property
    def needs_index(self) -> bool:
        """Whether there has to be a unique index on exactly the key."""
        return bool(self.key) and (self.insert != "update" or self.guard is not None)

    @property
    def required(self) -> tuple[str, ...]:
        """The fields that every record must have."""
        return (*self.key_fields, *((self.guard,) if self.guard else ()))

    @property
    def columns(self) -> Mapping[str, tuple[str, ...]]:
        """The columns that the table must have, by the options that name them."""
        return {
            "pk.fields": self.key_fields,
            "upsert.guard.column": (self.guard,) if self.guard else (),
            "delete.soft.column": (self.soft_column,) if self.soft_column else (),
        }

    @property
    def privileges(self) -> tuple[str, ...]:
        """What the user has to be allowed."""
        match self.insert:
            case "insert":
                return ("INSERT",)
            case "insert_ignore":
                return ("INSERT", "SELECT") if self.key else ("INSERT",)
            case "update":
                return ("UPDATE", "SELECT")
            case "upsert":
                hard = self.deletes and not self.soft_column
                return ("INSERT", "UPDATE", "SELECT", *(("DELETE",) if hard else ()))
