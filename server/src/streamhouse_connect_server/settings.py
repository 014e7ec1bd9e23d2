"""What can be set about the server. Knows nothing of HTTP or of workers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Literal

import attrs

from streamhouse_connect import ConfigError, Problem

__all__ = ["Limits", "Settings"]

_MAX_PORT: Final = 65_535
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,200}")


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

    :raises ConfigError: with everything that is wrong.
    """

    broker: Literal["embedded", "kafka"] = "embedded"
    bootstrap_servers: str | None = None
    """Of Kafka: `host:port`, several with commas between them."""
    broker_properties: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    """librdkafka's, for all clients of Kafka, and `consumer.assignment`; may hold secrets."""
    group: str = "streamhouse-connect"
    """What workers have in common that share their connectors: definitions in Kafka are in topics that begin with it."""
    definitions: Literal["kafka", "sqlite"] | None = None
    """Where connectors are kept; None: where their topics are, if workers share those."""
    worker_id: str | None = None
    """Tells this worker from the others of the group; None: the host's name and something random."""
    data_dir: Path = attrs.field(default=Path("data"), converter=Path)
    """Of the embedded broker, and of definitions in SQLite."""
    host: str = "127.0.0.1"
    port: int = 8080
    """0 takes a free one."""
    shutdown_timeout: float = 30.0
    """Seconds from the first signal until the process leaves, whatever the destinations do."""
    allowed_hosts: tuple[str, ...] = ()
    """Names under which the server is called, besides `localhost` and IP addresses; `*` stands for any name."""
    limits: Limits = attrs.field(factory=Limits)

    @property
    def shares_definitions(self) -> bool:
        """Whether other workers may have the same definitions."""
        if self.definitions is not None:
            return self.definitions == "kafka"

        return self.broker == "kafka" and not self.assigns_all_partitions

    @property
    def assigns_all_partitions(self) -> bool:
        """Whether this worker reads all partitions, without consumer groups."""
        return self.broker_properties.get("consumer.assignment") == "manual"

    def __attrs_post_init__(self) -> None:
        problems = [*self._kafka_problems(), *self._name_problems()]

        if not 0 <= self.port <= _MAX_PORT:
            problems.append(Problem("port", f"must be between 0 and {_MAX_PORT}, not {self.port}"))

        if not self.shutdown_timeout >= 0:
            problems.append(Problem("shutdown_timeout", f"must be 0 or more seconds, not {self.shutdown_timeout}"))

        if not self.host:
            problems.append(Problem("host", "must not be empty; 127.0.0.1 serves this machine only"))

        if problems:
            raise ConfigError(problems)

    def _kafka_problems(self) -> Iterator[Problem]:
        if self.broker == "kafka":
            if not self.bootstrap_servers:
                yield Problem("bootstrap_servers", "is required: where Kafka is, as --bootstrap-servers host:9092")

            if self.assigns_all_partitions and self.definitions == "kafka":
                rule = "must be sqlite with consumer.assignment=manual: workers that share definitions share partitions by groups"
                yield Problem("definitions", rule)

            return

        for field, given in (
            ("bootstrap_servers", self.bootstrap_servers is not None),
            ("broker_properties", bool(self.broker_properties)),
            ("definitions", self.definitions == "kafka"),
        ):
            if given:
                yield Problem(
                    field, "is for Kafka, and the broker is the embedded one; add --broker kafka, or leave it out"
                )

    def _name_problems(self) -> Iterator[Problem]:
        for field, name in (("group", self.group), ("worker_id", self.worker_id)):
            if name is not None and not _NAME.fullmatch(name):
                rule = "must be 1 to 200 letters, digits, dots, underscores and hyphens"
                yield Problem(field, f"{rule}, not {name[:100]!r}")
