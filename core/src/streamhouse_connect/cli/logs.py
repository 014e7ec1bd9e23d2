"""How events are written: one line each on stderr, for people or for machines."""

from __future__ import annotations

import logging
import re
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import attrs
import msgspec

from streamhouse_connect.cli.output import clean

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LEVELS", "JsonLines", "NoEchoes", "TextLines", "configure_logging"]

LEVELS: Final = ("debug", "info", "warning", "error")

_CHATTY: Final = ".librdkafka"
_ECHO_SECONDS: Final = 30.0
_NUMBER: Final = re.compile(r"\w+-\d+|\d+")
"""What sets clients and attempts apart."""

_STANDARD: Final = frozenset({*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"})


def configure_logging(*, level: str, style: str) -> None:
    """Send every logger's events to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if style == "json" else TextLines())
    handler.addFilter(_is_of_interest)
    handler.addFilter(NoEchoes())
    logging.captureWarnings(capture=True)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def _is_of_interest(record: logging.LogRecord) -> bool:
    """Leave out what client libraries tell of every request; their warnings count."""
    return record.levelno >= logging.WARNING or record.name.startswith("streamhouse_")


@attrs.define(eq=False)
class NoEchoes:
    """A filter: each of Kafka's clients tells of each attempt to connect, several a second; one in half a minute is enough."""

    clock: Callable[[], float] = time.monotonic
    _told: dict[str, float] = attrs.field(factory=dict, init=False)

    def __call__(self, record: logging.LogRecord) -> bool:
        if not record.name.endswith(_CHATTY):
            return True

        now = self.clock()
        text = _NUMBER.sub("", record.getMessage())
        told = {each: at for each, at in self._told.items() if now - at < _ECHO_SECONDS}
        self._told = {text: now, **told}
        return text not in told


class TextLines(logging.Formatter):
    """`2026-02-10T14:03:01.250Z INFO event key=value`; a traceback follows in lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        extras = "".join(f" {key}={value}" for key, value in _extras(record).items())
        line = clean(f"{_time(record)} {record.levelname} {record.getMessage()}{extras}")

        if record.exc_info:
            trace = self.formatException(record.exc_info)
            return "\n".join([line, *(clean(part) for part in trace.splitlines())])

        return line


class JsonLines(logging.Formatter):
    """One object a line."""

    def format(self, record: logging.LogRecord) -> str:
        event: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **_extras(record),
        }

        if record.exc_info:
            event["trace"] = self.formatException(record.exc_info)

        return msgspec.json.encode(event, enc_hook=str).decode()


def _extras(record: logging.LogRecord) -> dict[str, object]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
