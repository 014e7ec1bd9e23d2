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
from typing import TYPE_CHECKING, Any, Final, Literal, NewType, TypeVar, Union, cast, get_args, get_origin

import attrs
import cattrs

from streamhouse_connect import parsing
from streamhouse_connect.errors import ConfigError, PluginError, Problem
from streamhouse_connect.secrets import Secret, SecretUrl

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Fields", "Loaded", "OptionInfo", "Size", "bare_type", "declared", "describe", "load", "option"]

Size = NewType("Size", int)
"""A number of bytes; read from an integer or from text such as `64 MiB`."""

C = TypeVar("C")

_TYPE_NAMES: Final[dict[object, str]] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    Size: "size",
    Secret: "secret",
    SecretUrl: "url",
}

_REQUIRED: Final = object()


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
class Declaration:
    """What `option` notes on a field."""

    key: str
    doc: str
    minimum: float | None
    maximum: float | None


Fields = dict[str, tuple["attrs.Attribute[Any]", Declaration]]
"""Wire key → the field behind it."""


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
    metadata = {Declaration: Declaration(key, doc, minimum, maximum)}

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
        values = (
            getattr(c, a.name)
            for c in self.configs.values()
            for a in attrs.fields(cast("type[attrs.AttrsInstance]", type(c)))
        )
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
    fields = declared(classes)
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

    for key, (field, spec) in declared(classes).items():
        base = bare_type(field.type)
        default = (defaults or {}).get(key, None if field.default is attrs.NOTHING else field.default)
        infos.append(
            OptionInfo(
                key=key,
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

            if spec.key in fields:
                message = f"option {spec.key} is declared by both {owners[spec.key].__qualname__} and {config_class.__qualname__}"
                raise PluginError(message)

            fields[spec.key] = (field, spec)
            owners[spec.key] = config_class

    return fields


def _read(config_class: type, given: Mapping[str, object]) -> tuple[dict[str, object], list[Problem]]:
    values: dict[str, object] = {}
    problems = []

    for key, (field, spec) in declared([config_class]).items():
        value = given.get(key)

        if value is None or value == "":
            if field.default is attrs.NOTHING:
                problems.append(Problem(key, "is required"))

            elif value == "" and bare_type(field.type) in (str, tuple[str, ...]):
                values[field.name] = _CONVERTER.structure(value, bare_type(field.type))

            continue

        try:
            read = _CONVERTER.structure(value, bare_type(field.type))
            _check_range(read, spec)
        except ValueError as error:
            problems.append(Problem(key, str(error)))
        else:
            values[field.name] = read

    return values, problems


def _check_range(value: object, spec: Declaration) -> None:
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


def bare_type(hint: Any) -> Any:
    """Return the type of an option without its `| None`."""
    if get_origin(hint) is Union or type(hint).__name__ == "UnionType":
        return next(arg for arg in get_args(hint) if arg is not type(None))

    return hint


def _type_name(base: Any) -> str:
    if get_origin(base) is Literal:
        return "string"

    if get_origin(base) is tuple:
        return "list"

    return _TYPE_NAMES.get(base, str(base))


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter()
    converter.register_structure_hook(str, lambda value, _: parsing.text(value))
    converter.register_structure_hook(int, lambda value, _: parsing.integer(value))
    converter.register_structure_hook(float, lambda value, _: parsing.number(value))
    converter.register_structure_hook(bool, lambda value, _: parsing.boolean(value))
    converter.register_structure_hook(Secret, lambda value, _: Secret(parsing.text(value)))
    converter.register_structure_hook(SecretUrl, lambda value, _: SecretUrl(parsing.text(value)))
    converter.register_structure_hook_func(_is_size, lambda value, _: Size(parsing.size(value)))
    converter.register_structure_hook_func(_is_literal, lambda value, hint: parsing.choice(value, get_args(hint)))
    converter.register_structure_hook_func(_is_tuple, lambda value, _: parsing.items(value))
    return converter


def _is_size(hint: object) -> bool:
    return hint is Size


def _is_literal(hint: object) -> bool:
    return get_origin(hint) is Literal


def _is_tuple(hint: object) -> bool:
    return get_origin(hint) is tuple


_CONVERTER: Final = _converter()
