"""Connections in TLS: whom the sink trusts, and how it shows who it is."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest

from integration.postgres_sink.conftest import OpenSink, Sql
from integration.postgres_sink.tls import PASSWORD, Certificates, TlsProxy
from services import SystemPostgres
from streamhouse_connect import FatalError

ORDERS = "CREATE TABLE orders (id int PRIMARY KEY)"
FULL = "sslmode=verify-full&sslrootcert=ca.crt"
CLIENT = "sslcert=client.crt&sslkey=client.key"
MAJOR = pytest.mark.parametrize("postgres_server", [18], indirect=True)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes the certificates, is not installed")

    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def certificates(made: Certificates, monkeypatch: pytest.MonkeyPatch) -> Certificates:
    """Certificates in the directory that the environment names."""
    monkeypatch.setenv("STREAMHOUSE_CONNECT_CERTIFICATES", str(made.directory))
    return made


@pytest.fixture
async def port(sql: Sql, certificates: Certificates) -> AsyncIterator[int]:
    """Where the database is in TLS: for nobody but the owner of a certificate."""
    sql.run(ORDERS)
    proxy = TlsProxy(sql.url, certificates.context())
    await proxy.start()
    yield proxy.port
    await proxy.close()


def url(port: int, query: str, *, host: str = "127.0.0.1") -> str:
    return f"postgresql://postgres@{host}:{port}/postgres_sink?{query}"


@MAJOR
@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
async def test_rows_arrive_in_tls(sql: Sql, open_sink: OpenSink, port: int, mode: str):
    """With certificates on both sides, at every level of trust."""
    sink = await open_sink(url=url(port, f"sslmode={mode}&sslrootcert=ca.crt&{CLIENT}"))
    await sink.write(*[{"id": n} for n in range(5000)])
    assert sql.run("SELECT count(*) FROM orders") == [(5000,)]


@MAJOR
async def test_a_key_may_have_a_password(sql: Sql, open_sink: OpenSink, port: int):
    """Which is told to nobody, right or wrong."""
    locked = f"{FULL}&sslcert=client.crt&sslkey=locked.key"
    await (await open_sink(url=url(port, f"{locked}&sslpassword={PASSWORD}"))).write({"id": 1})
    assert sql.run("SELECT * FROM orders") == [(1,)]

    with pytest.raises(FatalError, match=r"sslkey in connection\.url") as caught:
        await open_sink(url=url(port, f"{locked}&sslpassword=hunter3"))

    assert "hunter" not in str(caught.value)


@MAJOR
@pytest.mark.parametrize(
    ("query", "host"),
    [
        (f"sslmode=verify-full&sslrootcert=other.crt&{CLIENT}", "127.0.0.1"),
        (f"sslmode=verify-ca&sslrootcert=other.crt&{CLIENT}", "127.0.0.1"),
        (f"{FULL}&{CLIENT}", "localhost"),
        (f"sslmode=verify-full&sslrootcert=missing.crt&{CLIENT}", "127.0.0.1"),
        (f"{FULL}&sslcert=client.crt&sslkey=missing.key", "127.0.0.1"),
        (f"{FULL}&sslcert=client.crt&sslkey=other.key", "127.0.0.1"),
    ],
)
async def test_who_is_not_trusted_needs_somebody(open_sink: OpenSink, port: int, query: str, host: str):
    """An authority that did not sign, another name, a missing file, a key of somebody else."""
    with pytest.raises(FatalError, match="correct sslmode, sslrootcert, sslcert and sslkey"):
        await open_sink(url=url(port, query, host=host))


@MAJOR
async def test_a_name_matters_to_verify_full_only(sql: Sql, open_sink: OpenSink, port: int):
    """verify-ca trusts whoever the authority has signed for."""
    query = f"sslmode=verify-ca&sslrootcert=ca.crt&{CLIENT}"
    await (await open_sink(url=url(port, query, host="localhost"))).write({"id": 1})
    assert sql.run("SELECT * FROM orders") == [(1,)]


@MAJOR
async def test_a_server_without_tls_needs_somebody(sql: Sql, open_sink: OpenSink, certificates: Certificates):
    """Nothing is sent in the clear instead."""
    with pytest.raises(FatalError, match="correct sslmode"):
        await open_sink(url=url(sql.server.port, FULL))


@pytest.fixture
def system(certificates: Certificates, servers: Any) -> Iterator[Sql]:
    """A server that knows its users by their certificates."""
    if SystemPostgres.newest() is None:
        pytest.skip("the system has no PostgreSQL, and the wheel's speaks no TLS: apt-get install postgresql")

    server = SystemPostgres(settings={"ssl": "on", "ssl_min_protocol_version": "TLSv1.3"})

    for setting, name in {"ssl_ca_file": "ca.crt", "ssl_cert_file": "server.crt", "ssl_key_file": "server.key"}.items():
        server.settings[setting] = str(shutil.copy2(certificates.directory / name, server.directory))

    with server:
        there = Sql(server.create_database("postgres_sink"), server)
        there.run(ORDERS)
        rules = server.directory / "data" / "pg_hba.conf"
        rules.write_text(f"hostssl all all 127.0.0.1/32 cert\n{rules.read_text()}")
        there.run("CREATE ROLE stranger LOGIN")
        there.run("SELECT pg_reload_conf()")
        yield there


@MAJOR
async def test_a_real_server_knows_its_user_by_the_certificate(system: Sql, open_sink: OpenSink):
    """Without any password; nobody else's certificate will do."""
    there = url(system.server.port, f"{FULL}&{CLIENT}")
    await (await open_sink(url=there)).write({"id": 1}, {"id": 2})

    with psycopg.connect(f"{system.url}?sslmode=disable") as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (2,)
        found = connection.execute("SELECT client_dn FROM pg_stat_ssl WHERE ssl").fetchall()

    assert found == [("/CN=postgres",)]

    other = f"{FULL}&sslcert=other.crt&sslkey=other.key"

    for query, user in ((FULL, "postgres"), (other, "postgres"), (f"{FULL}&{CLIENT}", "stranger")):
        with pytest.raises(FatalError, match="correct sslmode, sslrootcert, sslcert and sslkey"):
            await open_sink(url=url(system.server.port, query).replace("postgres@", f"{user}@"))
