"""What HTTP itself can say, well or badly: whatever a server or a proxy sends, nothing that was not written counts as written."""

from __future__ import annotations

import asyncio
import gzip
import socket
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamhouse_connect import DeliveryError, FatalError, RejectedRecords, RetriableError, SecretUrl
from streamhouse_connect.testing import make_batch, make_context
from streamhouse_elasticsearch_sink import ElasticsearchConfig, ElasticsearchSink
from unit.elasticsearch_sink.conftest import OpenSink
from unit.elasticsearch_sink.stub import HUNG, PRODUCT, Reply, Stub, accept, error, page, passed, running

WRITTEN = b'{"items":[{"index":{"status":201}}]}'
ONE = [b'{"n":1}']


def raw(
    body: bytes, *headers: bytes, status: bytes = b"200 OK", length: int | None = None, before: bytes = b""
) -> Reply:
    """Answer in so many bytes, and close the connection; `length` is what is said of the body's."""
    lines = [b"HTTP/1.1 " + status, *headers]

    if length is not None:
        lines.append(b"Content-Length: %d" % length)

    return Reply(raw=before + b"\r\n".join([*lines, b"", b""]) + body)


def chunked(body: bytes, end: bytes = b"0\r\n\r\n") -> Reply:
    return raw(b"%x\r\n%b\r\n" % (len(body), body) + end, b"Transfer-Encoding: chunked")


