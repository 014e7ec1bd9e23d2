"""What can be set about the server. Knows nothing of HTTP or of workers."""

from __future__ import annotations

from pathlib import Path

import attrs

from streamhouse_connect import ConfigError, Problem

__all__ = ["Limits", "Settings"]

_MAX_PORT = 65_535


@attrs.frozen(kw_only=True)
class Limits:
    """Bounds on what one request may take up in memory."""

    body_bytes: int = 1024 * 1024
    """The body of a request, except for those that bring records."""
    records_bytes: int = 32 * 1024 * 1024
    """The body of a request that brings records."""
    consumed_records: int = 100_000
    """The largest `max_records` of a consume request."""
    consumed_bytes: int = 16 * 1024 * 1024
    """A consume answer ends with the read that takes it past so many bytes of keys and values."""


@attrs.frozen(kw_only=True)
class Settings:
    """How to serve.

    :raises ConfigError: if a number is out of range.
    """

    data_dir: Path = attrs.field(default=Path("data"), converter=Path)
    host: str = "127.0.0.1"
    port: int = 8080
    """0 takes a free one."""
    shutdown_timeout: float = 30.0
    """Seconds from the first signal until the process leaves, whatever the destinations do."""
    allowed_hosts: tuple[str, ...] = ()
    """Names under which the server is called, besides `localhost` and IP addresses; `*` stands for any name."""
    limits: Limits = attrs.field(factory=Limits)

    def __attrs_post_init__(self) -> None:
        problems = []

        if not 0 <= self.port <= _MAX_PORT:
            problems.append(Problem("port", f"must be between 0 and {_MAX_PORT}, not {self.port}"))

        if not self.shutdown_timeout >= 0:
            problems.append(Problem("shutdown_timeout", f"must be 0 or more seconds, not {self.shutdown_timeout}"))

        if not self.host:
            problems.append(Problem("host", "must not be empty; 127.0.0.1 serves this machine only"))

        if problems:
            raise ConfigError(problems)
