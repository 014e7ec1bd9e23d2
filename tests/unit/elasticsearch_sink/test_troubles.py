"""Everything at once: a server that refuses, loses, cuts and mangles at random, and what is in it in the end."""

from __future__ import annotations

import json
from random import Random

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from streamhouse_connect import Batch, RejectedRecords, RetriableError, SecretUrl
from streamhouse_connect.testing import make_batch, make_context
from streamhouse_elasticsearch_sink import ElasticsearchConfig, ElasticsearchSink
from unit.elasticsearch_sink.stub import Reply, Request, Stub, answer, error, page, running

BATCHES = 4
POISON = b'"poison"'


@attrs.define
class Moody:
    """A server that takes about half of what it is sent, and tells the truth about half of that."""

    rng: Random
    most: int
    documents: dict[str, bytes] = attrs.field(factory=dict)

    def __call__(self, request: Request) -> Reply:
        if len(request.body) > self.most:
            return error(413)

        mood = self.rng.choice(["good"] * 6 + ["unheard", "unheard", "lost", "cut", "short", "other", "page"])

        if mood == "unheard":
            return self.rng.choice([error(503), error(429), page(502), Reply(cut=-1, applied=False)])

        told = answer(self._results(request), [operation.kind for operation in request.operations])

        match mood:
            case "lost":
                return Reply(cut=-1, applied=False)
            case "cut":
                return Reply(body=told, cut=self.rng.randrange(len(told)), applied=False)
            case "short":
                return Reply(body=answer([{"status": 201}] * (len(request.ids) + 1), ["index"]), applied=False)
            case "other":
                return Reply(body=told.replace(b'"index"', b'"create"'), applied=False)
            case "page":
                return page(200)
            case _:
                return Reply(body=told, applied=False)

    def _results(self, request: Request) -> list[dict[str, object]]:
        """Write some of the documents, and return what became of each."""
        results: list[dict[str, object]] = []

        for operation in request.operations:
            assert operation.source is not None

            if POISON in operation.source:
                results.append({"status": 400, "error": {"type": "document_parsing_exception", "reason": "poison"}})
            elif self.rng.random() < 0.3:
                results.append({"status": self.rng.choice([429, 503])})
            else:
                self.documents[operation.id] = operation.source
                results.append({"status": self.rng.choice([200, 201])})

        return results


async def delivered(sink: ElasticsearchSink, batch: Batch) -> set[int]:
    """Write a batch as the runtime does, and return what was rejected."""
    for _ in range(2000):
        try:
            await sink.write(batch)
        except RetriableError:
            continue
        except RejectedRecords as error:
            return set(error.reasons)

        return set()

    raise AssertionError("never delivered")


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.booleans())
async def test_whatever_goes_wrong_every_document_is_there_once_or_was_rejected(seed: int, by_field: bool):
    """By offset, each record is a document; by field, the last good one of each id is, and an older one never comes after it."""
    rng = Random(seed)
    expected: dict[str, bytes] = {}

    async with running(Stub()) as stub:
        server = Moody(rng, most=rng.choice([300, 1000, 10_000]))
        stub.script = [server] * 100_000
        config = ElasticsearchConfig(
            connection_url=SecretUrl(stub.url), index_name="x", document_id="id" if by_field else None
        )
        sink = ElasticsearchSink(config, sleep=no_sleep)
        await sink.open(make_context(batch_bytes=rng.choice([200, 1000, 10_000])))

        for number in range(BATCHES):
            first = number * 100
            offsets = range(first, first + rng.randrange(1, 30))
            values = [
                b'{"id":%d,"n":%b}' % (rng.randrange(8), POISON if rng.random() < 0.1 else b"%d" % offset)
                for offset in offsets
            ]
            good: dict[str, int] = {}

            for at, value in enumerate(values):
                if POISON not in value:
                    good[str(json.loads(value)["id"]) if by_field else f"orders+0+{offsets[at]}"] = at

            rejected = await delivered(sink, make_batch(values, first_offset=first))
            expected |= {document_id: values[at] for document_id, at in good.items()}
            assert server.documents == expected
            assert {at for at in rejected if POISON not in values[at]} == set()
            written_later = {at for at, value in enumerate(values) if by_field and _is_replaced(values, at, value)}
            assert {at for at, value in enumerate(values) if POISON in value} - rejected <= written_later

        await sink.close()


def _is_replaced(values: list[bytes], at: int, value: bytes) -> bool:
    """Whether a good record of the same id follows, so that nobody ever looks at this one."""
    document_id = json.loads(value)["id"]
    return any(json.loads(later)["id"] == document_id and POISON not in later for later in values[at + 1 :])


async def no_sleep(_: float) -> None:
    """Do not wait."""
