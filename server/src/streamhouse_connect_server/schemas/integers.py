"""Integers as wide as those who keep them can take."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta

__all__ = ["Int32", "Int64"]

Int32: TypeAlias = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Int64: TypeAlias = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
