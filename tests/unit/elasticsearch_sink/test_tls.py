"""Whom we trust, and what we show, against servers with certificates made for the occasion."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import ssl
import subprocess
from pathlib import Path

import attrs
import pytest

from streamhouse_connect import FatalError, RetriableError, Secret
from streamhouse_connect.testing import make_batch
from unit.elasticsearch_sink.conftest import OpenSink
from unit.elasticsearch_sink.stub import Stub, running

PASSWORD = "k3y-s3cret"


@attrs.frozen
class Pair:
    """A self-signed certificate and its key."""

    certificate: Path
    key: Path

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(self.certificate.read_text())).hexdigest()

    def server(self, *, client: Path | None = None) -> ssl.SSLContext:
        """Return the context of a server, which wants a client's certificate if one is given."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self.key)

        if client:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(client)

        return context


def made(directory: Path, name: str, *, password: str | None = None) -> Pair:
    if not shutil.which("openssl"):
        pytest.skip("there is no openssl to make a certificate with")

    pair = Pair(directory / f"{name}.pem", directory / f"{name}-key.pem")
    secrecy = ["-passout", f"pass:{password}"] if password else ["-nodes"]
    alternative = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", *secrecy]
    command += ["-subj", f"/CN={name}", "-addext", alternative, "-days", "2"]
    subprocess.run([*command, "-keyout", pair.key, "-out", pair.certificate], check=True, capture_output=True)
    return pair


_AUTHORITY = """
[ca]
default_ca = only
[only]
database = {directory}/index.txt
serial = {directory}/serial
new_certs_dir = {directory}
default_md = sha256
policy = any
x509_extensions = names
[any]
commonName = supplied
[names]
subjectAltName = {names}
"""


def made_for(directory: Path, names: str, *, until: str) -> Pair:
    """Make a self-signed certificate for other names, or one that has expired."""
    pair = made(directory, "other")
    request = directory / "request.pem"
    (directory / "index.txt").touch()
    (directory / "serial").write_text("01")
    (directory / "ca.cnf").write_text(_AUTHORITY.format(directory=directory, names=names))
    command: list[str | Path] = ["openssl", "req", "-new", "-key", pair.key, "-subj", "/CN=other", "-out", request]
    subprocess.run(command, check=True, capture_output=True)
    command = ["openssl", "ca", "-batch", "-selfsign", "-notext", "-config", directory / "ca.cnf", "-keyfile", pair.key]
    command += ["-in", request, "-startdate", "20200101000000Z", "-enddate", until, "-out", pair.certificate]
    subprocess.run(command, check=True, capture_output=True)
    return pair


