"""Changes definitions, and what runs here with them, whoever else does so at the same time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from streamhouse_connect.errors import ConflictError, NotFoundError
from streamhouse_connect.runtime.reconciler import PAUSE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamhouse_connect.definitions import Definition, DefinitionStore
    from streamhouse_connect.runtime.reconciler import Reconciler

__all__ = ["Editor", "unknown_connector"]

_TRIES: Final = 20


@attrs.frozen
class Editor:
    """Changes one definition at a time."""

    definitions: DefinitionStore
    reconciler: Reconciler

    async def change(self, name: str, change: Callable[[Definition], Definition], expected: int | None) -> None:
        """Have `change` make a new definition of the present one; without an `expected` version, of what others left.

        :raises NotFoundError: with the code `unknown_connector`.
        :raises ConflictError: with the code `version_changed`.
        """
        async with self.reconciler.lock(name):
            current, changed = await self._replaced(name, change, expected)
            await self.reconciler.apply(name, changed)

            if changed is current:
                await self.reconciler.running[name].connector.apply(changed.target, within=PAUSE_SECONDS)

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

        raise unknown_connector(name)


def unknown_connector(name: str) -> NotFoundError:
    return NotFoundError(f"there is no connector called {name!r}", code="unknown_connector")
