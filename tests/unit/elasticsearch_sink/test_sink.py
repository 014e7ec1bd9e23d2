from __future__ import annotations

import asyncio
import logging
import warnings
from typing import Any

import pytest

from streamhouse_connect import (
    Batch,
    DeliveryError,
    FatalError,
    RejectedBatch,
    RejectedRecords,
    RetriableError,
    Secret,
    SecretUrl,
)
from streamhouse_connect.testing import make_batch
from streamhouse_elasticsearch_sink import ElasticsearchConfig, ElasticsearchSink
from unit.elasticsearch_sink.conftest import OpenSink
from unit.elasticsearch_sink.stub import HUNG, PLAIN, Reply, Request, Stub, accept, error, items, lost, page

BUSY = (429, "es_rejected_execution_exception", "rejected execution of coordinating operation")
WRONG = (400, "document_parsing_exception", "failed to parse field [n] of type [long]")
THREE = [b'{"n":1}', b'{"n":2}', b'{"n":3}']


async def test_documents_are_sent_as_they_came_under_ids_of_their_offsets(stub: Stub, open_sink: OpenSink):
    """Values go into the body byte by byte; ids are topic+partition+offset."""
    opened = await open_sink(index="{topic}-v1")
    await opened.sink.write(make_batch([b'{"a": 1.10 }', b'{"b":"\\u00e9"}'], partition=3, first_offset=7))
    assert stub.documents == {
        ("orders-v1", "orders+3+7"): b'{"a": 1.10 }',
        ("orders-v1", "orders+3+8"): b'{"b":"\\u00e9"}',
    }


async def test_one_batch_of_two_topics_goes_to_two_indexes(stub: Stub, open_sink: OpenSink):
    """Each record goes to the index of its own topic, and upper case is lowered."""
    opened = await open_sink()
    both = Batch.concat([make_batch([b"{}"], topic="Orders"), make_batch([b"{}"], topic="users", first_offset=5)])
    await opened.sink.write(both)
    assert list(stub.documents) == [("orders", "Orders+0+0"), ("users", "users+0+5")]


async def test_an_epoch_is_part_of_the_id(stub: Stub, open_sink: OpenSink):
    """After an offset reset the ids are others, with the epoch in front."""
    opened = await open_sink(epoch=2)
    await opened.sink.write(make_batch([b"{}"]))
    assert list(stub.documents) == [("orders", "2+orders+0+0")]


async def test_an_empty_batch_sends_nothing(stub: Stub, open_sink: OpenSink):
    """A batch without records is no request."""
    opened = await open_sink()
    await opened.sink.write(make_batch([]))
    assert not stub.bulks


async def test_only_what_is_read_is_asked_for(stub: Stub, open_sink: OpenSink):
    """The request filters the answer, but asks for each document's status."""
    opened = await open_sink()
    await opened.sink.write(make_batch(THREE))
    assert "filter_path=items.*.status," in stub.bulks[0].target
    assert stub.bulks[0].headers["content-type"] == "application/x-ndjson"


@pytest.mark.parametrize(
    "refusal",
    [
        BUSY,
        503,
        500,
        (503, "unavailable_shards_exception", "primary shard is not active"),
        (403, "cluster_block_exception", "index [orders] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded]"),
    ],
)
async def test_only_documents_refused_for_now_are_sent_again(
    stub: Stub, open_sink: OpenSink, refusal: int | tuple[int, str, str]
):
    """A document that is refused for now is sent again after a wait, the others are not."""
    opened = await open_sink()
    stub.script = [items(201, refusal, 201)]
    await opened.sink.write(make_batch(THREE))
    assert [bulk.ids for bulk in stub.bulks] == [["orders+0+0", "orders+0+1", "orders+0+2"], ["orders+0+1"]]
    assert opened.sleeps == [0.1]
    assert opened.counts["document_sent_again"] == 1


