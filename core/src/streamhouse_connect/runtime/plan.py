"""The plan of a connector: the plugins and options that its configuration chooses, and how to make its sink. Pure."""

from __future__ import annotations

import re
import reprlib
from typing import TYPE_CHECKING, Any, Final, cast

import attrs

from streamhouse_connect.brokers import Subscription
from streamhouse_connect.config import Loaded, load
from streamhouse_connect.errors import ConfigError, NotFoundError, PluginError, Problem
from streamhouse_connect.objects import ObjectConfig, ObjectSink
from streamhouse_connect.options import ConnectorOptions
from streamhouse_connect.rotation import Rotation
from streamhouse_connect.secrets import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from streamhouse_connect.plugins import Registry
    from streamhouse_connect.sinks import Guarantee, Sink

__all__ = ["Plan", "bad_topic", "default_dead_letter_topic", "make_plan"]

_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")


@attrs.frozen
class Plan:
    """All that is needed to run a connector: its options, read, and how to make its sink."""

    sink_class: type[Sink[Any]]
    options: ConnectorOptions
    loaded: Loaded
    guarantee: Guarantee
    dead_letter_topic: str
    make_sink: Callable[[], Sink[Any]]

    @property
    def redact(self) -> Redactor:
        """What takes the secrets of the configuration out of a message."""
        return Redactor(self.loaded.secrets())

    @property
    def classes(self) -> tuple[type, ...]:
        """The config classes that the configuration was read with."""
        return tuple(self.loaded.configs)

    def subscription(self, topics: Iterable[str]) -> Subscription:
        """Return what is read, given the topics that are named; a pattern takes in no dead letters of its own connector."""
        options = self.options

        return Subscription(
            topics,
            pattern=re.compile(options.topics_regex) if options.topics_regex else None,
            excluded=frozenset({self.dead_letter_topic}),
            offset_reset=options.offset_reset,
            isolation_level=options.isolation_level,
            properties=options.consumer_override,
        )


def make_plan(name: str, connector_class: str, config: Mapping[str, object], registry: Registry) -> Plan:
    """Choose the plugins and read the options.

    :raises ConfigError: with everything that is wrong.
    """
    try:
        sink_class = registry.sink(connector_class)
    except (NotFoundError, PluginError) as error:
        raise ConfigError([_unusable("connectorClass", error)]) from error

    problems: list[Problem] = []
    parts = _object_parts(config, registry, problems) if issubclass(sink_class, ObjectSink) else ()
    shared = (ObjectConfig,) if issubclass(sink_class, ObjectSink) else ()
    classes = (sink_class.config_class, *shared, *(part.config_class for part in parts), ConnectorOptions)

    try:
        loaded = load(classes, config, defaults=_defaults(sink_class, config))
    except ConfigError as error:
        raise ConfigError([*problems, *error.problems]) from error

    options = loaded.get(ConnectorOptions)
    dead_letter_topic = options.dead_letter_topic or default_dead_letter_topic(name)

    if wrong := bad_topic(dead_letter_topic):
        problems.append(Problem("config.errors.deadletterqueue.topic.name", wrong))

    if wrong := _bad_pattern(options.topics_regex):
        problems.append(Problem("config.topics.regex", wrong))

    if problems:
        raise ConfigError(problems)

    sink_config: object = loaded.get(sink_class.config_class)

    return Plan(
        sink_class=sink_class,
        options=options,
        loaded=loaded,
        guarantee=sink_class.guarantee(sink_config),
        dead_letter_topic=dead_letter_topic,
        make_sink=lambda: _make_sink(sink_class, parts, loaded),
    )


def _make_sink(sink_class: type[Sink[Any]], parts: tuple[Any, ...], loaded: Loaded) -> Sink[Any]:
    config: object = loaded.get(sink_class.config_class)

    if not issubclass(sink_class, ObjectSink):
        return sink_class(config)

    formatter, partitioner = (part(loaded.get(part.config_class)) for part in parts)
    sink = sink_class(config, formatter=formatter, partitioner=partitioner)
    shared = loaded.get(ObjectConfig)
    sink.max_open = shared.max_open
    sink.null_values = shared.null_values
    sink.rotation = Rotation(shared.file_bytes) if shared.file_bytes else None
    return sink


def _defaults(sink_class: type[Sink[Any]], config: Mapping[str, object]) -> Mapping[str, object]:
    if issubclass(sink_class, ObjectSink) and config.get("file.bytes") not in (None, ""):
        return {**sink_class.defaults, **sink_class.rotating_defaults}

    return sink_class.defaults


def _object_parts(config: Mapping[str, object], registry: Registry, problems: list[Problem]) -> tuple[Any, ...]:
    names = {key: config.get(key) for key in ("format", "partitioning")}
    chosen = load([ObjectConfig], {key: value for key, value in names.items() if isinstance(value, str)}).get(
        ObjectConfig
    )
    parts: list[Any] = []

    for key, find, name in (
        ("format", registry.formatter, chosen.format),
        ("partitioning", registry.partitioner, chosen.partitioning),
    ):
        try:
            parts.append(cast("Any", find)(name))
        except (NotFoundError, PluginError) as error:
            problems.append(_unusable(f"config.{key}", error))

    return tuple(parts)


def _unusable(field: str, error: NotFoundError | PluginError) -> Problem:
    if isinstance(error, NotFoundError):
        return Problem(field, f"is not known: {error}")

    text, subject = str(error), f"{field.rpartition('.')[2]} "
    is_about_it = text.startswith(subject)  # as in: format "avro" needs …
    return Problem(field, text.removeprefix(subject) if is_about_it else f"can not be used: {text}")


def default_dead_letter_topic(connector: str) -> str:
    """Return where dead letters go if nothing is said about it."""
    return f"{connector}-dlq"


def bad_topic(topic: object) -> str | None:
    """Return what is wrong with the name of a topic; None if nothing is."""
    if isinstance(topic, str) and _TOPIC.fullmatch(topic) and topic not in (".", ".."):
        return None

    return f"must be 1 to 249 letters, digits, dots, underscores and hyphens, but is {reprlib.repr(topic)}"


def _bad_pattern(pattern: str | None) -> str | None:
    if pattern is None:
        return None

    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return f"must be a regular expression, but is {reprlib.repr(pattern)}: {error}"

    return None
