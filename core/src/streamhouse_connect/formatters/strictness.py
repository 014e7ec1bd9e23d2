"""Strictness: why a shape may not become another where schemas don't evolve. Pure."""

from __future__ import annotations

from streamhouse_connect.formatters.shapes import Kind, ListOf, Shape, StructOf

__all__ = ["misfit"]


def misfit(known: Shape, wider: Shape, *, path: str = "") -> str | None:
    """Return what a record that makes `known` into `wider` has against it; None if its columns stay as they are.

    A column that held nothing but nulls may take its first type, and one of integers those beyond a double.
    """
    if known is wider or known is Kind.NULL or (known is Kind.INT and wider is Kind.LONG):
        return None

    if isinstance(known, ListOf) and isinstance(wider, ListOf):
        return misfit(known.item, wider.item, path=f"{path}[]")

    if isinstance(known, StructOf) and isinstance(wider, StructOf):
        return _misfit_of_fields(known, wider, path)

    return f"its field {path} does not fit the column of {_name(known)} that is known"


def _misfit_of_fields(known: StructOf, wider: StructOf, path: str) -> str | None:
    for name, shape in wider.fields.items():
        inner = f"{path}.{name}" if path else name

        if name not in known.fields:
            return f"its field {inner} is not in the schema that is known"

        if (found := misfit(known.fields[name], shape, path=inner)) is not None:
            return found

    return None


def _name(shape: Shape) -> str:
    if isinstance(shape, Kind):
        return "int" if shape is Kind.LONG else shape.value

    return "lists" if isinstance(shape, ListOf) else "objects"