async def test_a_server_that_stays_busy_is_left_to_the_runtime(stub: Stub, open_sink: OpenSink):
    """After a bounded number of rounds with growing waits the whole batch is to be retried."""
    opened = await open_sink()
    stub.script = [items(201, BUSY), *[items(BUSY)] * 4]

    with pytest.raises(RetriableError, match="refuses 1 documents for now: es_rejected_execution_exception"):
        await opened.sink.write(make_batch(THREE[:2]))

    assert opened.sleeps == [0.1, 0.2, 0.4, 0.8]
    assert len(stub.bulks) == 5


async def test_a_document_that_is_wrong_is_rejected_and_the_others_are_durable(stub: Stub, open_sink: OpenSink):
    """The reason holds the type and the words of Elasticsearch."""
    opened = await open_sink()
    stub.script = [items(201, WRONG, 200)]

    with pytest.raises(RejectedRecords) as raised:
        await opened.sink.write(make_batch(THREE))

    assert raised.value.reasons == {1: "document_parsing_exception: failed to parse field [n] of type [long]"}
    assert raised.value.others_durable


async def test_a_batch_with_both_kinds_of_refusal_ends_with_the_others_written(stub: Stub, open_sink: OpenSink):
    """The rejected document is told only when the busy one has been written."""
    opened = await open_sink()
    stub.script = [items(BUSY, WRONG, 201), items(BUSY)]

    with pytest.raises(RejectedRecords) as raised:
        await opened.sink.write(make_batch(THREE))

    assert list(raised.value.reasons) == [1]
    assert [bulk.ids for bulk in stub.bulks[1:]] == [["orders+0+0"], ["orders+0+0"]]


async def test_records_that_are_no_documents_are_rejected_before_anything_is_sent(stub: Stub, open_sink: OpenSink):
    """Nothing was written then, so that the runtime can first make the dead letters durable."""
    opened = await open_sink()

    with pytest.raises(RejectedRecords) as raised:
        await opened.sink.write(make_batch([b"{}", b'{"a":1}\n{"delete":{"_index":"orders","_id":"1"}}', b"[1]"]))

    assert list(raised.value.reasons) == [1, 2]
    assert not raised.value.others_durable
    assert not stub.bulks


async def test_the_last_of_several_records_with_one_id_is_written(stub: Stub, open_sink: OpenSink):
    """Only the last is sent, so that no retry of an earlier one can overtake it."""
    opened = await open_sink(document_id="id")
    await opened.sink.write(make_batch([b'{"id":1,"v":1}', b'{"id":2}', b'{"id":1,"v":2}']))
    assert stub.bulks[0].ids == ["2", "1"]
    assert stub.documents["orders", "1"] == b'{"id":1,"v":2}'


async def test_a_record_that_was_replaced_counts_when_its_replacement_is_rejected(stub: Stub, open_sink: OpenSink):
    """Last write wins among the accepted ones: nothing is lost because a later record of that id was wrong."""
    opened = await open_sink(document_id="id")
    stub.script = [items(WRONG), items(WRONG)]

    with pytest.raises(RejectedRecords) as raised:
        await opened.sink.write(make_batch([b'{"id":1,"v":1}', b'{"id":1,"v":2}', b'{"id":1,"v":3}']))

    assert list(raised.value.reasons) == [1, 2]
    assert stub.documents == {("orders", "1"): b'{"id":1,"v":1}'}


async def test_the_missing_index_and_missing_rights_are_nobodys_poison(stub: Stub, open_sink: OpenSink):
    """Where no document is to blame the task fails in words, instead of dead-lettering everything."""
    refusals = ((403, "security_exception"), (403, "other"), (404, "index_not_found_exception"), (401, "other"))

    for status, kind in refusals:
        opened = await open_sink()
        stub.script = [items((status, kind, "no"))] * 5

        with pytest.raises(FatalError, match=f"refuses documents: {kind}: no"):
            await opened.sink.write(make_batch([b"{}"]))


