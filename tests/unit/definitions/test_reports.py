"""Reports: what is sent when, and who was heard of lately."""

from streamhouse_connect.definitions._reports import LATELY_SECONDS, REPEAT_SECONDS, Reports, StatusKey

OWN = StatusKey("here", "orders")
OTHER = StatusKey("there", "orders")


def test_news_are_due_at_once_and_repeated() -> None:
    """A report is sent when it is new, and again every few seconds; the same again is nothing new."""
    reports = Reports()

    assert reports.tell(OWN, b"1", now=0.0)
    assert reports.due(now=0.0) == [(OWN, b"1")]
    assert not reports.tell(OWN, b"1", now=1.0)
    assert reports.due(now=1.0) == []
    assert reports.due(now=REPEAT_SECONDS) == [(OWN, b"1")]
    assert reports.due(now=REPEAT_SECONDS) == []

    assert reports.tell(OWN, b"2", now=4.0)
    assert reports.due(now=4.0) == [(OWN, b"2")]


def test_what_is_withdrawn_is_said_once() -> None:
    """And what was never told need not be withdrawn."""
    reports = Reports()

    assert not reports.tell(OWN, None, now=0.0)
    reports.tell(OWN, b"1", now=0.0)
    assert reports.due(now=0.0) == [(OWN, b"1")]
    assert reports.tell(OWN, None, now=1.0)
    assert reports.of("orders", now=1.0) == {}
    assert reports.due(now=1.0) == [(OWN, None)]
    assert reports.due(now=99.0) == []


def test_all_is_withdrawn_in_the_end() -> None:
    """Whatever was reported."""
    reports = Reports()
    reports.tell(OWN, b"1", now=0.0)
    reports.tell(StatusKey("here", "returns"), b"1", now=0.0)
    reports.withdraw(now=0.0)

    assert reports.due(now=0.0) == [(OWN, None), (StatusKey("here", "returns"), None)]


def test_who_is_silent_is_left_out() -> None:
    """A worker counts as long as it was heard of lately, whatever it said; this one needs no repeating."""
    reports = Reports()
    reports.tell(OWN, b"own", now=0.0)
    reports.hear(OTHER, b"other", now=0.0)

    assert reports.of("orders", now=LATELY_SECONDS) == {"here": b"own", "there": b"other"}
    assert reports.of("orders", now=LATELY_SECONDS + 0.1) == {"here": b"own"}
    assert reports.of("returns", now=0.0) == {}

    reports.hear(OTHER, b"again", now=20.0)
    reports.forget(now=20.0)
    assert reports.of("orders", now=20.0) == {"here": b"own", "there": b"again"}

    reports.forget(now=99.0)
    assert reports.of("orders", now=20.0) == {"here": b"own"}


def test_what_another_withdraws_is_gone() -> None:
    """At once."""
    reports = Reports()
    reports.hear(OTHER, b"other", now=0.0)
    reports.hear(OTHER, None, now=0.0)

    assert reports.of("orders", now=0.0) == {}


def test_the_own_echo_is_not_listened_to() -> None:
    """What is read of this worker's own is older than what it knows."""
    reports = Reports()
    reports.tell(OWN, b"1", now=0.0)
    reports.due(now=0.0)
    reports.tell(OWN, None, now=1.0)
    reports.due(now=1.0)
    reports.hear(OWN, b"1", now=1.0)

    assert reports.of("orders", now=1.0) == {}