@pytest.mark.parametrize(
    "reply",
    [
        raw(WRITTEN, length=len(WRITTEN)),
        raw(WRITTEN),
        chunked(WRITTEN),
        raw(gzip.compress(WRITTEN), b"Content-Encoding: gzip"),
        raw(WRITTEN, length=len(WRITTEN), before=b"HTTP/1.1 100 Continue\r\n\r\n"),
        raw(WRITTEN, length=len(WRITTEN), before=b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"),
        raw(WRITTEN, b"Content-Type: text/plain; charset=nonsense"),
        raw(WRITTEN, b"Content-Type: \xff/\xfe;;"),
        raw(WRITTEN, b"Set-Cookie: a=b", b"X-Name: \xe9"),
        raw(WRITTEN, *[b'Warning: 299 Elasticsearch-8.8.2 "%d is deprecated"' % number for number in range(2000)]),
        raw(WRITTEN, b'Warning: 299 Elasticsearch-8.8.2 "%b"' % (b"x" * 100_000)),
    ],
)
async def test_an_answer_may_come_in_any_form_of_http(stub: Stub, open_sink: OpenSink, reply: Reply):
    """What it says is read, whatever it is wrapped in."""
    opened = await open_sink()
    stub.script = [reply]
    await opened.sink.write(make_batch(ONE))
    assert len(stub.bulks) == 1


@pytest.mark.parametrize(
    "reply",
    [
        raw(WRITTEN[:-1]),
        raw(WRITTEN, length=len(WRITTEN) + 1),
        raw(WRITTEN, length=len(WRITTEN) - 1),
        raw(WRITTEN, b"Content-Length: -1"),
        raw(WRITTEN, b"Content-Length: 36", b"Content-Length: 3"),
        chunked(WRITTEN, end=b""),
        chunked(WRITTEN[:-1]),
        raw(b"zz\r\n" + WRITTEN, b"Transfer-Encoding: chunked"),
        raw(WRITTEN, b"Content-Encoding: gzip"),
        raw(WRITTEN, b"Content-Encoding: deflate"),
        raw(gzip.compress(WRITTEN)[:-14], b"Content-Encoding: gzip"),
        raw(WRITTEN + b"<html>"),
        raw(WRITTEN, b"X: " + b"s3cret" * 200_000),
        raw(WRITTEN, status=b"99 s3cret"),
        raw(WRITTEN, status=b"s3cret"),
        raw(b"", status=b"204 No Content"),
        Reply(raw=WRITTEN),
        Reply(raw=b"SSH-2.0-s3cret\r\n"),
        Reply(raw=b"\x15\x03\x01\x00\x02\x02\x28"),
        Reply(raw=b""),
    ],
)
async def test_an_answer_that_is_damaged_on_its_way_is_ambiguous(stub: Stub, open_sink: OpenSink, reply: Reply):
    """Cut, mangled, or not HTTP at all; what came instead is not quoted."""
    opened = await open_sink()
    stub.script = [reply]

    with pytest.raises(RetriableError, match=r"ambiguous|Server disconnected") as raised:
        await opened.sink.write(make_batch(ONE))

    assert "s3cret" not in str(raised.value)
    assert len(str(raised.value)) < 300
    await passed()
    await opened.sink.write(make_batch(ONE))
    assert len(stub.bulks) == 2


@pytest.mark.parametrize("how", [lambda at: raw(WRITTEN[:at]), lambda at: raw(WRITTEN[:at], length=len(WRITTEN))])
async def test_an_answer_that_ends_at_any_byte_is_ambiguous(stub: Stub, open_sink: OpenSink, how: object):
    """With its length told before, or without."""
    opened = await open_sink()

    for at in range(len(WRITTEN)):
        stub.script = [how(at)]  # type: ignore[operator]  # a function

        with pytest.raises(RetriableError):
            await opened.sink.write(make_batch(ONE))


@settings(max_examples=60)
@given(data=st.data())
async def test_no_bytes_at_all_are_an_error_of_another_kind(data: st.DataObject):
    """Whatever comes instead of an answer, the runtime is told what to do, and never that it was written."""
    pieces = st.sampled_from(
        [b"HTTP/1.1 ", b"200 ", b"413 ", b"401", b"\r\n", b"Content-Length: 3", b"{", b'"items"', b"\x00"]
    )
    answered = data.draw(st.one_of(st.binary(max_size=60), st.lists(pieces, max_size=8).map(b"".join)))

    async with running(Stub(script=[Reply(raw=answered)])) as stub:
        sink = ElasticsearchSink(ElasticsearchConfig(connection_url=SecretUrl(stub.url), index_name="x"))
        await sink.open(make_context())

        try:
            with pytest.raises(DeliveryError):
                await sink.write(make_batch(ONE))
        finally:
            await sink.close()


TYPES = ["image/gif", "nonsense", "", "\xff", "application/problem+json", "text/html; charset=nonsense"]


@pytest.mark.parametrize("kind", TYPES)
async def test_a_refusal_is_understood_whatever_type_its_page_is_of(stub: Stub, open_sink: OpenSink, kind: str):
    """A proxy's 413 and 401 are what they are, with a page of any type."""
    opened = await open_sink()
    stub.script = [page(401, b"<html>s3cret</html>", kind)]

    with pytest.raises(FatalError, match="refuses the credentials") as raised:
        await opened.sink.write(make_batch(ONE))

    assert "s3cret" not in str(raised.value)
    stub.script = [page(413, b"<html>Request Entity Too Large</html>", kind)]

    with pytest.raises(RejectedRecords, match="too large"):
        await opened.sink.write(make_batch(ONE))


@pytest.mark.parametrize("status", [413, 429])
async def test_a_refusal_that_comes_before_the_body_was_read(stub: Stub, open_sink: OpenSink, status: int):
    """A proxy answers and resets the connection: its answer counts where it arrives, and else the body is sent again."""
    opened = await open_sink(timeout=5)
    stub.script = [Reply(status, early=True)]
    batch = make_batch([b'{"n":"%b"}' % (b"x" * (8 << 20))])

    with pytest.raises((RejectedRecords, RetriableError), match=r"too large|HTTP 429|can't reach"):
        await opened.sink.write(batch)

    await opened.sink.write(make_batch(ONE))
    assert len(stub.documents) == 1


@pytest.mark.parametrize("piece", [b" ", b"x" * (1 << 16)])
async def test_an_answer_that_does_not_end_is_left(stub: Stub, open_sink: OpenSink, piece: bytes):
    """One that trickles in at the timeout, which is for all of it, and one that pours in before it fills the memory."""
    opened = await open_sink(timeout=0.3 if len(piece) == 1 else 60)
    stub.script = [Reply(endless=piece)]

    with pytest.raises(RetriableError, match="in time" if len(piece) == 1 else "ambiguous"):
        async with asyncio.timeout(30):
            await opened.sink.write(make_batch(ONE))


async def test_a_connection_that_was_closed_while_nobody_used_it_costs_nothing(stub: Stub, open_sink: OpenSink):
    """A server or a proxy ends idle connections; the next request makes a new one."""
    opened = await open_sink()
    stub.script = [raw(WRITTEN, length=len(WRITTEN))]
    await opened.sink.write(make_batch(ONE))
    await passed()
    await opened.sink.write(make_batch(ONE))
    assert len(stub.bulks) == 2


@pytest.mark.parametrize(
    "stray", [raw(WRITTEN, length=len(WRITTEN)), raw(b"", length=0, status=b"408 Request Timeout")]
)
async def test_what_comes_without_a_request_is_no_answer_to_the_next(stub: Stub, open_sink: OpenSink, stray: Reply):
    """A second answer, or a goodbye: the connection is not used again, and the next request gets an answer of its own."""
    opened = await open_sink()
    stub.script = [Reply(body=WRITTEN, stray=stray.raw or b"")]
    await opened.sink.write(make_batch(ONE))
    await passed()
    await passed()
    await opened.sink.write(make_batch(ONE, first_offset=1))
    assert [bulk.ids for bulk in stub.bulks] == [["orders+0+0"], ["orders+0+1"]]


async def test_a_server_that_speaks_before_it_is_asked_is_ambiguous(open_sink: OpenSink):
    """On every connection: it is not tried for ever."""
    connections = 0

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.write(b"SSH-2.0-s3cret\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)

    async with server, asyncio.timeout(10):
        with pytest.raises(RetriableError, match="ambiguous"):
            await open_sink(url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")

    assert connections < 10


async def test_proxies_of_the_environment_are_not_used(
    stub: Stub, open_sink: OpenSink, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
):
    """Nor its netrc: where documents and credentials go is said in the configuration alone."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused_tcp_port}")

    opened = await open_sink()
    await opened.sink.write(make_batch(ONE))
    assert len(stub.documents) == 1
    assert "authorization" not in stub.bulks[0].headers


async def test_cookies_are_not_kept(stub: Stub, open_sink: OpenSink):
    """A load balancer's cookie would tie us to one node."""
    opened = await open_sink()
    stub.script = [Reply(body=WRITTEN, headers={**PRODUCT, "set-cookie": "node=1"})]
    await opened.sink.write(make_batch(ONE))
    await opened.sink.write(make_batch(ONE))
    assert not [bulk for bulk in stub.bulks if "cookie" in bulk.headers]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_to_another_host_gets_neither_documents_nor_credentials(
    stub: Stub, open_sink: OpenSink, status: int
):
    """The other host hears nothing of us."""
    async with running(Stub()) as other:
        opened = await open_sink(url=f"http://u:s3cret@127.0.0.1:{stub.port}")
        stub.script = [error(status, location=f"{other.url}/_bulk")]

        with pytest.raises(
            FatalError, match=r"a redirect, which is not followed; put the final address in connection\.url"
        ):
            await opened.sink.write(make_batch(ONE))

        assert not other.requests


async def test_a_host_that_swallows_everything_is_left_after_the_connections_timeout(open_sink: OpenSink):
    """A socket with a full queue drops what asks for a connection, as a firewall does."""
    with socket.socket() as listening, socket.socket() as first, socket.socket() as second:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)

        for client in (first, second):
            client.setblocking(False)
            client.connect_ex(listening.getsockname())

        async with asyncio.timeout(20):
            with pytest.raises(RetriableError, match="did not answer in time"):
                url = f"http://127.0.0.1:{listening.getsockname()[1]}"
                await open_sink(url=url, connect_timeout_ms=100, timeout=60)


async def test_to_close_while_a_request_is_under_way_ends_it_and_leaves_nothing_open(open_sink: OpenSink):
    """It is retriable, and not passed on to the next node, whose connection nobody would close."""
    async with running(Stub()) as one, running(Stub()) as other:
        for node in (one, other):
            node.script = [HUNG, accept]

        opened = await open_sink(url=f"{one.url},{other.url}")
        writing = asyncio.ensure_future(opened.sink.write(make_batch(ONE)))

        while not one.bulks + other.bulks:
            await asyncio.sleep(0)

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            await opened.sink.close()

            with pytest.raises(RetriableError):
                async with asyncio.timeout(5):
                    await writing

        assert len(one.bulks + other.bulks) == 1