@pytest.mark.parametrize("status", [429, 502, 503, 504, 500, 408])
async def test_a_request_that_is_refused_for_now_is_retriable(stub: Stub, open_sink: OpenSink, status: int):
    """In Elasticsearch's words or in a proxy's."""
    opened = await open_sink()

    for reply in (error(status, "some_exception", "later"), page(status), error(status)):
        stub.script = [reply]

        with pytest.raises(RetriableError, match=f"HTTP {status}"):
            await opened.sink.write(make_batch(THREE))

    await opened.sink.write(make_batch(THREE))
    assert len(stub.documents) == 3


async def test_the_wait_that_a_server_asks_for_is_passed_on(stub: Stub, open_sink: OpenSink):
    """Retry-After is given to the runtime, within reason; nonsense is ignored."""
    opened = await open_sink()

    for header, expected in (("7", 7.0), ("99999999", 60.0), ("soon", None), ("-1", None)):
        stub.script = [error(503, retry_after=header)]

        with pytest.raises(RetriableError) as raised:
            await opened.sink.write(make_batch(THREE))

        assert raised.value.retry_after == expected


async def test_an_answer_that_was_lost_is_retriable_and_the_repetition_harmless(stub: Stub, open_sink: OpenSink):
    """The documents were written, the connection broke: writing them again replaces them with themselves."""
    opened = await open_sink()
    stub.script = [lost]

    with pytest.raises(RetriableError, match=r"can't reach Elasticsearch at http://127\.0\.0\.1"):
        await opened.sink.write(make_batch(THREE))

    before = dict(stub.documents)
    await opened.sink.write(make_batch(THREE))
    assert stub.documents == before
    assert len(before) == 3


async def test_a_hung_server_is_left_after_the_timeout(stub: Stub, open_sink: OpenSink):
    """No answer within the timeout is retriable."""
    opened = await open_sink(timeout=0.2)
    stub.script = [HUNG]

    with pytest.raises(RetriableError, match="did not answer in time"):
        await opened.sink.write(make_batch(THREE))

    await opened.sink.write(make_batch(THREE))
    assert len(stub.documents) == 3


def cut_off(request: Request) -> Reply:
    return Reply(body=accept(request).body[:-9])


def closed_early(request: Request) -> Reply:
    return Reply(body=accept(request).body, cut=20)


@pytest.mark.parametrize(
    "reply",
    [
        cut_off,
        closed_early,
        items(201, 201),
        items(201, 201, 201, 201),
        page(200),
        page(200, b"<x/>", "application/xml"),
        page(200, b"GIF89a", "image/gif"),
        page(200, b"ok", "text/plain; charset=utf-8"),
        Reply(body=b"", applied=False),
        Reply(body=b"{}", applied=False),
        Reply(body=b'{"items":null}', applied=False),
        Reply(body=b'{"items":[{},{},{}]}', applied=False),
        Reply(body=b'{"items":[{"other":{"status":200}},{"index":{"status":200}},{"index":{"status":200}}]}'),
        Reply(body=b"[" * 100_000, applied=False),
        Reply(204, applied=False),
    ],
)
async def test_an_ambiguous_answer_is_retriable(stub: Stub, open_sink: OpenSink, reply: Reply):
    """Cut off, of another number of documents, or not Elasticsearch's at all: nothing is taken for written."""
    opened = await open_sink()
    stub.script = [reply]

    with pytest.raises(RetriableError, match=r"ambiguous|can't reach"):
        await opened.sink.write(make_batch(THREE))

    await opened.sink.write(make_batch(THREE))
    assert len(stub.documents) == 3


async def test_a_body_that_is_too_large_is_halved_until_it_fits(stub: Stub, open_sink: OpenSink):
    """413 splits a request; the one document that is too large by itself is rejected, the others are written."""
    opened = await open_sink()
    values = [b'{"n":"%b"}' % (b"x" * size) for size in (10, 10, 500, 10, 10)]
    stub.script = [lambda request: error(413) if len(request.body) > 300 else accept(request)] * 20

    with pytest.raises(RejectedRecords) as raised:
        await opened.sink.write(make_batch(values))

    assert list(raised.value.reasons) == [2]
    assert "too large" in raised.value.reasons[2]
    assert raised.value.others_durable
    assert len(stub.documents) == 4


