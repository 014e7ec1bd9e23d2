"""From what a user wrote to what can run: the body of a connector, checked as a whole, and the plan it makes. Pure."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any, Final, cast

import attrs

from streamhouse_connect.config import Loaded, load
from streamhouse_connect.definitions import TargetState
from streamhouse_connect.errors import ConfigError, NotFoundError, PluginError, Problem
from streamhouse_connect.objects import ObjectConfig, ObjectSink
from streamhouse_connect.options import ConnectorOptions
from streamhouse_connect.secrets import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from streamhouse_connect.plugins import Registry
    from streamhouse_connect.sinks import Guarantee, Sink

__all__ = ["ConnectorSpec", "Plan", "make_plan", "parse_body"]

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")
_FIELDS: Final = ("name", "connectorType", "connectorClass", "topics", "config", "initialState", "uid")
_ANSWERED: Final = frozenset(
    {"state", "targetState", "errorMessage", "recordsProcessed", "createdAt", "updatedAt", "status", "warnings"}
)


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


@attrs.frozen(kw_only=True)
class ConnectorSpec:
    """What the body of a request asks for, in canonical form."""

    name: str
    connector_class: str
    topics: tuple[str, ...]
    config: Mapping[str, object] = attrs.field(repr=False)
    target: TargetState
    uid: str | None
    plan: Plan
    warnings: tuple[str, ...]


def parse_body(body: Mapping[str, object], registry: Registry) -> ConnectorSpec:
    """Read the body of a create or update request.

    :raises ConfigError: with everything that is wrong with it, options included.
    """
    problems: list[Problem] = []
    name = _name(body.get("name"), problems)
    topics = _topics(body.get("topics"), problems)
    target = _target(body.get("initialState"), problems)
    uid = _uid(body.get("uid"), problems)
    config = _config(body.get("config"), problems)
    plan = None

    if body.get("connectorType", "sink") != "sink":
        problems.append(Problem("connectorType", f"must be sink, but is {body['connectorType']!r}"))

    try:
        plan = make_plan(name, _class_name(body.get("connectorClass")), config, registry)
    except ConfigError as error:
        problems += error.problems

    if plan and plan.dead_letter_topic in topics:
        problems.append(Problem("topics", f"must not hold the connector's dead letter topic {plan.dead_letter_topic}"))

    if problems or plan is None:
        raise ConfigError(problems)

    return ConnectorSpec(
        name=name,
        connector_class=plan.sink_class.name,
        topics=topics,
        config=config,
        target=target,
        uid=uid,
        plan=plan,
        warnings=(*_unknown_fields(body), *plan.loaded.warnings),
    )


def make_plan(name: str, connector_class: str, config: Mapping[str, object], registry: Registry) -> Plan:
    """Choose the plugins and read the options.

    :raises ConfigError: with everything that is wrong.
    """
    try:
        sink_class = registry.sink(connector_class)
    except (NotFoundError, PluginError) as error:
        raise ConfigError([Problem("connectorClass", str(error))]) from error

    problems: list[Problem] = []
    parts = _object_parts(config, registry, problems) if issubclass(sink_class, ObjectSink) else ()
    shared = (ObjectConfig,) if issubclass(sink_class, ObjectSink) else ()
    classes = (sink_class.config_class, *shared, *(part.config_class for part in parts), ConnectorOptions)

    try:
        loaded = load(classes, config, defaults=sink_class.defaults)
    except ConfigError as error:
        raise ConfigError([*problems, *error.problems]) from error

    options = loaded.get(ConnectorOptions)
    dead_letter_topic = options.dead_letter_topic or f"{name}-dlq"

    if not _TOPIC.fullmatch(dead_letter_topic):
        problems.append(Problem("config.errors.deadletterqueue.topic.name", _bad_topic(dead_letter_topic)))

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
    return sink_class(config, formatter=formatter, partitioner=partitioner)


def _object_parts(config: Mapping[str, object], registry: Registry, problems: list[Problem]) -> tuple[Any, ...]:
    names = {key: config.get(key) for key in ("format", "partitioning")}
    chosen = load([ObjectConfig], {key: value for key, value in names.items() if isinstance(value, str)}).get(ObjectConfig)
    parts: list[Any] = []

    for key, find, name in (
        ("format", registry.formatter, chosen.format),
        ("partitioning", registry.partitioner, chosen.partitioning),
    ):
        try:
            parts.append(cast("Any", find)(name))
        except (NotFoundError, PluginError) as error:
            problems.append(Problem(f"config.{key}", str(error)))

    return tuple(parts)


def _name(value: object, problems: list[Problem]) -> str:
    if isinstance(value, str) and _NAME.fullmatch(value):
        return value

    rule = "must be 1 to 200 letters, digits, dots, underscores and hyphens, and begin with a letter or digit"
    problems.append(Problem("name", "is required" if value in (None, "") else f"{rule}, but is {_short(value)}"))
    return "unnamed"


def _class_name(value: object) -> str:
    if isinstance(value, str) and value:
        return value

    what = "is required" if value in (None, "") else f"must be text, but is {_short(value)}"
    raise ConfigError([Problem("connectorClass", what)])


def _topics(value: object, problems: list[Problem]) -> tuple[str, ...]:
    if value is None or value == []:
        problems.append(Problem("topics", "is required: a list of at least one topic"))
        return ()

    if not isinstance(value, list | tuple):
        problems.append(Problem("topics", f"must be a list of topic names, but is {_short(value)}"))
        return ()

    for index, topic in enumerate(value):
        if not isinstance(topic, str) or not _TOPIC.fullmatch(topic) or topic in (".", ".."):
            problems.append(Problem(f"topics[{index}]", _bad_topic(topic)))

        elif topic in value[:index]:
            problems.append(Problem(f"topics[{index}]", f"names {topic} a second time"))

    return tuple(str(topic) for topic in value)


def _target(value: object, problems: list[Problem]) -> TargetState:
    if value is None:
        return TargetState.RUNNING

    try:
        return TargetState(str(value).lower())
    except ValueError:
        problems.append(Problem("initialState", f"must be running, paused or stopped, but is {_short(value)}"))
        return TargetState.RUNNING


def _uid(value: object, problems: list[Problem]) -> str | None:
    if value is None or (isinstance(value, str) and _NAME.fullmatch(value)):
        return value

    problems.append(Problem("uid", f"must be 1 to 200 letters, digits, dots and hyphens, but is {_short(value)}"))
    return None


def _config(value: object, problems: list[Problem]) -> dict[str, object]:
    if value is None:
        return {}

    if not isinstance(value, dict):
        problems.append(Problem("config", f"must be an object, but is {_short(value)}"))
        return {}

    return {str(key): option for key, option in value.items() if option is not None}


def _unknown_fields(body: Mapping[str, object]) -> list[str]:
    warnings = []

    for key in body:
        if key not in _FIELDS and key not in _ANSWERED:
            near = difflib.get_close_matches(key, _FIELDS, n=1)
            warnings.append(f"{key} is not a field of a connector; " + (f"did you mean {near[0]}?" if near else "ignored"))

    return warnings


def _bad_topic(topic: object) -> str:
    return f"must be 1 to 249 letters, digits, dots, underscores and hyphens, but is {_short(topic)}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."  # noqa: PLR2004 - a line of a terminal
