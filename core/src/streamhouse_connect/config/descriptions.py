"""Options as people read of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, get_args, get_origin

import attrs

from streamhouse_connect.config.declarations import Size, bare_type, declared, is_prefix
from streamhouse_connect.secrets import Secret, SecretUrl

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["OptionInfo", "describe"]

_TYPE_NAMES: Final[dict[object, str]] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    Size: "size",
    Secret: "secret",
    SecretUrl: "url",
}


@attrs.frozen
class OptionInfo:
    """What a user has to know about one option. `default` is in wire form; None where there is none."""

    key: str
    type: str
    required: bool
    default: object
    doc: str
    choices: tuple[str, ...] = ()
    secret: bool = False


def describe(classes: Sequence[type], *, defaults: Mapping[str, object] | None = None) -> list[OptionInfo]:
    """List the options of the classes in the order in which they are declared."""
    infos = []

    for key, (field, spec) in declared(classes).items():
        base = bare_type(field.type)
        otherwise = None if field.default is attrs.NOTHING or is_prefix(key) else field.default
        default = (defaults or {}).get(key, otherwise)
        infos.append(
            OptionInfo(
                key=f"{key}*" if is_prefix(key) else key,
                type=_type_name(base),
                required=field.default is attrs.NOTHING and key not in (defaults or {}),
                default=_wire(default),
                doc=spec.doc,
                choices=tuple(map(str, get_args(base))) if get_origin(base) is Literal else (),
                secret=isinstance(base, type) and issubclass(base, Secret),
            )
        )

    return infos


def _wire(default: object) -> object:
    if isinstance(default, tuple):
        return ",".join(default)

    return default.masked() if isinstance(default, Secret) else default


def _type_name(base: Any) -> str:
    if get_origin(base) is Literal:
        return "string"

    if get_origin(base) is tuple:
        return "list"

    if get_origin(base) is Mapping:
        return "properties"

    return _TYPE_NAMES.get(base, str(base))