async def test_a_request_refused_for_one_documents_sake_is_a_rejected_batch(stub: Stub, open_sink: OpenSink):
    """400 in Elasticsearch's words: the runtime looks for the culprit."""
    opened = await open_sink()
    stub.script = [error(400, "action_request_validation_exception", "Validation Failed: 1: id is too long")]

    with pytest.raises(RejectedBatch, match="action_request_validation_exception: Validation Failed"):
        await opened.sink.write(make_batch(THREE))


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (page(400), "HTTP 400"),
        (
            error(400, "illegal_argument_exception", "explicit index in bulk is not allowed"),
            "no document is to blame; change the server's settings",
        ),
        (
            error(
                400, "illegal_argument_exception", "request [/_bulk] contains unrecognized parameter: [require_alias]"
            ),
            "no document is to blame; change the server's settings, or the connector's options",
        ),
        (error(400, "media_type_header_exception", "Invalid media-type"), "media_type_header_exception"),
        (
            error(401, "security_exception", "unable to authenticate"),
            "refuses the credentials; check those of connection.url",
        ),
        (page(401), "refuses the credentials; check those of connection.url"),
        (error(403, "security_exception", "action is unauthorized"), "the right to write"),
        (error(404), "check the host, port and path of connection.url"),
        (page(405), "is connection.url the address of Elasticsearch 8"),
        (page(406), "is connection.url the address of Elasticsearch 8"),
        (page(407), "proxy"),
        (page(418), "check connection.url"),
    ],
)
async def test_what_somebody_has_to_change_is_fatal_and_says_what(
    stub: Stub, open_sink: OpenSink, reply: Reply, words: str
):
    """Waiting does not help: the message names the address, the status and the remedy."""
    opened = await open_sink()
    stub.script = [reply]

    with pytest.raises(FatalError, match=words) as raised:
        await opened.sink.write(make_batch(THREE))

    assert stub.url in str(raised.value)


async def test_a_key_that_is_taken_away_fails_in_words(stub: Stub, open_sink: OpenSink):
    """After thousands of good answers, too; the server's words name no key of ours."""
    opened = await open_sink(api_key=Secret("czNjcmV0LWtleQ"))
    await opened.sink.write(make_batch(THREE))
    stub.script = [error(401, "security_exception", "unable to authenticate with provided credentials")]

    with pytest.raises(
        FatalError, match=r"HTTP 401, security_exception: .* check those of .*connection\.api\.key"
    ) as raised:
        await opened.sink.write(make_batch(THREE))

    assert "czNjcmV0" not in str(raised.value)


async def test_a_cluster_block_on_the_whole_request_is_retriable(stub: Stub, open_sink: OpenSink):
    """403 is not always about rights."""
    opened = await open_sink()
    stub.script = [error(403, "cluster_block_exception", "blocked by: [FORBIDDEN/12/disk usage exceeded]")]

    with pytest.raises(RetriableError, match="cluster_block_exception"):
        await opened.sink.write(make_batch(THREE))


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_redirects_are_not_followed(stub: Stub, open_sink: OpenSink, status: int):
    """Documents and credentials go to the configured server only."""
    opened = await open_sink()
    stub.script = [error(status, location=f"{stub.url}/elsewhere/_bulk")]

    with pytest.raises(FatalError, match="a redirect, which is not followed"):
        await opened.sink.write(make_batch(THREE))

    assert len(stub.bulks) == 1
    assert not [request for request in stub.requests if "elsewhere" in request.target]


async def test_nothing_is_retried_behind_the_runtimes_back(stub: Stub, open_sink: OpenSink):
    """The client's own retries are off: one write is one request."""
    opened = await open_sink()

    for reply in (error(429), error(503), lost, error(502)):
        stub.script = [reply]

        with pytest.raises(RetriableError):
            await opened.sink.write(make_batch(THREE))

    assert len(stub.bulks) == 4


