"""What exists while a Kafka definition store is open: its reader, its writer, its reporter, and their threads."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import attrs

from streamhouse_connect.definitions._clients import Complaints, make_admin
from streamhouse_connect.definitions._fenced import FencedWriter
from streamhouse_connect.definitions._reader import Reader
from streamhouse_connect.definitions._reporter import Reporter
from streamhouse_connect.definitions._reports import Reports
from streamhouse_connect.definitions._topics import ensure_topics

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Session"]

_REACH_SECONDS: Final = 10.0
_READ_SECONDS: Final = 60.0


@attrs.frozen
class Session:
    """Made by `start`; `close` ends all of it."""

    reader: Reader
    writer: FencedWriter
    reporter: Reporter

    @classmethod
    def start(cls, properties: Mapping[str, str], *, group: str, clock: Callable[[], float]) -> Session:
        """Make the topics if they are missing, and read them. Blocks.

        :raises RetriableError: if the brokers do not answer in time.
        :raises FatalError: if they refuse, or if definitions would not last in the topic that there is.
        """
        configs, status = f"{group}-configs", f"{group}-status"
        complaints = Complaints()
        admin = make_admin(properties, complaints=complaints)
        ensure_topics(admin, configs=configs, status=status, complaints=complaints, timeout=_REACH_SECONDS)
        reports = Reports()

        with ExitStack() as stack:
            reader = Reader(properties, admin=admin, configs=configs, status=status, reports=reports, clock=clock)
            stack.callback(reader.close)
            reader.start(timeout=_READ_SECONDS)
            reporter = Reporter(properties, topic=status, reports=reports, clock=clock)
            stack.callback(reporter.close)
            writer = FencedWriter(properties, topic=configs, reader=reader)
            stack.pop_all()

        return cls(reader, writer, reporter)

    def close(self) -> None:
        """Finish what was submitted and withdraw the reports, within seconds."""
        self.writer.close()
        self.reporter.close()
        self.reader.close()
