"""`/api/v1/produce` and `/api/v1/consume`: records in and out over HTTP, for people and small jobs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import attrs

from streamhouse_connect import Problem, TopicPartition
from streamhouse_connect_server.bodies import invalid, parse, read_json, unknown_key
from streamhouse_connect_server.payloads import misplaced, read_records, show_records
from streamhouse_connect_server.resources import resource
from streamhouse_connect_server.responses import json_response
from streamhouse_connect_server.schemas import (
    BatchAppended,
    BatchRequest,
    ConsumeBody,
    ConsumedRecord,
    ProduceRequest,
    RecordAppended,
)
from streamhouse_connect_server.threads import off_loop

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from streamhouse_connect import Appended, Broker, NewRecords
    from streamhouse_connect_server.privacy import PrivateTopics
    from streamhouse_connect_server.settings import Limits

__all__ = ["Records"]

_IN_BATCH: Final = "records[{}]."
_READ_RECORDS: Final = 1000
_MAX_INT32: Final = 2**31 - 1
_MAX_INT64: Final = 2**63 - 1
_INTEGER = re.compile(r"-?[0-9]{1,19}", re.ASCII)


@attrs.frozen
class Records:
    """The handlers of records."""

    broker: Broker
    limits: Limits
    private: PrivateTopics

    def routes(self) -> list[BaseRoute]:
        """List the paths."""
        return [
            resource("/api/v1/produce", post=self.produce),
            resource("/api/v1/produce/batch", post=self.produce_batch),
            resource("/api/v1/consume", get=self.consume),
        ]

    async def produce(self, request: Request) -> Response:
        """Append one record."""
        body = await read_json(request, limit=self.limits.records_bytes)
        topic, records = await off_loop(_read_one, body)
        appended = await self._append(topic, records)
        return json_response(RecordAppended(appended.offsets[0], appended.partitions[0]))

    async def produce_batch(self, request: Request) -> Response:
        """Append all records or none."""
        body = await read_json(request, limit=self.limits.records_bytes)
        topic, records = await off_loop(_read_many, body)

        if not records.values:
            await self.broker.topic(topic)
            return json_response(BatchAppended(0, []))

        appended = await self._append(topic, records, prefix=_IN_BATCH)
        return json_response(BatchAppended(len(records.values), list(appended.offsets)))

    async def _append(self, topic: str, records: NewRecords, *, prefix: str = "") -> Appended:
        self.private.check(topic)

        if records.partitions:
            known = await self.broker.topic(topic)
            problems = misplaced(records, partitions=known.partitions, prefix=prefix)

            if problems:
                raise invalid(problems)

        return await self.broker.append(topic, records)

    async def consume(self, request: Request) -> Response:
        """Answer with records of one partition, outside any group."""
        query = _read_query(request.query_params, self.limits)
        self.private.check(query.tp.topic)
        shown: list[ConsumedRecord] = []
        position = query.offset
        size = 0

        while len(shown) < query.max_records and size < self.limits.consumed_bytes:
            wanted = min(query.max_records - len(shown), _READ_RECORDS)
            batch = await self.broker.read(query.tp, position, max_records=wanted)

            if not batch.spans or batch.spans[-1].next_offset <= position:
                break

            shown += show_records(batch)
            size += batch.nbytes
            position = batch.spans[-1].next_offset

        if not shown:
            start, end = (await self.broker.watermarks(query.tp.topic))[query.tp]
            position = min(max(position, start), end)

        return json_response(ConsumeBody(shown, position))


def _read_one(body: bytes) -> tuple[str, NewRecords]:
    wanted = parse(body, ProduceRequest)
    return wanted.topic, _checked(read_records([wanted], topic=wanted.topic))


def _read_many(body: bytes) -> tuple[str, NewRecords]:
    wanted = parse(body, BatchRequest)
    return wanted.topic, _checked(read_records(wanted.records, topic=wanted.topic, prefix=_IN_BATCH))


def _checked(outcome: tuple[NewRecords, list[Problem]]) -> NewRecords:
    records, problems = outcome

    if problems:
        raise invalid(problems)

    return records


@attrs.frozen
class _Query:
    tp: TopicPartition
    offset: int
    max_records: int


def _read_query(params: QueryParams, limits: Limits) -> _Query:
    problems: list[Problem] = []

    def integer(name: str, default: int, low: int, high: int) -> int:
        text = params.get(name, str(default))

        if _INTEGER.fullmatch(text) and low <= int(text) <= high:
            return int(text)

        problems.append(Problem(name, f"must be an integer from {low} to {high}, not {text[:100]!r}"))
        return default

    topic = params.get("topic", "")
    partition = integer("partition", 0, 0, _MAX_INT32)
    offset = integer("offset", 0, 0, _MAX_INT64)
    max_records = integer("max_records", min(100, limits.consumed_records), 1, limits.consumed_records)
    known = ("topic", "partition", "offset", "max_records")

    if not topic:
        problems.append(Problem("topic", "is required"))

    problems += [Problem(name[:100], unknown_key(name, known)) for name in params if name not in known]

    if problems:
        raise invalid(problems)

    return _Query(TopicPartition(topic, partition), offset, max_records)
