"""What a connector is (its definition) and where definitions are kept. Knows nothing of what runs."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Self

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping
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
    target: TargetState = TargetState.RUNNING
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
        """Return every definition, by name."""

    @abstractmethod
    async def create(self, definition: Definition) -> None:
        """Keep a new definition.

        :raises ConflictError: with the code `connector_exists`.
        """

    @abstractmethod
    async def replace(self, definition: Definition) -> None:
        """Replace the definition of that name.

        :raises NotFoundError: with the code `unknown_connector`.
        """

    @abstractmethod
    async def delete(self, name: str) -> None:
        """Forget a definition and the states kept under its uid.

        :raises NotFoundError: with the code `unknown_connector`.
        """

    @abstractmethod
    async def get_state(self, uid: str, key: str) -> tuple[bytes, int] | None:
        """Return a small value and its version."""

    @abstractmethod
    async def put_state(self, uid: str, key: str, value: bytes, *, expected: int | None) -> int:
        """Keep a small value if its version is `expected` (None: if there is none yet) and return the new version.

        :raises ConflictError: with the code `state_changed`.
        """
