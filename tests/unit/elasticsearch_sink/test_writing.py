"""What is written with the options of writing: requests that a scripted server gets."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import attrs
import pytest

from streamhouse_connect import Batch, FatalError, RejectedRecords, SecretUrl, TopicPartition
from streamhouse_connect.testing import MemoryStateStore, make_batch, make_context
from streamhouse_elasticsearch_sink import ElasticsearchConfig, ElasticsearchSink
from unit.elasticsearch_sink.stub import Reply, Request, Stub, items

WRONG = (400, "document_parsing_exception", "failed to parse field [n] of type [long]")
CONFLICT = (409, "version_conflict_engine_exception", "[k]: version conflict")
BUSY = (429, "es_rejected_execution_exception", "rejected execution of coordinating operation")


@attrs.define
class Connector:
    """A connector that may be started several times."""

    stub: Stub
    stack: AsyncExitStack
    counts: Counter[str] = attrs.field(factory=Counter)
    state: MemoryStateStore = attrs.field(factory=MemoryStateStore)

    async def start(
        self, *, topics: dict[str, int] | None = None, epoch: int = 0, index_name: str = "logs", **options: Any
    ) -> ElasticsearchSink:
        """Open a sink and assign it all partitions of the topics."""

        async def no_sleep(_: float) -> None:
            pass

        config = ElasticsearchConfig(connection_url=SecretUrl(self.stub.url), index_name=index_name, **options)
        sink = ElasticsearchSink(config, sleep=no_sleep)
        self.stack.push_async_callback(sink.close)
        topics = topics or {"orders": 1}
        context = make_context(
            epoch=epoch,
            counts=self.counts,
            state=self.state,
            topic_ids={topic: f"{topic}-id" for topic in topics},
            topic_partitions=topics,
        )
        await sink.open(context)
        await sink.resume([TopicPartition(topic, p) for topic, count in topics.items() for p in range(count)])
        return sink


@pytest.fixture
async def connector(stub: Stub) -> AsyncIterator[Connector]:
    async with AsyncExitStack() as stack:
        yield Connector(stub, stack)


def keyed(*values: bytes | None, key: bytes = b"k", **options: Any) -> Batch:
    return make_batch(values, keys=[key] * len(values), **options)


async def test_documents_of_keys_are_versioned_by_default(stub: Stub, connector: Connector):
    """With the epoch above the offset."""
    sink = await connector.start(document_id="{key}", epoch=1)
    await sink.write(keyed(b'{"a":1}', first_offset=7))
    assert stub.bulks[0].body == (
        b'{"index":{"_index":"logs","_id":"k","version":281474976710663,"version_type":"external_gte"}}\n{"a":1}\n'
    )
    assert sink.in_flight > 1


@pytest.mark.parametrize(
    "options",
    [
        {"document_id": "id"},
        {"document_id": "{key}", "version_source": "none"},
        {"document_id": "{key}", "write_method": "update"},
        {"document_id": "id", "write_method": "create"},
    ],
)
async def test_documents_that_have_no_version_are_written_one_batch_after_the_other(
    connector: Connector, options: dict[str, Any]
):
    """Else an older one could arrive last."""
    sink = await connector.start(**options)
    assert sink.in_flight == 1
    await sink.write(make_batch([b'{"id":1}'], keys=[b"k"]))
    assert b"version" not in connector.stub.bulks[0].body


@pytest.mark.parametrize("version_source", ["timestamp", "field:v"])
async def test_versions_that_records_may_share_are_written_one_batch_after_the_other(
    connector: Connector, version_source: str
):
    """Of two records of one millisecond the one that arrives last stays, and that has to be the last one."""
    sink = await connector.start(document_id="{key}", version_source=version_source)
    assert sink.in_flight == 1


async def test_an_older_version_is_done(stub: Stub, connector: Connector):
    """What is there is newer, or the same: that is success."""
    sink = await connector.start(document_id="{key}")
    stub.script = [items(CONFLICT)]
    await sink.write(keyed(b"{}"))
    assert len(stub.bulks) == 1
    assert connector.counts["document_stale"] == 1


async def test_a_document_that_exists_is_not_created_again(stub: Stub, connector: Connector):
    """That is success, too."""
    sink = await connector.start(write_method="create")
    stub.script = [lambda _: Reply(body=items(201, CONFLICT).body.replace(b'"index"', b'"create"'), applied=False)]
    await sink.write(make_batch([b"{}", b"{}"]))
    assert [operation.kind for operation in stub.bulks[0].operations] == ["create", "create"]


async def test_tombstones_delete_and_the_absent_is_deleted_already(stub: Stub, connector: Connector):
    """404 is what a deletion wants."""
    sink = await connector.start(document_id="{key}", delete_enabled=True)
    assert sink.null_values == "write"
    answer = b'{"items":[{"delete":{"status":404}}]}'
    stub.script = [Reply(body=answer, applied=False)]
    await sink.write(keyed(b"{}", None))
    assert stub.bulks[0].body == (b'{"delete":{"_index":"logs","_id":"k","version":1,"version_type":"external_gte"}}\n')


@pytest.mark.parametrize("null_values", ["ignore", "dead-letter", "fail"])
async def test_other_tombstones_are_the_runtimes(connector: Connector, null_values: str):
    """It is told what shall become of them."""
    assert (await connector.start(null_values=null_values)).null_values == null_values


async def test_updates_of_one_document_wait_for_each_other(stub: Stub, connector: Connector):
    """One that is refused for now is sent again before the next one of its id."""
    sink = await connector.start(document_id="{key}", write_method="update")
    stub.script = [items(BUSY), items(200), items(200)]
    await sink.write(keyed(b'{"a":1}', b'{"b":2}'))
    bodies = [bulk.body.splitlines()[1] for bulk in stub.bulks]
    assert bodies == [
        b'{"doc":{"a":1},"doc_as_upsert":true}',
        b'{"doc":{"a":1},"doc_as_upsert":true}',
        b'{"doc":{"b":2},"doc_as_upsert":true}',
    ]


async def test_a_version_that_is_rejected_leaves_the_next_lower_one(stub: Stub, connector: Connector):
    """Nothing is lost because the newest was wrong."""
    sink = await connector.start(document_id="{key}")
    stub.script = [items(WRONG)]

    with pytest.raises(RejectedRecords) as raised:
        await sink.write(keyed(b'{"n":1}', b'{"n":"x"}'))

    assert list(raised.value.reasons) == [1]
    assert stub.documents == {("logs", "k"): b'{"n":1}'}


async def test_what_requests_ask_for(stub: Stub, connector: Connector):
    """In their address, escaped; by default nothing."""
    sink = await connector.start(pipeline="a&b", refresh="wait_for", require_alias=True)
    await sink.write(make_batch([b"{}"]))
    assert stub.bulks[0].target.endswith("&pipeline=a%26b&refresh=wait_for&require_alias=true")
    sink = await connector.start()
    await sink.write(make_batch([b"{}"]))
    assert "refresh" not in stub.bulks[1].target


async def test_added_partitions_stop_the_connector_until_they_are_acknowledged(stub: Stub, connector: Connector):
    """Then versions go on above all earlier ones."""
    await connector.start(document_id="{key}", topics={"orders": 2})

    with pytest.raises(FatalError, match=r"version.partitions=orders:3"):
        await connector.start(document_id="{key}", topics={"orders": 3})

    sink = await connector.start(document_id="{key}", topics={"orders": 3}, version_partitions=("orders:3",))
    await sink.write(keyed(b"{}", partition=2))
    assert b'"version":281474976710656,' in stub.bulks[0].body
    await connector.start(document_id="{key}", topics={"orders": 3})


async def test_topics_that_share_an_index_are_not_versioned_by_offset(stub: Stub, connector: Connector):
    """The run that finds it out fails, the next one does without versions and says so."""
    topics = {"a": 1, "b": 1}

    with pytest.raises(FatalError, match=r"topics share an index, as a and b may with index.name=logs"):
        await connector.start(document_id="{key}", topics=topics)

    sink = await connector.start(document_id="{key}", topics=topics)
    assert "topics share an index" in (sink.weakened or "")
    assert sink.in_flight == 1
    await sink.write(keyed(b"{}", topic="a"))
    assert b"version" not in stub.bulks[0].body

    with pytest.raises(FatalError, match="topics share an index"):
        await connector.start(document_id="{key}", topics=topics, version_source="offset")

    sink = await connector.start(document_id="{key}", topics=topics, index_name="logs-{topic}")
    assert sink.weakened is None
    assert sink.in_flight > 1


async def test_topics_that_fall_on_one_name_are_told(connector: Connector, caplog: pytest.LogCaptureFixture):
    """Once for each pair; where the ids are offsets and the name is the same for all, that is as it was meant."""
    sink = await connector.start(topics={"A": 1, "a": 1}, index_name="x-{topic}")
    await sink.resume([TopicPartition("a", 0)])
    await connector.start(topics={"A": 1, "a": 1}, index_name="x")
    assert [record.getMessage() for record in caplog.records if "share" in record.getMessage()] == [
        "topics_share_index topics=A,a index.name=x-{topic}"
    ]


async def test_topics_of_other_tasks_are_told(connector: Connector, caplog: pytest.LogCaptureFixture):
    """By the task that comes last, which has none of them itself; topics of others alone are others' matter."""
    for topic in ("A", "a", "b"):
        await connector.start(topics={topic: 1}, index_name="x-{topic}")

    assert [record.getMessage() for record in caplog.records if "share" in record.getMessage()] == [
        "topics_share_index topics=A,a index.name=x-{topic}"
    ]