async def test_credentials_and_a_path_in_the_url_are_used(stub: Stub, open_sink: OpenSink):
    """Basic authentication is taken from the URL, with its escapes resolved."""
    opened = await open_sink(url=f"http://el%40stic:p%2Fw@127.0.0.1:{stub.port}/es/")
    await opened.sink.write(make_batch(THREE))
    assert {request.headers["authorization"] for request in stub.requests} == {"basic zwxac3rpyzpwl3c="}
    assert [request.target.partition("?")[0] for request in stub.requests] == ["/es/", "/es/_bulk"]


async def test_no_message_holds_the_password(stub: Stub, open_sink: OpenSink):
    """Whatever goes wrong, the secret does not appear, nor in what caused the error."""
    opened = await open_sink(url=f"http://elastic:s3cr%2Ft@127.0.0.1:{stub.port}")
    seen = []

    for reply in (error(401), error(503), error(400, "x", "y"), lost, page(200), error(302), error(413)):
        stub.script = [reply]

        with pytest.raises(DeliveryError) as raised:
            await opened.sink.write(make_batch([b"{}"]))

        cause: BaseException | None = raised.value

        while cause:
            seen.append(f"{cause} {cause!r}")
            cause = cause.__cause__ or cause.__context__

    assert len(seen) > 7
    assert not [text for text in seen if "s3cr" in text or "ZWxhc3RpYzp" in text]


async def test_open_verifies_that_the_server_answers(stub: Stub, open_sink: OpenSink):
    """A server that is down, starting, or hung is retriable."""
    for greeting in (error(503, "master_not_discovered_exception", "no master"), page(502), HUNG, Reply(cut=-1)):
        stub.greeting = greeting

        with pytest.raises(RetriableError):
            await open_sink(timeout=0.2)


async def test_open_against_a_closed_port_is_retriable(unused_tcp_port: int, open_sink: OpenSink):
    """Nobody listens: the message names the address."""
    with pytest.raises(RetriableError, match=f"at http://127.0.0.1:{unused_tcp_port}: .*Connect call failed"):
        await open_sink(url=f"http://127.0.0.1:{unused_tcp_port}")


