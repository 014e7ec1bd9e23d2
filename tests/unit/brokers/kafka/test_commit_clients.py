"""Clients that are kept to ask for commits, with a fake of the library's."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from streamhouse_connect.brokers.kafka import _commit_clients
from streamhouse_connect.brokers.kafka._commit_clients import CommitClients

MOVED = KafkaException(KafkaError(KafkaError.NOT_COORDINATOR))
PLACES = [TopicPartition("orders", 0)]


@attrs.define(eq=False)
class FakeClient:
    """Fails as long as there are failures."""

    group: str
    failures: list[KafkaException]
    is_closed: bool = False

    def committed(self, places: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        assert not self.is_closed

        if self.failures:
            raise self.failures.pop(0)

        return places

    def close(self) -> None:
        self.is_closed = True


@attrs.define
class Library:
    """Makes clients."""

    failures: list[KafkaException] = attrs.field(factory=list)
    made: list[FakeClient] = attrs.field(factory=list)

    def client(self, properties: Mapping[str, str]) -> FakeClient:
        self.made.append(FakeClient(properties["group.id"], self.failures))
        return self.made[-1]


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    library = Library()
    monkeypatch.setattr(_commit_clients, "Client", library.client)
    return library


def test_a_group_that_is_asked_about_again_needs_no_new_client(library: Library) -> None:
    """Each group has its own."""
    clients = CommitClients({})

    for group in ("a", "b", "a", "b"):
        assert clients.committed(group, PLACES, 1.0) == PLACES

    assert [each.group for each in library.made] == ["a", "b"]


def test_the_clients_of_a_few_groups_are_kept(library: Library) -> None:
    """The one that was not used for longest is ended."""
    clients = CommitClients({})

    for number in range(9):
        clients.committed(f"g{number}", PLACES, 1.0)

    assert [each.group for each in library.made if each.is_closed] == ["g0"]


def test_a_kept_client_that_fails_is_replaced(library: Library) -> None:
    """Who asks does not notice that a coordinator has moved."""
    clients = CommitClients({})
    clients.committed("a", PLACES, 1.0)
    library.failures.append(MOVED)

    assert clients.committed("a", PLACES, 1.0) == PLACES
    assert [each.is_closed for each in library.made] == [True, False]


def test_a_new_client_that_fails_is_ended(library: Library) -> None:
    """And its error is told."""
    library.failures.append(MOVED)

    with pytest.raises(KafkaException):
        CommitClients({}).committed("a", PLACES, 1.0)

    assert [each.is_closed for each in library.made] == [True]


def test_nothing_outlives_its_owner(library: Library) -> None:
    """Clients that are kept are ended with it."""
    clients = CommitClients({})
    clients.committed("a", PLACES, 1.0)
    clients.close()
    clients.close()

    assert [each.is_closed for each in library.made] == [True]
