"""The Kafka store without brokers; what it does with them is in the conformance suite and the integration tests."""

import subprocess
import sys

import pytest

from streamhouse_connect import ConfigError, FatalError, KafkaDefinitionStore, RetriableError
from streamhouse_connect.definitions import _session

NOBODY = "127.0.0.1:1"


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_session, "_REACH_SECONDS", 0.5)


def test_the_client_library_comes_with_the_store() -> None:
    """Importing the package does not take it in."""
    script = "import sys, streamhouse_connect; print('confluent_kafka' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"


def test_without_the_client_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The remedy is a command."""
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)

    with pytest.raises(FatalError, match=r"needs confluent-kafka: pip install \"streamhouse-connect\[kafka\]\""):
        KafkaDefinitionStore(NOBODY)


@pytest.mark.parametrize("group", ["", "a b", "a/b", "ä", "a" * 241])
def test_a_group_has_to_make_topics(group: str) -> None:
    """Its topics begin with its name, and topics may not have any."""
    with pytest.raises(ConfigError, match="group has to have 1 to 240 letters"):
        KafkaDefinitionStore(NOBODY, group=group)


async def test_what_is_closed_says_so() -> None:
    """A store that is not open refuses to work, in words."""
    store = KafkaDefinitionStore(NOBODY, group="group")

    with pytest.raises(FatalError, match="'group' is not open"):
        await store.all()

    assert store.stale is None
    assert store.durable


async def test_brokers_that_are_not_there_are_named() -> None:
    """Opening fails in time, with the address and the reason."""
    with pytest.raises(RetriableError, match=r"127\.0\.0\.1:1.*refused"):
        await KafkaDefinitionStore(NOBODY).open()


@pytest.mark.parametrize(
    "properties",
    [
        {"security.protocol": "nonsense"},
        {"no.such.property": "hunter2"},
        {"ssl.key.pem": "hunter2", "security.protocol": "ssl"},
        {"sasl.oauthbearer.config": "hunter2", "sasl.mechanisms": "OAUTHBEARER", "security.protocol": "sasl_plaintext"},
    ],
    ids=lambda properties: next(iter(properties)),
)
async def test_properties_that_are_wrong_show_no_secrets(properties: dict[str, str]) -> None:
    """The error says what is wrong, and neither it nor the store shows a value that may be secret."""
    store = KafkaDefinitionStore(NOBODY, properties={"sasl.password": "hunter2", **properties})

    with pytest.raises((FatalError, RetriableError)) as raised:
        await store.open()

    assert "hunter2" not in f"{raised.value!r} {raised.value} {store!r}"
