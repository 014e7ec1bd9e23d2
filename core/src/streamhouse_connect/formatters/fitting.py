"""Fitting: what has to be done to a value before a column of its shape holds it. Pure; knows nothing of Arrow or Avro."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from streamhouse_connect.formatters.shapes import EXACT, Kind, ListOf, StructOf

if TYPE_CHECKING:
    from streamhouse_connect.formatters.shapes import Shape

__all__ = ["fitter", "inexact"]


Fit = Callable[[object], object]


def fitter(shape: Shape, rename: Callable[[str], str] = str, *, moment: Fit | None = None) -> Fit | None:
    """Return a function that turns a value into what a column of this shape holds; None if every value is that already.

    `rename` gives the columns' names, `moment` the values of timestamps. Values that are not of the shape are left for the
    writer to stumble upon.
    """
    if shape is Kind.TEXT:
        return _text

    if shape is Kind.TIMESTAMP:
        return moment

    if isinstance(shape, ListOf):
        return _list_fitter(shape, rename, moment)

    return _struct_fitter(shape, rename, moment) if isinstance(shape, StructOf) else None


def _list_fitter(shape: ListOf, rename: Callable[[str], str], moment: Fit | None) -> Fit | None:
    fit = fitter(shape.item, rename, moment=moment)

    if fit is None:
        return None

    return lambda value: [None if i is None else fit(i) for i in value] if isinstance(value, list) else value


def _struct_fitter(shape: StructOf, rename: Callable[[str], str], moment: Fit | None) -> Fit | None:
    fits = {name: (rename(name), fitter(field, rename, moment=moment)) for name, field in shape.fields.items()}

    if all(fit is None and name == renamed for name, (renamed, fit) in fits.items()):
        return None

    def fit_struct(value: object) -> object:
        if not isinstance(value, dict):
            return value

        fitted = {}

        for name, item in value.items():
            renamed, fit = fits.get(name) or (name, None)
            fitted[renamed] = item if fit is None or item is None else fit(item)

        return fitted

    return fit_struct


def _text(value: object) -> object:
    return value if value is None or isinstance(value, str) else msgspec.json.encode(value).decode()


def inexact(shape: Shape) -> Callable[[object], bool] | None:
    """Return a function that tells whether a value has an integer that a double of this shape would round.

    None where there are no doubles.
    """
    if shape is Kind.DOUBLE:
        return lambda value: isinstance(value, int) and not -EXACT <= value <= EXACT

    if isinstance(shape, ListOf):
        check = inexact(shape.item)
        return None if check is None else lambda value: isinstance(value, list) and any(map(check, value))

    if isinstance(shape, StructOf):
        checks = [(name, check) for name, field in shape.fields.items() if (check := inexact(field))]
        return _any_field(checks) if checks else None

    return None


def _any_field(checks: list[tuple[str, Callable[[object], bool]]]) -> Callable[[object], bool]:
    def any_field(value: object) -> bool:
        return isinstance(value, dict) and any(check(value.get(name)) for name, check in checks)

    return any_field
