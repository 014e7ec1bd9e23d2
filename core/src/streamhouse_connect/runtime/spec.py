"""What the body of a create or update request asks for, checked as a whole. Pure."""

from __future__ import annotations

import re
import reprlib
from typing import TYPE_CHECKING, Final

import attrs

from streamhouse_connect.config import excerpt, unknown
from streamhouse_connect.definitions import TargetState
from streamhouse_connect.errors import ConfigError, Problem
from streamhouse_connect.masking import restore
from streamhouse_connect.runtime.plan import Plan, bad_topic, make_plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from streamhouse_connect.definitions import Definition
    from streamhouse_connect.plugins import Registry

__all__ = ["ConnectorSpec", "parse_body", "parse_update"]

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_MAX_TOPICS: Final = 10_000
_FIELDS: Final = ("name", "connectorType", "connectorClass", "topics", "config", "initialState", "uid")
_ANSWERED: Final = frozenset(
    {"state", "targetState", "errorMessage", "recordsProcessed", "createdAt", "updatedAt", "status", "warnings"}
)


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
    wrong_config: list[Problem] = []
    config = _config(body.get("config"), wrong_config)
    topics = _topics(body.get("topics"), problems, pattern=config.get("topics.regex"))
    target = _target(body.get("initialState"), problems)
    uid = _uid(body.get("uid"), problems)
    problems += wrong_config
    plan = None

    if body.get("connectorType", "sink") != "sink":
        problems.append(Problem("connectorType", f"must be sink, but is {reprlib.repr(body['connectorType'])}"))

    try:
        plan = make_plan(name, _class_name(body.get("connectorClass")), config, registry)
    except ConfigError as error:
        problems += error.problems

    if plan and plan.dead_letter_topic in topics:
        problems.append(Problem("topics", f"must not hold the connector's dead letter topic {plan.dead_letter_topic}"))

    if problems or plan is None:
        raise ConfigError(problems)

    unheard_of = [key for key in body if key not in _FIELDS and key not in _ANSWERED]

    return ConnectorSpec(
        name=name,
        connector_class=plan.sink_class.name,
        topics=topics,
        config=config,
        target=target,
        uid=uid,
        plan=plan,
        warnings=(*unknown(unheard_of, _FIELDS, what="a field of a connector"), *plan.loaded.warnings),
    )


def parse_update(
    definition: Definition, plan: Plan | None, body: Mapping[str, object], registry: Registry
) -> ConnectorSpec:
    """Read the body of an update of `definition`, whose present configuration was read with `plan`.

    Masked secrets are filled in from the definition; name and class may be left out, not changed.

    :raises ConfigError: with everything that is wrong with it.
    """
    config = body.get("config")
    problems: list[Problem] = []

    if isinstance(config, dict):
        try:
            config = restore(plan.classes if plan else (), config, definition.config)
        except ConfigError as error:
            problems += error.problems

    given = {"name": definition.name, "connectorClass": definition.connector_class, **body, "config": config}

    try:
        spec = parse_body(given, registry)
    except ConfigError as error:
        raise ConfigError([*problems, *error.problems]) from error

    for field, is_now, was in (
        ("name", spec.name, definition.name),
        ("connectorClass", spec.connector_class, definition.connector_class),
    ):
        if is_now != was:
            problems.append(Problem(field, f"can't be changed from {was} to {is_now}; make a new connector"))

    if problems:
        raise ConfigError(problems)

    return attrs.evolve(spec, warnings=(*_without_effect(spec, definition, body), *spec.warnings))


def _without_effect(spec: ConnectorSpec, definition: Definition, body: Mapping[str, object]) -> Iterator[str]:
    """Say what of an update is for new connectors only."""
    if body.get("initialState") is not None:
        yield "initialState has no effect on a connector that exists; pause, stop or resume it"

    if spec.uid not in (None, definition.uid):
        yield "uid has no effect on a connector that exists; it keeps the one that it was made with"


def _name(value: object, problems: list[Problem]) -> str:
    if isinstance(value, str) and _NAME.fullmatch(value):
        return value

    rule = "must be 1 to 200 letters, digits, dots, underscores and hyphens, and begin with a letter or digit"
    problems.append(Problem("name", "is required" if value in (None, "") else f"{rule}, but is {reprlib.repr(value)}"))
    return "unnamed"


def _class_name(value: object) -> str:
    if isinstance(value, str) and value:
        return value

    what = "is required" if value in (None, "") else f"must be text, but is {reprlib.repr(value)}"
    raise ConfigError([Problem("connectorClass", what)])


def _topics(value: object, problems: list[Problem], *, pattern: object) -> tuple[str, ...]:
    if value is None or value == []:
        if pattern in (None, ""):
            rule = "is required: a list of at least one topic, or config.topics.regex for all that match a pattern"
            problems.append(Problem("topics", rule))

        return ()

    if pattern not in (None, ""):
        problems.append(
            Problem("topics", "must be left out where config.topics.regex says what is read; give one of them")
        )

    if not isinstance(value, list | tuple):
        problems.append(Problem("topics", f"must be a list of topic names, but is {reprlib.repr(value)}"))
        return ()

    if len(value) > _MAX_TOPICS:
        rule = f"must name at most {_MAX_TOPICS:,} topics, but names {len(value):,}; config.topics.regex takes all that match"
        problems.append(Problem("topics", rule))
        return ()

    problems += excerpt(_topic_problems(value), field="topics")
    return tuple(str(topic) for topic in value)


def _topic_problems(topics: Sequence[object]) -> Iterator[Problem]:
    named = set()

    for index, topic in enumerate(topics):
        if wrong := bad_topic(topic):
            yield Problem(f"topics[{index}]", wrong)

        elif topic in named:
            yield Problem(f"topics[{index}]", f"names {topic} a second time")

        else:
            named.add(topic)


def _target(value: object, problems: list[Problem]) -> TargetState:
    if value is None:
        return TargetState.RUNNING

    try:
        return TargetState(str(value).lower())
    except ValueError:
        problems.append(Problem("initialState", f"must be running, paused or stopped, but is {reprlib.repr(value)}"))
        return TargetState.RUNNING


def _uid(value: object, problems: list[Problem]) -> str | None:
    if value is None or (isinstance(value, str) and _NAME.fullmatch(value)):
        return value

    problems.append(Problem("uid", f"must be 1 to 200 letters, digits, dots and hyphens, but is {reprlib.repr(value)}"))
    return None


def _config(value: object, problems: list[Problem]) -> dict[str, object]:
    if value is None:
        return {}

    if not isinstance(value, dict):
        # Not the value itself: it may hold secrets all the same.
        what = "text" if isinstance(value, str) else "a list" if isinstance(value, list) else "something else"
        problems.append(Problem("config", f"must be an object, but is {what}"))
        return {}

    return {str(key): option for key, option in value.items() if option is not None}
