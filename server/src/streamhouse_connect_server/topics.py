"""`/api/v1/topics`: what can be read."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import attrs

from streamhouse_connect import ConfigError, NotFoundError, Problem
from streamhouse_connect_server.bodies import invalid, parse, parse_object, read_json, unknown_keys
from streamhouse_connect_server.resources import resource
from streamhouse_connect_server.responses import json_response, no_content
from streamhouse_connect_server.schemas import TopicBody, TopicRequest
from streamhouse_connect_server.threads import off_loop

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from streamhouse_connect import Topic, Worker
    from streamhouse_connect_server.privacy import PrivateTopics
    from streamhouse_connect_server.settings import Limits

__all__ = ["Topics"]

_PATH: Final = "/api/v1/topics"
_AT_ONCE: Final = 16
"""How many topics a broker is asked about at the same time."""
_FIELDS: Final = {"partitions": ("partition_count", "partitions"), "retention": ("retention_ms", "retention_bytes")}
"""What brokers call a field that a request may call something else."""


@attrs.frozen
class Topics:
    """The handlers of topics."""

    worker: Worker
    limits: Limits
    private: PrivateTopics

    def routes(self) -> list[BaseRoute]:
        """List the paths."""
        return [
            resource(_PATH, get=self.list, post=self.create),
            resource(f"{_PATH}/{{name}}", get=self.get, delete=self.delete),
        ]

    async def list(self, _request: Request) -> Response:
        """Answer with every topic, by name."""
        found = await self.worker.broker.topics()
        at_once = asyncio.Semaphore(_AT_ONCE)

        async def show(topic: Topic) -> TopicBody | None:
            try:
                async with at_once:
                    return TopicBody.of(topic, await self.worker.broker.watermarks(topic.name))
            except NotFoundError:  # deleted since
                return None

        shown = await asyncio.gather(*map(show, found))
        return json_response([body for body in shown if body is not None])

    async def get(self, request: Request) -> Response:
        """Answer with one topic."""
        broker = self.worker.broker
        topic = await broker.topic(request.path_params["name"])
        return json_response(TopicBody.of(topic, await broker.watermarks(topic.name)))

    async def create(self, request: Request) -> Response:
        """Make a topic."""
        wanted, warnings = await off_loop(_read, await read_json(request, limit=self.limits.body_bytes))
        broker = self.worker.broker

        try:
            topic = await broker.create_topic(
                wanted.name,
                partitions=_partitions(wanted),
                retention_ms=wanted.retention_ms,
                retention_bytes=wanted.retention_bytes,
            )
        except ConfigError as error:
            raise ConfigError(_as_asked(error.problems, wanted)) from error

        answer = TopicBody.of(topic, await broker.watermarks(topic.name), warnings=tuple(warnings))

        return json_response(answer, status=201, headers={"Location": f"{_PATH}/{quote(topic.name, safe='')}"})

    async def delete(self, request: Request) -> Response:
        """Remove a topic that no connector reads, with its records."""
        name = request.path_params["name"]
        self.private.check(name)
        await self.worker.delete_topic(name)
        return no_content()


def _read(body: bytes) -> tuple[TopicRequest, list[str]]:
    given = parse_object(body)
    return parse(body, TopicRequest), unknown_keys(given, TopicRequest.__struct_fields__)


def _as_asked(problems: Iterable[Problem], wanted: TopicRequest) -> list[Problem]:
    """Name the fields as the request did, which the broker has names of its own for."""
    names = {own: [each for each in theirs if getattr(wanted, each) is not None] for own, theirs in _FIELDS.items()}
    return [Problem(name, each.message) for each in problems for name in names.get(each.field) or [each.field]]


def _partitions(wanted: TopicRequest) -> int:
    counts = {count for count in (wanted.partition_count, wanted.partitions) if count is not None}

    if len(counts) > 1:
        message = f"is {wanted.partition_count}, but partitions, which means the same, is {wanted.partitions}"
        raise invalid([Problem("partition_count", message)])

    return counts.pop() if counts else 1
