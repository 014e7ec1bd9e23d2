from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator

import pytest

from streamhouse_connect.cli.logs import JsonLines, NoEchoes, TextLines, configure_logging


def record(message: str, *args: object, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("streamhouse_connect.task", logging.WARNING, "x.py", 1, message, args, None)
    made.created = 1360504980.25
    vars(made).update(extra)
    return made


@pytest.fixture
def logs() -> Iterator[None]:
    """Put the loggers back as they were."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)


def test_an_event_is_a_line_with_its_facts() -> None:
    """Time in UTC, level, event, and what belongs to it."""
    line = TextLines().format(record("retrying after=%s", 5, connector="orders"))
    assert line == "2013-02-10T14:03:00.250Z WARNING retrying after=5 connector=orders"


def test_an_event_can_not_make_lines_of_its_own() -> None:
    """A record's key with a newline does not forge an entry."""
    line = TextLines().format(record("rejected key=%s", "x\n2013-02-10T14:03:00.250Z ERROR forged\x1b[2J"))
    assert "\n" not in line
    assert "\x1b" not in line


def test_a_traceback_follows_its_event() -> None:
    """Line by line."""
    made = record("failed")

    try:
        int("\x1b[2J")
    except ValueError:
        made.exc_info = sys.exc_info()

    first, *rest = TextLines().format(made).splitlines()
    assert first.endswith("failed")
    assert rest[0].startswith("Traceback")
    assert rest[-1].startswith("ValueError: ")
    assert "\x1b" not in "".join(rest)


def test_json_lines_are_objects() -> None:
    """One a line, with whatever types the facts have."""
    made = record("stopped\nx", connector="orders", offsets={1: 2}, cause=ValueError("y"))
    line = JsonLines().format(made)
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "2013-02-10T14:03:00.250Z",
        "level": "warning",
        "logger": "streamhouse_connect.task",
        "event": "stopped\nx",
        "connector": "orders",
        "offsets": {"1": 2},
        "cause": "y",
    }


def test_only_warnings_of_client_libraries_are_logged(logs: None, capsys: pytest.CaptureFixture[str]) -> None:
    """They tell of every request at INFO."""
    configure_logging(level="info", style="text")
    logging.getLogger("httpx").info("request")
    logging.getLogger("botocore").warning("expired")
    logging.getLogger("streamhouse_s3_sink").info("opened")
    logging.getLogger("streamhouse_connect").debug("detail")
    shown = capsys.readouterr().err
    assert [line.split()[-1] for line in shown.splitlines()] == ["expired", "opened"]


def test_a_client_library_that_repeats_itself_is_heard_now_and_then() -> None:
    """The same of another client or after another time is no news; what others log is never dropped."""
    now = 0.0
    is_news = NoEchoes(clock=lambda: now)

    def said(text: str, *, name: str = "streamhouse_connect.librdkafka") -> bool:
        made = record(text)
        made.name = name
        return is_news(made)

    assert said("FAIL [c#producer-2] [thrd:a:1/bootstrap]: Connection refused (after 0ms in state CONNECT)")
    assert not said("FAIL [c#producer-7] [thrd:a:1/bootstrap]: Connection refused (after 12ms in state CONNECT)")
    assert said("FAIL [c#producer-2] [thrd:a:1/bootstrap]: Connection timed out")
    assert said("FAIL", name="streamhouse_connect.task")
    assert said("FAIL", name="streamhouse_connect.task")
    now = 29.0
    assert not said("FAIL [c#producer-2] [thrd:a:1/bootstrap]: Connection refused (after 0ms in state CONNECT)")
    now = 31.0
    assert said("FAIL [c#producer-2] [thrd:a:1/bootstrap]: Connection refused (after 0ms in state CONNECT)")
