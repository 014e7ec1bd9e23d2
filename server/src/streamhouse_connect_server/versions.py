"""Versions of what is answered, as HTTP calls them: `ETag` tells one, `If-Match` names those that may be changed."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from streamhouse_connect import Problem
from streamhouse_connect_server.bodies import invalid, shorten
from streamhouse_connect_server.errors import RequestError

if TYPE_CHECKING:
    from starlette.requests import Request

    from streamhouse_connect import ConnectorInfo, Worker

__all__ = ["etag", "expected_version"]

_ANY: Final = "*"
_TAG: Final = re.compile(r'(?:W/)?"[^"\x00-\x20\x7f]*"')
_OURS: Final = re.compile(r'"[0-9]{1,18}-[0-9a-f]{8}"')
_TAGS: Final = re.compile(rf"[\s,]*{_TAG.pattern}(?:\s*,[\s,]*{_TAG.pattern})*[\s,]*")


def etag(info: ConnectorInfo) -> dict[str, str]:
    """Return the header that tells the version of a connector's definition; its state changes without.

    Versions begin anew with a connector that is made again under its name; that is another one, and has other tags.
    """
    return {"ETag": _tag(info)}


def _tag(info: ConnectorInfo) -> str:
    return f'"{info.version}{_suffix(info)}'


def _suffix(info: ConnectorInfo) -> str:
    return f'-{sha256(info.uid.encode()).hexdigest()[:8]}"'


async def expected_version(request: Request, worker: Worker, name: str) -> int | None:
    """Return the version that a connector must have for the request to be obeyed; None: any (RFC 9110, 13.1.1).

    :raises RequestError: with the status 400, if the header is none; or 412, if no version of it is the present one.
    :raises NotFoundError: if there may be no such connector.
    """
    wanted = ",".join(request.headers.getlist("if-match")).strip()

    if wanted in ("", _ANY):
        return None

    if not _TAGS.fullmatch(wanted):
        rule = 'must be what ETag was, such as "3-1c9a5b02", with its quotation marks; or *'
        raise invalid([Problem("If-Match", f"{rule}, not {shorten(wanted)}")])

    # Weak ones match nothing here, and are left out.
    tags = {tag for tag in _TAG.findall(wanted) if _OURS.fullmatch(tag)}
    present = await worker.get(name)

    if _tag(present) in tags:
        return present.version

    # What this worker has not heard of yet, the definitions know: they compare versions themselves.
    for tag in tags:
        if len(tags) == 1 and tag.endswith(_suffix(present)):
            return int(tag[1:].partition("-")[0])

    message = f"connector {name!r} has version {_tag(present)}, not {shorten(wanted)}: read it again"
    raise RequestError(412, "version_changed", message)