@pytest.fixture(scope="module")
def expired(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return made_for(tmp_path_factory.mktemp("tls"), "DNS:localhost", until="20200102000000Z")


@pytest.fixture(scope="module")
def of_another_host(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return made_for(tmp_path_factory.mktemp("tls"), "DNS:elsewhere.example.com", until="21200101000000Z")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return made(tmp_path_factory.mktemp("tls"), "server")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return made(tmp_path_factory.mktemp("tls"), "client", password=PASSWORD)


async def test_a_certificate_that_nobody_signed_is_fatal(server: Pair, open_sink: OpenSink):
    """Certificates are verified; the message says what is wrong with this one, and what to do."""
    async with running(Stub(), tls=server.server()) as stub:
        with pytest.raises(FatalError, match=r"not trusted: .*self-signed certificate.*connection\.ca\.file"):
            await open_sink(url=f"https://localhost:{stub.port}")

        assert not stub.requests


async def test_an_authority_can_be_named(server: Pair, open_sink: OpenSink):
    """And then the name in the certificate still has to be the host's."""
    async with running(Stub(), tls=server.server()) as stub:
        opened = await open_sink(url=f"https://localhost:{stub.port}", ca_file=str(server.certificate))
        await opened.sink.write(make_batch([b"{}"]))
        assert len(stub.documents) == 1


async def test_an_authority_that_did_not_sign_it_does_not_help(server: Pair, client: Pair, open_sink: OpenSink):
    """The one that is named has to be the right one."""
    async with running(Stub(), tls=server.server()) as stub:
        with pytest.raises(FatalError, match=r"not trusted: .*self-signed certificate.*connection\.ca\.file"):
            await open_sink(url=f"https://localhost:{stub.port}", ca_file=str(client.certificate))

        assert not stub.requests


async def test_a_certificate_that_has_expired_is_fatal(expired: Pair, open_sink: OpenSink):
    """Though its authority is known."""
    async with running(Stub(), tls=expired.server()) as stub:
        with pytest.raises(FatalError, match="certificate has expired"):
            await open_sink(url=f"https://localhost:{stub.port}", ca_file=str(expired.certificate))

        assert not stub.requests


async def test_a_certificate_of_another_host_is_fatal(of_another_host: Pair, open_sink: OpenSink):
    """Its authority is known, but the name is not the one in the URL."""
    async with running(Stub(), tls=of_another_host.server()) as stub:
        with pytest.raises(FatalError, match="Hostname mismatch"):
            await open_sink(url=f"https://localhost:{stub.port}", ca_file=str(of_another_host.certificate))

        assert not stub.requests


async def test_a_fingerprint_is_in_place_of_dates_and_names(expired: Pair, of_another_host: Pair, open_sink: OpenSink):
    """It is that very certificate that is trusted."""
    for pair in (expired, of_another_host):
        async with running(Stub(), tls=pair.server()) as stub:
            opened = await open_sink(url=f"https://localhost:{stub.port}", fingerprints=(pair.fingerprint,))
            await opened.sink.write(make_batch([b"{}"]))
            assert len(stub.documents) == 1


async def test_a_node_whose_certificate_is_not_trusted_is_passed_over(server: Pair, expired: Pair, open_sink: OpenSink):
    """The others go on; documents and credentials are not sent to it."""
    async with running(Stub(), tls=server.server()) as good, running(Stub(), tls=expired.server()) as bad:
        url = f"https://localhost:{bad.port},https://localhost:{good.port}"
        opened = await open_sink(url=url, ca_file=str(server.certificate), username="u", password=Secret("p"))

        for offset in range(4):
            await opened.sink.write(make_batch([b"{}"], first_offset=offset))

        assert len(good.documents) == 4
        assert not bad.requests


async def test_nodes_with_and_without_tls_stand_beside_each_other(server: Pair, open_sink: OpenSink):
    """Each is spoken to as its URL says."""
    async with running(Stub(), tls=server.server()) as secure, running(Stub()) as plain:
        url = f"https://localhost:{secure.port},{plain.url}"
        opened = await open_sink(url=url, ca_file=str(server.certificate))

        for offset in range(4):
            await opened.sink.write(make_batch([b"{}"], first_offset=offset))

        assert len(secure.documents) == len(plain.documents) == 2


async def test_http_at_a_port_with_tls_is_retriable(server: Pair, open_sink: OpenSink):
    """The other way round is too."""
    async with running(Stub(), tls=server.server()) as secure:
        with pytest.raises(RetriableError, match="can't reach"):
            await open_sink(url=f"http://localhost:{secure.port}")


async def test_a_key_that_is_encrypted_without_a_password_is_fatal(client: Pair, open_sink: OpenSink):
    """Nobody is asked for it on a terminal."""
    with pytest.raises(FatalError, match=r"connection\.certificate\.file: can't read"):
        await open_sink(url="https://localhost:1", certificate_file=str(client.certificate), key_file=str(client.key))


def with_colons(fingerprint: str) -> str:
    return bytes.fromhex(fingerprint).hex(":").upper()


@pytest.mark.parametrize("spelling", [str.lower, str.upper, with_colons])
async def test_a_certificate_can_be_named_by_its_fingerprint(server: Pair, open_sink: OpenSink, spelling: object):
    """Whoever signed it, and nothing else is trusted."""
    fingerprint = spelling(server.fingerprint)  # type: ignore[operator]  # a function

    async with running(Stub(), tls=server.server()) as stub:
        opened = await open_sink(url=f"https://localhost:{stub.port}", fingerprints=("00" * 32, fingerprint))
        await opened.sink.write(make_batch([b"{}"]))
        assert len(stub.documents) == 1


async def test_another_certificate_than_the_named_one_is_fatal(server: Pair, open_sink: OpenSink):
    """The message tells what it is, so that it can be compared, and nothing was sent."""
    async with running(Stub(), tls=server.server()) as stub:
        colons = bytes.fromhex(server.fingerprint).hex(":")

        with pytest.raises(
            FatalError, match=f"its fingerprint is {colons}, which connection.fingerprint does not name"
        ):
            await open_sink(url=f"https://localhost:{stub.port}", fingerprints=("00" * 32,))

        assert not stub.requests


@pytest.mark.parametrize("pinned", [True, False])
async def test_we_show_a_certificate_of_our_own(server: Pair, client: Pair, open_sink: OpenSink, pinned: bool):
    """Its key may be encrypted; without it such a server does not talk."""
    trust = {"fingerprints": (server.fingerprint,)} if pinned else {"ca_file": str(server.certificate)}
    shown = {"certificate_file": str(client.certificate), "key_file": str(client.key)}

    async with running(Stub(), tls=server.server(client=client.certificate)) as stub:
        url = f"https://localhost:{stub.port}"
        opened = await open_sink(url=url, **trust, **shown, key_password=Secret(PASSWORD))
        await opened.sink.write(make_batch([b"{}"]))
        assert len(stub.documents) == 1

        with pytest.raises(RetriableError):
            await open_sink(url=url, **trust)


@pytest.mark.parametrize("key", ["ca_file", "certificate_file"])
async def test_a_file_that_can_not_be_read_is_fatal_and_named(
    server: Pair, client: Pair, open_sink: OpenSink, tmp_path: Path, key: str
):
    """Missing, or not what it should be, or of another password."""
    option = f"connection.{key.replace('_', '.')}"
    (tmp_path / "nonsense.pem").write_text("nonsense")

    for name in ("missing.pem", "nonsense.pem"):
        with pytest.raises(FatalError, match=rf"{option}: can't read .*{name}"):
            await open_sink(url="https://localhost:1", **{key: str(tmp_path / name)})

    with pytest.raises(FatalError, match=r"connection\.certificate\.file: can't read") as raised:
        await open_sink(
            url="https://localhost:1",
            certificate_file=str(client.certificate),
            key_file=str(client.key),
            key_password=Secret("wr0ng-s3cret"),
        )

    assert "s3cret" not in str(raised.value)


async def test_a_server_that_never_shakes_hands_is_left_after_the_connections_timeout(open_sink: OpenSink):
    """Which is another than that of requests, and counts TLS in."""

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    async with server, asyncio.timeout(5):
        with pytest.raises(RetriableError, match="did not answer in time"):
            await open_sink(url=f"https://127.0.0.1:{port}", connect_timeout_ms=100, timeout=60)
