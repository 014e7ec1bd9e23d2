"""The index template that gives indexes their settings and mapping, whenever they are made: also anew, after they were deleted.

It is made once, at the start, if it is missing; what an administrator changes in it stays. Knows nothing of the client library.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from streamhouse_connect import ConfigError, FatalError, Problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from streamhouse_elasticsearch_sink._writing_options import WritingOptions

__all__ = ["apply_template", "json_object", "template_body", "template_name"]

_PRIORITY: Final = 200
"""Above those that Elasticsearch brings along, which have 100 for logs and metrics."""

_OK: Final = 200
_NOT_FOUND: Final = 404
_UNFIT: Final = re.compile(r"[^a-z0-9._-]")


def json_object(text: str) -> dict[str, Any]:
    """Read a JSON object, or the file that holds it; what is in a file is never quoted.

    :raises ValueError: with a message that completes "index.mapping …".
    """
    is_inline = text.lstrip().startswith("{")

    try:
        found = json.loads(text if is_inline else Path(text).read_bytes())
    except OSError as error:
        raise ValueError(f"names a file that can't be read: {error.strerror}: {text}") from None
    except ValueError:
        raise ValueError("is not valid JSON" if is_inline else f"names a file that is not valid JSON: {text}") from None

    if not isinstance(found, dict):
        raise ValueError(f"names a file that holds no JSON object: {text}")  # noqa: TRY004 - as the other cases

    return found


def template_name(connector: str) -> str:
    """Return the name of a connector's index template."""
    return f"streamhouse-{_UNFIT.sub('-', connector.lower())}"


def template_body(options: WritingOptions, pattern: str) -> bytes | None:
    """Return the index template of a configuration for the indexes of `pattern`; None if there is none.

    :raises ConfigError: if what an option names can't be read.
    """
    read: dict[str, Any] = {}
    problems: list[Problem] = []

    for key, text in options.index_files.items():
        try:
            read[key] = json_object(text)
        except ValueError as error:
            problems.append(Problem(key, str(error)))

    if problems:
        raise ConfigError(problems)

    if not read:
        return None

    body = read.get("index.template")

    if body is None:
        sections = {"index.settings": "settings", "index.mapping": "mappings"}
        body = {"priority": _PRIORITY, "template": {sections[key]: found for key, found in read.items()}}

        if options.data_stream:
            body["data_stream"] = {}

    return json.dumps({"index_patterns": [pattern], **body}).encode()


async def apply_template(
    ask: Callable[[str, str, bytes | None], Awaitable[tuple[int, bytes]]], name: str, body: bytes
) -> bool:
    """Make an index template if there is none of that name, and tell whether it was made; `ask` sends a request.

    :raises FatalError: if Elasticsearch does not take it.
    :raises RetriableError: if it can't be asked.
    """
    path = f"/_index_template/{quote(name, safe='')}"
    status, answer = await ask("GET", path, None)

    if status == _OK:
        return False

    if status == _NOT_FOUND:
        # Two tasks that start at once may both find none; they put the same.
        status, answer = await ask("PUT", path, body)

    if status != _OK:
        raise FatalError(
            f"the index template {name} of index.settings, index.mapping or index.template can't be made: HTTP {status}, "
            f"{answer[:1000].decode(errors='replace')}; its user needs the right to manage index templates, or an administrator makes it"
        )

    return True
