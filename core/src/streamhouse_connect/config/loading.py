"""Reads options: all of a connector's at once, with everything that is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Literal, TypeVar, cast, get_args, get_origin

import attrs
import cattrs

from streamhouse_connect import parsing
from streamhouse_connect.config.declarations import Declaration, Size, bare_type, declared, find, is_prefix
from streamhouse_connect.config.excerpts import excerpt, unknown
from streamhouse_connect.errors import ConfigError, Problem
from streamhouse_connect.secrets import Secret, SecretUrl, secret_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["Loaded", "load"]

C = TypeVar("C")


@attrs.frozen
class Loaded:
    """The outcome of `load`: one instance a class, and what is odd but no error."""

    configs: Mapping[type, object]
    warnings: tuple[str, ...]

    def get(self, config_class: type[C]) -> C:
        """Return the instance of `config_class`."""
        return cast("C", self.configs[config_class])

    def identity(self) -> Mapping[str, object]:
        """Return the values of the options that are marked so, by wire key."""
        return {
            key: getattr(config, field.name)
            for config_class, config in self.configs.items()
            for key, (field, spec) in declared([config_class]).items()
            if spec.identity
        }

    def secrets(self) -> frozenset[Secret]:
        """Return every secret that was read."""
        values = (
            getattr(c, a.name)
            for c in self.configs.values()
            for a in attrs.fields(cast("type[attrs.AttrsInstance]", type(c)))
        )
        return frozenset(secret for value in values for secret in _secrets_in(value))


def _secrets_in(value: object) -> Iterator[Secret]:
    if isinstance(value, Secret):
        yield value

    elif isinstance(value, Mapping):
        yield from (secret for key, text in value.items() if (secret := secret_in(key, text)) is not None)


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

    not_known = [key for key in raw if find(fields, key) is None]
    return Loaded(configs, tuple(unknown(not_known, fields, prefix=prefix, what="an option of this connector")))


def _read(config_class: type, given: Mapping[str, object]) -> tuple[dict[str, object], list[Problem]]:
    values: dict[str, object] = {}
    problems = []

    for key, (field, spec) in declared([config_class]).items():
        if is_prefix(key):
            values[field.name], wrong = _read_properties(key, given)
            problems += wrong
            continue

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


def _read_properties(prefix: str, given: Mapping[str, object]) -> tuple[dict[str, str], list[Problem]]:
    values = {}
    problems = []

    for key, value in given.items():
        if not key.startswith(prefix) or key == prefix or value is None:
            continue

        try:
            values[key.removeprefix(prefix)] = parsing.property_text(value)
        except ValueError as error:
            problems.append(Problem(key, str(error)))

    return values, excerpt(problems, field=f"{prefix}*")


def _check_range(value: object, spec: Declaration) -> None:
    if not isinstance(value, int | float):
        return

    if spec.minimum is not None and value < spec.minimum:
        message = f"must be at least {spec.minimum}, but is {value}"
        raise ValueError(message)

    if spec.maximum is not None and value > spec.maximum:
        message = f"must be at most {spec.maximum}, but is {value}"
        raise ValueError(message)


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
