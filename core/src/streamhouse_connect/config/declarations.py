"""What `option` notes on the fields of config classes, and how an option is found by its wire key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NewType, Union, get_args, get_origin

import attrs

from streamhouse_connect.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Declaration", "Fields", "Size", "bare_type", "declared", "find", "is_prefix", "option"]

Size = NewType("Size", int)
"""A number of bytes; read from an integer or from text such as `64 MiB`."""

_REQUIRED: Final = object()


@attrs.frozen
class Declaration:
    """What `option` notes on a field."""

    key: str
    doc: str
    minimum: float | None
    maximum: float | None
    identity: bool


Fields = dict[str, tuple["attrs.Attribute[Any]", Declaration]]
"""Wire key → the field behind it."""


def option(
    key: str,
    *,
    default: Any = _REQUIRED,
    doc: str,
    minimum: float | None = None,
    maximum: float | None = None,
    identity: bool = False,
) -> Any:
    """Declare a field of a config class as the option with the wire key `key`.

    The field's type decides what is accepted: `str`, `int`, `float`, `bool`, `Literal[…]`, `tuple[str, ...]` (a comma
    list or a JSON array), `Size`, `Secret`, `SecretUrl`, or one of these `| None`. A key that ends with a dot takes in every
    key that begins with it, as a `Mapping[str, str]` of what is behind the dot. `identity` marks an option with whose value
    something else would be written under the same name, or the same under another: a change of it raises the connector's
    epoch (see `SinkContext`). A config class may have a method
    `problems() -> Iterable[Problem]` for what concerns several options; it is called once every field has been read.
    """
    metadata = {Declaration: Declaration(key, doc, minimum, maximum, identity)}

    if is_prefix(key):
        return attrs.field(factory=dict, metadata=metadata, repr=False)  # some of the values may be secret

    if default is _REQUIRED:
        return attrs.field(metadata=metadata)

    return attrs.field(default=default, metadata=metadata)


def declared(classes: Sequence[type]) -> Fields:
    """Return the fields behind the wire keys of the classes.

    :raises PluginError: if two classes declare the same key.
    """
    fields: dict[str, tuple[attrs.Attribute[Any], Declaration]] = {}
    owners: dict[str, type] = {}

    for config_class in classes:
        attrs.resolve_types(config_class)

        for field in attrs.fields(config_class):
            spec: Declaration = field.metadata[Declaration]

            if (other := _claimed(spec.key, fields)) is not None:
                message = f"option {spec.key} is declared by both {owners[other].__qualname__} and {config_class.__qualname__}"
                raise PluginError(message)

            fields[spec.key] = (field, spec)
            owners[spec.key] = config_class

    return fields


def _claimed(key: str, fields: Fields) -> str | None:
    """Return the key of the field that reads, at least in part, what a new one would; None if there is none."""
    if key in fields:
        return key

    return next(
        (o for o in fields if (is_prefix(o) and key.startswith(o)) or (is_prefix(key) and o.startswith(key))), None
    )


def find(fields: Fields, key: str) -> tuple[attrs.Attribute[Any], Declaration] | None:
    """Return the field that reads a wire key, be it by its prefix; None if there is none."""
    if key in fields:
        return None if is_prefix(key) else fields[key]

    return next((fields[prefix] for prefix in fields if is_prefix(prefix) and key.startswith(prefix)), None)


def is_prefix(key: str) -> bool:
    """Tell whether an option takes every key that begins with its own."""
    return key.endswith(".")


def bare_type(hint: Any) -> Any:
    """Return the type of an option without its `| None`."""
    if get_origin(hint) is Union or type(hint).__name__ == "UnionType":
        return next(arg for arg in get_args(hint) if arg is not type(None))

    return hint