async def test_a_server_without_tls_is_retriable(open_sink: OpenSink):
    """Plain HTTP where TLS is expected, as from a proxy that is not ready."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    async with server:
        with pytest.raises(RetriableError, match=f"can't speak TLS with Elasticsearch at https://127.0.0.1:{port}: "):
            await open_sink(url=f"https://127.0.0.1:{port}")


async def test_open_with_wrong_credentials_is_fatal(stub: Stub, open_sink: OpenSink):
    """Waiting does not make a password right."""
    stub.greeting = error(401, "security_exception", "unable to authenticate user [elastic]")

    with pytest.raises(FatalError, match="refuses the credentials"):
        await open_sink()


async def test_a_check_greets_the_server_and_names_the_option(stub: Stub):
    """Nothing is written."""
    found = []

    for greeting in (stub.greeting, error(401, "security_exception", "unable to authenticate user [elastic]")):
        stub.greeting = greeting
        sink = ElasticsearchSink(ElasticsearchConfig(connection_url=SecretUrl(stub.url), index_name="{topic}"))

        try:
            found.append(await sink.check())
        finally:
            await sink.close()

    good, (problem,) = found
    assert list(good) == []
    assert problem.field == "connection.url"
    assert "refuses the credentials" in problem.message


async def test_a_user_who_may_only_write_is_good_enough(stub: Stub, open_sink: OpenSink):
    """To look at the cluster is a right of its own, which a writer needs not have."""
    stub.greeting = error(403, "security_exception", "action [cluster:monitor/main] is unauthorized")
    opened = await open_sink()
    await opened.sink.write(make_batch(THREE))
    assert len(stub.documents) == 3


@pytest.mark.parametrize(
    "greeting",
    [
        page(200),
        Reply(body=b"{}", headers=PLAIN),
        Reply(body=b'{"version":{"number":"7.10.2"}}', headers=PLAIN),
        Reply(body=b'{"version":{"number":"1.0","distribution":"another"}}', headers=PLAIN),
    ],
)
async def test_another_product_is_refused_in_words(stub: Stub, open_sink: OpenSink, greeting: Reply):
    """What answers without saying that it is Elasticsearch is not written to."""
    stub.greeting = greeting

    with pytest.raises(FatalError, match=r"neither Elasticsearch 8 or later nor OpenSearch; check connection\.url"):
        await open_sink()


async def test_a_topic_that_comes_later_and_makes_no_index_is_refused_at_write(stub: Stub, open_sink: OpenSink):
    """A topic can never lead to an illegal index."""
    opened = await open_sink()

    with pytest.raises(FatalError, match="'-all'"):
        await opened.sink.write(make_batch([b"{}"], topic="-all"))

    assert not stub.bulks


async def test_several_writes_at_a_time_share_the_client(stub: Stub, open_sink: OpenSink):
    """Two batches in flight do not disturb each other."""
    opened = await open_sink()
    stub.script = [items(201, WRONG, 201)]
    results = await asyncio.gather(
        opened.sink.write(make_batch(THREE)),
        opened.sink.write(make_batch(THREE, first_offset=3)),
        return_exceptions=True,
    )
    assert [type(result) for result in results if result] == [RejectedRecords]


async def test_the_client_logs_nothing_of_its_own(stub: Stub, open_sink: OpenSink, caplog: pytest.LogCaptureFixture):
    """Neither a line for each bulk, nor failures that the runtime reports, nor bodies at DEBUG."""
    caplog.set_level(logging.DEBUG)
    opened = await open_sink()
    await opened.sink.write(make_batch(THREE))
    stub.script = [lost]

    with pytest.raises(RetriableError):
        await opened.sink.write(make_batch(THREE))

    assert not [record for record in caplog.records if record.name.startswith("elastic")]


async def test_close_can_be_repeated_and_needs_no_open(open_sink: OpenSink):
    """Also after an open that failed, and without a warning about what was left open."""
    await ElasticsearchSink(ElasticsearchConfig(index_name="x")).close()
    opened = await open_sink()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        await opened.sink.close()
        await opened.sink.close()


async def test_a_write_that_is_cancelled_leaves_a_usable_sink(stub: Stub, open_sink: OpenSink):
    """A pause may cut a write short; the next one works."""
    opened = await open_sink()
    stub.script = [HUNG]
    writing = asyncio.ensure_future(opened.sink.write(make_batch(THREE)))

    while not stub.bulks:
        await asyncio.sleep(0)

    writing.cancel()

    with pytest.raises(asyncio.CancelledError):
        await writing

    await opened.sink.write(make_batch(THREE))
    assert len(stub.documents) == 3


async def test_large_batches_are_sent_whole(stub: Stub, open_sink: OpenSink):
    """A body of several MiB goes out in one request."""
    opened = await open_sink(batch_bytes=16 << 20)
    await opened.sink.write(make_batch([b'{"n":"%b"}' % (b"x" * 1000)] * 5000))
    assert len(stub.bulks[0].operations) == 5000


@pytest.mark.parametrize(
    ("options", "in_flight"),
    [
        ({}, 2),
        ({"document_id": "id"}, 1),
        ({"document_id": "{key}"}, 2),
        ({"document_id": "{key}", "delete_enabled": True}, 1),
        ({"document_id": "{key}", "version_source": "timestamp"}, 1),
        ({"document_id": "id", "version_source": "field:v"}, 1),
    ],
)
def test_batches_overlap_only_where_it_does_not_matter_which_is_first(options: dict[str, Any], in_flight: int):
    """Two writes of one id could arrive in the other order, of two with equal times the last one is to stay, and deletions' versions are forgotten."""
    config = ElasticsearchConfig(index_name="x", **options)
    assert ElasticsearchSink(config).in_flight == in_flight
