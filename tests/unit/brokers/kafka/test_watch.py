"""The look at topics every few seconds, with brokers that answer now and then."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from types import SimpleNamespace

import attrs
import pytest
from confluent_kafka import KafkaError, KafkaException

from fakes import until
from streamhouse_connect import KafkaBroker, Subscription
from streamhouse_connect.brokers.kafka import _watch
from streamhouse_connect.brokers.kafka._watch import TopicWatch
from streamhouse_connect.testing.brokers import RecordingListener

DOWN = KafkaException(KafkaError(KafkaError._TRANSPORT, "no broker answers"))


@attrs.define
class Brokers:
    """Answer the looks as they are told, one after the other; the last answer stays."""

    answers: list[Exception | None]
    looks: int = 0
    all_asked: threading.Event = attrs.field(factory=threading.Event)

    def list_topics(self, timeout: float) -> SimpleNamespace:
        self.looks += 1

        if self.looks > len(self.answers):
            self.all_asked.set()

        answer = self.answers[min(self.looks, len(self.answers)) - 1]

        if answer is not None:
            raise answer

        return SimpleNamespace(topics={})


def watched(monkeypatch: pytest.MonkeyPatch, answers: Iterable[Exception | None]) -> TopicWatch:
    """Return a watch that has seen all these answers and looks no more."""
    brokers = Brokers(list(answers))
    monkeypatch.setattr(_watch, "AdminClient", lambda _: brokers)
    monkeypatch.setattr(_watch, "_SECONDS", 0.0)
    watch = TopicWatch({})
    watch.start()
    assert brokers.all_asked.wait(10)
    watch.close()
    return watch


def test_an_outage_is_told_when_it_begins_and_when_it_is_over(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """However many looks fail meanwhile; another outage is told anew."""
    caplog.set_level("INFO", _watch.__name__)
    watched(monkeypatch, [None, DOWN, DOWN, DOWN, None, None, DOWN])

    assert [record.message.partition(" ")[0] for record in caplog.records] == [
        "topics_not_seen",
        "topics_seen_again",
        "topics_not_seen",
    ]
    assert "no broker answers" in caplog.records[0].message


def test_an_outage_is_known_as_long_as_it_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what is the matter, and since when."""
    outage = watched(monkeypatch, [None, DOWN, DOWN]).outage
    assert outage is not None
    text = str(outage.error)
    assert text.startswith("the brokers do not answer since 20")
    assert text.endswith(" UTC: no broker answers (_TRANSPORT)")
    assert watched(monkeypatch, [DOWN, None]).outage is None


async def test_a_consumer_is_in_trouble_while_its_brokers_do_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if it was never asked for anything that failed."""
    monkeypatch.setattr(_watch, "_TIMEOUT", 0.1)

    async with KafkaBroker("127.0.0.1:1") as broker:
        consumer = broker.consumer("group", Subscription(["orders"]), RecordingListener())
        await until(lambda: consumer.trouble)
        trouble = consumer.trouble
        await consumer.poll(max_records=1, timeout=0.1)
        assert consumer.trouble is trouble
        assert "the brokers do not answer since" in str(trouble)
        await consumer.close()