async def test_a_topic_without_an_index_fails_before_anything_is_read(connector: Connector):
    """The message names topic and index."""
    with pytest.raises(FatalError, match=r"makes '_x' of topic '_X'"):
        await connector.start(topics={"_X": 1}, index_name="{topic}")


async def test_an_index_template_is_made_at_the_start(stub: Stub, connector: Connector):
    """Before anything is written."""

    def greet(request: Request) -> Reply:
        missing = request.method == "GET" and "_index_template" in request.target
        return Reply(404 if missing else 200, b'{"version":{"number":"8.19.0"}}')

    stub.greeting = greet
    await connector.start(index_mapping='{"dynamic":"strict"}', index_name="logs-{topic}")
    [made] = [request for request in stub.requests if request.method == "PUT"]
    assert made.target == "/_index_template/streamhouse-test"
    assert made.body.startswith(b'{"index_patterns": ["logs-*"], "priority": 200, ')
    assert b'"template": {"mappings": {"dynamic": "strict"}}' in made.body


@pytest.mark.parametrize("mapping", ['{"dynamic":"strict"}', '{"dynamic":"false"}'])
async def test_an_index_template_of_other_options_is_told(
    stub: Stub, connector: Connector, caplog: pytest.LogCaptureFixture, mapping: str
):
    """What is in it counts, not what the options say now; it is not touched."""
    made: list[bytes] = []

    def greet(request: Request) -> Reply:
        if "_index_template" not in request.target:
            return Reply(body=b'{"version":{"number":"8.19.0"}}')

        if request.method == "PUT":
            made.append(request.body)

        return Reply(200 if made else 404, made[0] if made else b"{}")

    stub.greeting = greet
    await connector.start(index_mapping='{"dynamic":"strict"}')
    await connector.start(index_mapping=mapping)
    told = [
        record.getMessage() for record in caplog.records if record.getMessage().startswith("index_template_differs")
    ]
    assert told == (["index_template_differs name=streamhouse-test"] if "false" in mapping else [])
    assert len(made) == 1


async def test_a_file_that_is_missing_is_a_problem_of_its_option(stub: Stub, connector: Connector):
    """When the destination is checked, and when the sink is opened."""
    config = ElasticsearchConfig(connection_url=SecretUrl(stub.url), index_name="x", index_settings="/nowhere")
    sink = ElasticsearchSink(config)
    assert [problem.field for problem in await sink.check()] == ["index.settings"]

    with pytest.raises(FatalError, match=r"index\.settings names a file that can't be read"):
        await connector.start(index_settings="/nowhere")


async def test_data_streams(stub: Stub, connector: Connector):
    """Documents are created, with a time."""
    sink = await connector.start(data_stream=True)
    await sink.write(make_batch([b'{"a":1}'], timestamps=[0]))
    assert stub.bulks[0].body == (
        b'{"create":{"_index":"logs","_id":"orders+0+0"}}\n{"@timestamp":"1970-01-01T00:00:00.000Z","a":1}\n'
    )
