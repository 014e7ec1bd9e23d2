"""Options: declared once as attrs fields, read from strings or JSON values, described for people.

    @attrs.frozen(kw_only=True)
    class WebhookConfig:
        url: SecretUrl = option("webhook.url", doc="Where each batch is posted.")
        retries: int = option("webhook.retries", default=3, minimum=0, doc="…")

`load` reads every problem at once; nothing else in the code base structures user input. This module alone imports
cattrs, and knows nothing of sinks.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any, Final, Literal, NewType, TypeVar, Union, cast, get_args, get_origin

import attrs
import cattrs

from streamhouse_connect.errors import ConfigError, PluginError, Problem
from streamhouse_connect.secrets import MASK, Secret, SecretUrl

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Loaded", "OptionInfo", "Size", "describe", "load", "mask", "option", "restore"]

Size = NewType("Size", int)
"""A number of bytes; read from an integer or from text such as `64 MiB`."""

C = TypeVar("C")

_REQUIRED: Final = object()
_SENSITIVE = re.compile(r"pass|secret|token|credential|key$|auth", re.IGNORECASE)
_SIZE = re.compile(r"(?P<number>\d+)\s*(?P<unit>B|KB|MB|GB|KiB|MiB|GiB)?", re.IGNORECASE)
_UNITS = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}


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


@attrs.frozen
class _Option:
    key: str
    doc: str
    minimum: float | None
    maximum: float | None


def option(
    key: str,
    *,
    default: Any = _REQUIRED,
    doc: str,
    minimum: float | None = None,
    maximum: float | None = None,
) -> Any:
    """Declare a field of a config class as the option with the wire key `key`.

    The field's type decides what is accepted: `str`, `int`, `float`, `bool`, `Literal[…]`, `tuple[str, ...]` (a comma
    list or a JSON array), `Size`, `Secret`, `SecretUrl`, or one of these `| None`. A config class may have a method
    `problems() -> Iterable[Problem]` for what concerns several options; it is called once every field has been read.
    """
    metadata = {_Option: _Option(key, doc, minimum, maximum)}

    if default is _REQUIRED:
        return attrs.field(metadata=metadata)

    return attrs.field(default=default, metadata=metadata)


@attrs.frozen
class Loaded:
    """The outcome of `load`: one instance a class, and what is odd but no error."""

    configs: Mapping[type, object]
    warnings: tuple[str, ...]

    def get(self, config_class: type[C]) -> C:
        """Return the instance of `config_class`."""
        return cast("C", self.configs[config_class])

    def secrets(self) -> frozenset[Secret]:
        """Return every secret that was read."""
        values = (getattr(c, a.name) for c in self.configs.values() for a in attrs.fields(type(c)))
        return frozenset(value for value in values if isinstance(value, Secret))


def load(
    classes: Sequence[type],
    raw: Mapping[str, object],
    *,
    defaults: Mapping[str, object] | None = None,
    prefix: str = "config.",
) -> Loaded:
    """Read `raw` (wire key → string, number, boolean or list) into one instance of each class.

    `defaults` replaces the defaults that the classes declare. Keys that no class declares give a warning.

    :raises ConfigError: with every problem; each field is named `prefix` + wire key.
    :raises PluginError: if two classes declare the same key.
    """
    given = {**(defaults or {}), **raw}
    fields = _fields(classes)
    problems: list[Problem] = []
    configs: dict[type, object] = {}

    for config_class in classes:
        values, wrong = _read(config_class, given)
        problems += [attrs.evolve(problem, field=prefix + problem.field) for problem in wrong]

        if not wrong:
            config = config_class(**values)
            configs[config_class] = config
            check = getattr(config, "problems", None)
            found: Iterable[Problem] = check() if check else ()
            problems += [attrs.evolve(problem, field=prefix + problem.field) for problem in found]

    if problems:
        raise ConfigError(problems)

    return Loaded(configs, tuple(_unknown(key, fields, prefix) for key in raw if key not in fields))


def describe(classes: Sequence[type], *, defaults: Mapping[str, object] | None = None) -> list[OptionInfo]:
    """List the options of the classes in the order in which they are declared."""
    infos = []

    for key, (field, spec) in _fields(classes).items():
        base = _without_none(field.type)
        default = (defaults or {}).get(key, None if field.default is attrs.NOTHING else field.default)
        infos.append(
            OptionInfo(
                key=key,
                type=_type_name(base),
                required=field.default is attrs.NOTHING and key not in (defaults or {}),
                default=",".join(default) if isinstance(default, tuple) else default,
                doc=spec.doc,
                choices=tuple(map(str, get_args(base))) if get_origin(base) is Literal else (),
                secret=isinstance(base, type) and issubclass(base, Secret),
            )
        )

    return infos


def mask(classes: Sequence[type], raw: Mapping[str, object]) -> dict[str, object]:
    """Return `raw` as it may be shown; unknown keys that sound secret are masked too, as they may be misspelt."""
    return {key: _shown(key, value, _fields(classes)) for key, value in raw.items()}


def restore(classes: Sequence[type], raw: Mapping[str, object], stored: Mapping[str, object]) -> dict[str, object]:
    """Put the stored secrets back where `raw`, an answer that was sent back, holds masks.

    A secret is only put back while every URL among the options keeps its scheme, user, host and port: otherwise a
    stranger could have a secret sent to a server of their own.

    :raises ConfigError: naming each key whose mask can't be replaced.
    """
    fields = _fields(classes)
    moved = [key for key in fields if _is_a(fields, key, SecretUrl) and _origin(raw, key) != _origin(stored, key)]
    restored = dict(raw)
    problems = []

    for key, value in raw.items():
        if not isinstance(value, str) or MASK not in value:
            continue

        kind = SecretUrl if _is_a(fields, key, SecretUrl) else Secret
        secret = kind(value).restored(kind(str(stored[key]))) if key in stored and not moved else None

        if secret is None or MASK in secret.reveal():
            problems.append(Problem(f"config.{key}", _why_not_restored(key, stored, moved)))
        else:
            restored[key] = stored[key] if kind is Secret and value == MASK else secret.reveal()

    if problems:
        raise ConfigError(problems)

    return restored


def _why_not_restored(key: str, stored: Mapping[str, object], moved: Sequence[str]) -> str:
    if key not in stored:
        return "is masked, but no secret is stored for it; give the secret itself"

    where = f" of {', '.join(moved)}" if moved else ""
    return f"is masked, and scheme, user, host or port{where} changed; give the secret again"


def _shown(key: str, value: object, fields: Mapping[str, tuple[attrs.Attribute[Any], _Option]]) -> object:
    if value in (None, ""):
        return value

    if key not in fields:
        if _SENSITIVE.search(key):
            return MASK

        return SecretUrl(value).masked() if isinstance(value, str) and "://" in value else value

    base = _without_none(fields[key][0].type)
    return base(str(value)).masked() if isinstance(base, type) and issubclass(base, Secret) else value


def _is_a(fields: Mapping[str, tuple[attrs.Attribute[Any], _Option]], key: str, kind: type) -> bool:
    return key in fields and _without_none(fields[key][0].type) is kind


def _origin(raw: Mapping[str, object], key: str) -> object:
    value = raw.get(key)
    return SecretUrl(str(value)).origin() if value not in (None, "") else None


def _fields(classes: Sequence[type]) -> dict[str, tuple[attrs.Attribute[Any], _Option]]:
    fields: dict[str, tuple[attrs.Attribute[Any], _Option]] = {}
    owners: dict[str, type] = {}

    for config_class in classes:
        attrs.resolve_types(config_class)

        for field in attrs.fields(config_class):
            spec: _Option = field.metadata[_Option]

            if spec.key in fields:
                message = f"option {spec.key} is declared by both {owners[spec.key].__qualname__} and {config_class.__qualname__}"
                raise PluginError(message)

            fields[spec.key] = (field, spec)
            owners[spec.key] = config_class

    return fields


def _read(config_class: type, given: Mapping[str, object]) -> tuple[dict[str, object], list[Problem]]:
    values: dict[str, object] = {}
    problems = []

    for key, (field, spec) in _fields([config_class]).items():
        value = given.get(key)

        if value is None or value == "":
            if field.default is attrs.NOTHING:
                problems.append(Problem(key, "is required"))

            elif value == "" and _without_none(field.type) in (str, tuple[str, ...]):
                values[field.name] = _CONVERTER.structure(value, _without_none(field.type))

            continue

        try:
            read = _CONVERTER.structure(value, _without_none(field.type))
            _check_range(read, spec)
        except ValueError as error:
            problems.append(Problem(key, str(error)))
        else:
            values[field.name] = read

    return values, problems


def _check_range(value: object, spec: _Option) -> None:
    if not isinstance(value, int | float):
        return

    if spec.minimum is not None and value < spec.minimum:
        message = f"must be at least {spec.minimum}, but is {value}"
        raise ValueError(message)

    if spec.maximum is not None and value > spec.maximum:
        message = f"must be at most {spec.maximum}, but is {value}"
        raise ValueError(message)


def _unknown(key: str, fields: Mapping[str, object], prefix: str) -> str:
    near = difflib.get_close_matches(key, fields, n=1)
    hint = f"did you mean {near[0]}?" if near else "it has no effect"
    return f"{prefix}{key} is not an option of this connector; {hint}"


def _without_none(hint: Any) -> Any:
    if get_origin(hint) is Union or type(hint).__name__ == "UnionType":
        return next(arg for arg in get_args(hint) if arg is not type(None))

    return hint


def _type_name(base: Any) -> str:
    if get_origin(base) is Literal:
        return "string"

    if get_origin(base) is tuple:
        return "list"

    names = {str: "string", int: "integer", float: "number", bool: "boolean", Size: "size", Secret: "secret"}
    return names.get(base, "url" if base is SecretUrl else str(base))


def _text(value: object, _: object = None) -> str:
    if isinstance(value, bool):
        return str(value).lower()

    if isinstance(value, str | int | float):
        return str(value)

    message = f"must be text, but is {_kind(value)}"
    raise ValueError(message)


def _integer(value: object, _: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value

    if isinstance(value, float) and value.is_integer():
        return int(value)

    text = value.strip() if isinstance(value, str) else ""

    if re.fullmatch(r"[+-]?[0-9]{1,30}", text):
        return int(text)

    message = f"must be an integer, but is {value!r}"
    raise ValueError(message)


def _number(value: object, _: object) -> float:
    try:
        return float(cast("str", value)) if not isinstance(value, bool) else _fail_number(value)
    except (TypeError, ValueError):
        return _fail_number(value)


def _fail_number(value: object) -> float:
    message = f"must be a number, but is {value!r}"
    raise ValueError(message)


def _boolean(value: object, _: object) -> bool:
    known = {"true": True, "false": False}
    text = _text(value).strip().lower() if isinstance(value, str | bool) else ""

    if text in known:
        return known[text]

    message = f"must be true or false, but is {value!r}"
    raise ValueError(message)


def _size(value: object) -> Size:
    match = _SIZE.fullmatch(_text(value).strip())

    if match:
        return Size(int(match["number"]) * _UNITS[(match["unit"] or "B").lower()])

    message = f"must be a size in bytes such as 5242880 or 5 MiB, but is {value!r}"
    raise ValueError(message)


def _choice(value: object, hint: Any) -> str:
    choices = get_args(hint)

    if _text(value) in choices:
        return _text(value)

    near = difflib.get_close_matches(_text(value), choices, n=1)
    message = f"must be one of {', '.join(choices)}, but is {value!r}" + (f"; did you mean {near[0]}?" if near else "")
    raise ValueError(message)


def _list(value: object, _: object) -> tuple[str, ...]:
    parts = value if isinstance(value, list) else _text(value).split(",")
    return tuple(text for text in (_text(part).strip() for part in parts) if text)


def _kind(value: object) -> str:
    return {dict: "an object", list: "a list"}.get(type(value), repr(value))


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter()
    converter.register_structure_hook(str, _text)
    converter.register_structure_hook(int, _integer)
    converter.register_structure_hook(float, _number)
    converter.register_structure_hook(bool, _boolean)
    converter.register_structure_hook(Secret, lambda value, _: Secret(_text(value)))
    converter.register_structure_hook(SecretUrl, lambda value, _: SecretUrl(_text(value)))
    converter.register_structure_hook_func(lambda hint: hint is Size, lambda value, _: _size(value))
    converter.register_structure_hook_func(lambda hint: get_origin(hint) is Literal, _choice)
    converter.register_structure_hook_func(lambda hint: get_origin(hint) is tuple, _list)
    return converter


_CONVERTER: Final = _converter()
