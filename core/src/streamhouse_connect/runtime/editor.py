"""Changes definitions as operators ask for it, and what runs here with them, whoever else does so at the same time."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import attrs

from streamhouse_connect.definitions import Definition
from streamhouse_connect.errors import ConflictError, NotFoundError
from streamhouse_connect.runtime.journal import tell
from streamhouse_connect.runtime.reconciler import PAUSE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from streamhouse_connect.definitions import DefinitionStore
    from streamhouse_connect.runtime.reconciler import Reconciler
    from streamhouse_connect.runtime.spec import ConnectorSpec

__all__ = ["Editor", "unknown_connector"]

_TRIES: Final = 20
_NAMESPACE: Final = uuid.UUID("9f0b7d7e-0f5c-5d0a-8f57-0d8f2f1c6a55")


@attrs.frozen
class Editor:
    """Changes one definition at a time."""

    definitions: DefinitionStore
    reconciler: Reconciler

    async def create(self, spec: ConnectorSpec) -> None:
        """Define a connector, and run it.

        :raises ConflictError: with the code `connector_exists` or `definition_damaged`.
        """
        now = datetime.now(UTC)

        definition = Definition(
            name=spec.name,
            connector_class=spec.connector_class,
            topics=spec.topics,
            config=spec.config,
            uid=spec.uid or self._mint(spec.name),
            target=spec.target,
            created_at=now,
            updated_at=now,
        )

        async with self.reconciler.lock(spec.name):
            made = await self.definitions.create(definition)
            topics = made.topics or f"/{made.config.get('topics.regex')}/"
            facts = {"class": made.connector_class, "target": made.target.value, "topics": topics}
            tell(made.name, "connector_created", {"version": made.version, **facts})
            await self.reconciler.apply(made.name, made)

    async def change(
        self, name: str, change: Callable[[Definition], Definition], expected: int | None, *, event: str
    ) -> None:
        """Have `change` make a new definition of the present one; without an `expected` version, of what others left.

        `event` is told if it is another one.

        :raises NotFoundError: with the code `unknown_connector`.
        :raises ConflictError: with the code `version_changed` or `definition_damaged`.
        """
        async with self.reconciler.lock(name):
            current, changed = await self._replaced(name, change, expected)

            if changed is not current:
                facts = {"version": changed.version, "changed": _difference(current, changed) or None}
                tell(name, event, facts)

            await self.reconciler.apply(name, changed)

            if changed is current:
                await self.reconciler.running[name].connector.apply(changed.target, within=PAUSE_SECONDS)

    async def delete(self, name: str, expected: int | None, *, then: Callable[[], Awaitable[None]]) -> None:
        """Forget a definition, one that can't be read too, and stop what it defined; do something else before it can be made again.

        :raises NotFoundError: with the code `unknown_connector`.
        :raises ConflictError: with the code `version_changed`.
        """
        async with self.reconciler.lock(name):
            await self.definitions.delete(name, expected=expected)
            tell(name, "connector_deleted")
            self.reconciler.damaged = await self.definitions.damaged()
            await self.reconciler.apply(name, None)
            await then()

    def _mint(self, name: str) -> str:
        return str(uuid.uuid4() if self.definitions.durable else uuid.uuid5(_NAMESPACE, name))

    async def _replaced(
        self, name: str, change: Callable[[Definition], Definition], expected: int | None
    ) -> tuple[Definition, Definition]:
        """Return the definition as it was and as it is now."""
        tries = _TRIES

        while True:
            tries -= 1
            current = await self._find(name)
            changed = change(current)

            if changed is current and expected in (None, current.version):
                return current, current

            try:
                version = current.version if expected is None else expected
                return current, await self.definitions.replace(changed, expected=version)
            except ConflictError as error:
                if error.code != "version_changed" or expected is not None or not tries:
                    raise

    async def _find(self, name: str) -> Definition:
        for definition in await self.definitions.all():
            if definition.name == name:
                return definition

        if reason := (await self.definitions.damaged()).get(name):
            raise ConflictError(reason, code="definition_damaged")

        raise unknown_connector(name)


def _difference(one: Definition, other: Definition) -> tuple[str, ...]:
    """Return the names of the options that are not the same in both, and `topics` if those are not; not their values."""
    keys = sorted({*one.config, *other.config})
    options = (key for key in keys if one.config.get(key) != other.config.get(key))
    return (*(["topics"] if one.topics != other.topics else []), *options)


def unknown_connector(name: str) -> NotFoundError:
    return NotFoundError(f"there is no connector {name!r}", code="unknown_connector")
