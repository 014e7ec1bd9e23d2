"""What every test may ask for: real servers, started once, each test with a database, bucket or prefix of its own."""

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from functools import cache
from typing import Any, Final, Literal, NoReturn, TypeVar, cast

import botocore.session
import pytest
from hypothesis import settings

from scheduling import Spread, processes
from services import (
    UNSYNCED,
    Bucket,
    Database,
    Elasticsearch,
    Elasticsearch9,
    Indices,
    Kafka,
    Ministack,
    OpenSearch,
    Postgres,
    S3Server,
    SearchServer,
    SeaweedFS,
    Service,
    ServiceUnavailableError,
    Topics,
)

S = TypeVar("S", bound=Service)
_FAILURES = pytest.StashKey[dict[object, str]]()
_SEARCH_SERVERS: Final[Mapping[str, type[Elasticsearch | OpenSearch]]] = {
    "elasticsearch 8": Elasticsearch,
    "elasticsearch 9": Elasticsearch9,
    "opensearch": OpenSearch,
}

# Clients of S3 have one reader of the descriptions of AWS, as those of one session have: reading them takes a quarter of a second.
botocore.session.create_loader = cache(botocore.session.create_loader)

settings.register_profile("tests", deadline=None, print_blob=True)  # this machine may be slow; say how to repeat
settings.load_profile("tests")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --require-services."""
    parser.addoption(
        "--require-services",
        action="store_true",
        help="a server that cannot be started is a failure, not a reason to skip",
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Say what `--numprocesses auto` means."""
    return processes()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Spread | None:
    """Spread the tests in our way for `--dist loadfile`."""
    return Spread(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_configure(config: pytest.Config) -> None:
    """Remember what could not be started, and why, so that it is tried once."""
    config.stash[_FAILURES] = {}


def pytest_collection_finish(session: pytest.Session) -> None:
    """Download what the collected tests need now, since no test has the time to."""
    if session.config.option.collectonly:
        return

    needed = {server for item in session.items if isinstance(item, pytest.Function) for server in _downloaded(item)}

    for server in needed:
        try:
            server.install()
        except ServiceUnavailableError as error:
            session.config.stash[_FAILURES][server] = str(error)


def _downloaded(test: pytest.Function) -> Iterator[type[Elasticsearch | Kafka | OpenSearch]]:
    if "kafka_server" in test.fixturenames:
        yield Kafka

    if "elasticsearch_server" in test.fixturenames:
        chosen = test.callspec.params if hasattr(test, "callspec") else {}
        yield _SEARCH_SERVERS[str(chosen.get("elasticsearch_server", "elasticsearch 8"))]


class Servers:
    """The servers of a test session: each is started when it is first asked for, and again if a test killed it."""

    def __init__(self, stack: ExitStack, failures: dict[object, str], *, are_required: bool) -> None:
        self._stack = stack
        self._are_required = are_required
        self._servers: dict[object, Service] = {}
        self._failures = failures

    def start(self, key: object, create: Callable[[], S]) -> S:
        """Return the running server of that key; skip the test, or fail it if servers are required, without one."""
        if key in self._failures:
            self._give_up(self._failures[key])

        server = self._servers.get(key)

        if server is None:
            server = self._servers[key] = self._stack.enter_context(closing(create()))

        try:
            server.start()
        except ServiceUnavailableError as error:
            self._failures[key] = str(error)
            self._give_up(str(error))

        return cast("S", server)

    def _give_up(self, reason: str) -> NoReturn:
        if self._are_required:
            pytest.fail(reason, pytrace=False)

        pytest.skip(reason)


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> Iterator[Servers]:
    """Every server of this session; they end with it."""
    with ExitStack() as stack:
        yield Servers(
            stack, request.config.stash[_FAILURES], are_required=request.config.getoption("--require-services")
        )


@pytest.fixture
def start_service(servers: Servers) -> Iterator[Callable[[Service], None]]:
    """Start a server that belongs to this test alone (to kill it, or with settings of its own)."""
    with ExitStack() as stack:

        def start(service: Service) -> None:
            stack.enter_context(closing(service))
            servers.start(service, lambda: service)

        yield start


@pytest.fixture
def postgres_server(request: pytest.FixtureRequest, servers: Servers) -> Postgres:
    """PostgreSQL 18, or the major given by @pytest.mark.parametrize("postgres_server", [16, 18], indirect=True)."""
    major: Literal[16, 18] = getattr(request, "param", 18)
    return servers.start(("postgres", major), lambda: Postgres(major, settings=UNSYNCED))


@pytest.fixture
def postgres(postgres_server: Postgres) -> Iterator[Database]:
    """An empty database of postgres_server."""
    name = f"test_{secrets.token_hex(4)}"
    yield Database(name, postgres_server.create_database(name), postgres_server)
    postgres_server.start()  # the test may have killed it
    postgres_server.drop_database(name)


@pytest.fixture
def s3_server(request: pytest.FixtureRequest, servers: Servers) -> S3Server:
    """SeaweedFS, or what @pytest.mark.parametrize("s3_server", ["seaweedfs", "ministack"], indirect=True) says."""
    backend = {"seaweedfs": SeaweedFS, "ministack": Ministack}[getattr(request, "param", "seaweedfs")]
    return servers.start(backend, backend)


@pytest.fixture
def s3(s3_server: S3Server) -> Bucket:
    """An empty bucket of s3_server."""
    name = f"test-{secrets.token_hex(4)}"
    s3_server.create_bucket(name)
    return Bucket(name, s3_server)


@pytest.fixture
def elasticsearch_server(request: pytest.FixtureRequest, servers: Servers) -> SearchServer:
    """Elasticsearch 8, or what @pytest.mark.parametrize("elasticsearch_server", ["elasticsearch 9", "opensearch"], indirect=True) says."""
    server = _SEARCH_SERVERS[getattr(request, "param", "elasticsearch 8")]
    return servers.start(server, server)


@pytest.fixture
def elasticsearch(elasticsearch_server: SearchServer) -> Iterator[Indices]:
    """A prefix for the names of indices on elasticsearch_server."""
    prefix = f"test-{secrets.token_hex(4)}-"
    yield Indices(prefix, elasticsearch_server)
    elasticsearch_server.start()  # the test may have killed it
    elasticsearch_server.request("DELETE", f"/{prefix}*")


@pytest.fixture
def kafka_server(servers: Servers) -> Kafka:
    """A cluster of one node of Kafka 4."""
    return servers.start(Kafka, Kafka)


@pytest.fixture
def kafka(kafka_server: Kafka) -> Iterator[Topics]:
    """A prefix for the names of topics and groups on kafka_server."""
    prefix = f"test-{secrets.token_hex(4)}-"
    yield Topics(prefix, kafka_server)
    kafka_server.start()  # the test may have killed it
    kafka_server.delete_topics(prefix)
