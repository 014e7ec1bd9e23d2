"""What a connector is (its definition) and where definitions are kept. Knows nothing of what runs.

A store is shared by the whole process: its methods may be called from any event loop of any thread. One that several workers
share tells each of them what the others change, and what their tasks are doing. `RetriableError`, from any method that writes,
means that the store is out of reach for now.
"""

from __future__ import annotations

import asyncio
import enum
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Self

import attrs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from datetime import datetime
    from types import TracebackType

__all__ = ["Definition", "DefinitionStore", "TargetState"]


class TargetState(enum.Enum):
    """What is wanted of a connector."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"


@attrs.frozen(kw_only=True)
class Definition:
    """A connector as its user defined it; `config` holds the secrets as they were given."""

    name: str
    connector_class: str
    """The sink's canonical name."""
    topics: tuple[str, ...]
    config: Mapping[str, object] = attrs.field(repr=False)
    uid: str
    epoch: int = 0
    """Raised by a reset of offsets, and by a change of an option that is marked with `identity`."""
    reset_epoch: int = 0
    """The epoch that the last reset of offsets has begun: what was kept of an earlier one counts for nothing."""
    target: TargetState = TargetState.RUNNING
    version: int = 0
    """Set by the store: 1 for a new definition, one more with every replacement."""
    restarts: int = 0
    """How often a restart was asked for; who sees it go up starts the connector's tasks anew."""
    created_at: datetime
    updated_at: datetime


class DefinitionStore(ABC):
    """Keeps definitions, and the small states of their sinks. `async with` opens and closes it."""

    durable: ClassVar[bool]
    """Whether what is put here is still there after a restart of the process."""

    @abstractmethod
    async def open(self) -> None:
        """Make it usable."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of everything; harmless to repeat."""

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @abstractmethod
    async def all(self) -> list[Definition]:
        """Return every definition that can be read, by name."""

    async def damaged(self) -> Mapping[str, str]:
        """Return why a definition can't be read, by name; nobody can make or change one of that name, only delete it."""
        return {}

    @abstractmethod
    async def create(self, definition: Definition) -> Definition:
        """Keep a new definition and return it as it is kept, in version 1.

        :raises ConflictError: with the code `connector_exists`; or `definition_damaged`, see there.
        :raises ConfigError: if its configuration cannot be kept.
        """

    @abstractmethod
    async def replace(self, definition: Definition, *, expected: int | None = None) -> Definition:
        """Replace the definition of that name and return it as it is kept, in the next version.

        :raises NotFoundError: with the code `unknown_connector`.
        :raises ConflictError: with the code `version_changed`, if the version `expected` is not the one that is kept.
        :raises ConfigError: if its configuration cannot be kept.
        """

    @abstractmethod
    async def delete(self, name: str, *, expected: int | None = None) -> None:
        """Forget a definition and the states kept under its uid.

        :raises NotFoundError: with the code `unknown_connector`.
        :raises ConflictError: with the code `version_changed`, if the version `expected` is not the one that is kept.
        """

    @abstractmethod
    async def get_state(self, uid: str, key: str) -> tuple[bytes, int] | None:
        """Return a small value and its version."""

    @abstractmethod
    async def put_state(self, uid: str, key: str, value: bytes, *, expected: int | None) -> int:
        """Keep a small value if its version is `expected` (None: if there is none yet) and return the new version.

        :raises ConflictError: with the code `state_changed`.
        """

    @property
    def stale(self) -> str | None:
        """Why what is read here may be out of date; None if it is not."""
        return None

    async def changes(self) -> AsyncIterator[frozenset[str]]:
        """Yield the names whose definitions may have been created, replaced or deleted by others, from this call on.

        What the others did and what was read of it may differ by then: look at `all`. May end when the store is closed.
        """
        await asyncio.Event().wait()  # nobody else writes to this store
        yield frozenset()

    async def report(self, worker: str, connector: str, status: bytes | None) -> None:  # noqa: B027 - by default nobody listens
        """Tell the other workers what this worker's tasks of a connector are doing; None withdraws it.

        The store repeats it until it is withdrawn or the store closed; an equal one costs nothing. Never fails: where the
        others can't be reached, they hear of it later.
        """

    async def reports(self, connector: str) -> Mapping[str, bytes]:  # noqa: ARG002 - for those that share
        """Return what workers report of a connector, by worker, this one included; silent ones are left out after a while."""
        return {}
