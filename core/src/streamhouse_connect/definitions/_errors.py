"""What the stores say when a name or a version is not what was expected."""

from __future__ import annotations

from streamhouse_connect.errors import ConflictError, NotFoundError

__all__ = ["connector_exists", "damaged", "state_changed", "unknown_connector", "version_changed"]


def connector_exists(name: str) -> ConflictError:
    return ConflictError(
        f"there is a connector {name!r} already; choose another name, or update that one", code="connector_exists"
    )


def unknown_connector(name: str) -> NotFoundError:
    return NotFoundError(f"there is no connector {name!r}", code="unknown_connector")


def state_changed(key: str, *, expected: int | None, found: int | None) -> ConflictError:
    return ConflictError(
        f"state {key!r} has version {found}, not {expected}: somebody else has changed it; read it again",
        code="state_changed",
    )


def version_changed(name: str, *, expected: int, found: int) -> ConflictError:
    return ConflictError(
        f"connector {name!r} has version {found}, not {expected}: somebody else has changed it; read it again",
        code="version_changed",
    )


def damaged(name: str, reason: str) -> ConflictError:
    return ConflictError(
        f"the definition of connector {name!r} is damaged, or of a later version ({reason}): install that one, or delete "
        "the connector",
        code="definition_damaged",
    )
