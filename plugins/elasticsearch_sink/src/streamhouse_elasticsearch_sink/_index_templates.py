"""The index template that gives indexes their settings and mapping, whenever they are made: also anew, after they were deleted.

It is made once, at the start, if it is missing; what an administrator changes in it stays. A digest in its metadata tells what
options it was made of. Knows nothing of the client library.
"""

from __future__ import annotations

import enum
import json
import re
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from streamhouse_connect import ConfigError, FatalError, Problem, RetriableError
from streamhouse_elasticsearch_sink._answers import BROKEN, BUSY

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from streamhouse_elasticsearch_sink._writing_options import WritingOptions

__all__ = ["Applied", "apply_template", "json_object", "template_body", "template_name"]

_PRIORITY: Final = 200
"""Above those that Elasticsearch brings along, which have 100 for logs and metrics."""

_META: Final = "streamhouse"
_AUTO_CREATE: Final = "allow_auto_create"
"""Has indexes made when they are written to, also where action.auto_create_index says that they are not."""

_NO_RIGHT: Final = "its user needs the right to manage index templates, or an administrator makes it"
_UNFIT: Final = re.compile(r"[^a-z0-9._-]")


class Applied(enum.Enum):
    """What became of an index template."""

    MADE = "made"
    KEPT = "kept"
    """It was there already, as it was made with these options, whatever an administrator has changed in it."""
    DIFFERENT = "different"
    """It was there already, of other options, or of somebody else: what these options say does not count."""


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
    except RecursionError:
        raise ValueError("is nested too deeply") from None

    if not isinstance(found, dict):
        raise ValueError(f"names a file that holds no JSON object: {text}")  # noqa: TRY004 - as the other cases

    return found


def template_name(connector: str) -> str:
    """Return the name of a connector's index template."""
    return f"streamhouse-{_UNFIT.sub('-', connector.lower())}"


def template_body(options: WritingOptions, pattern: str) -> dict[str, Any] | None:
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
        made = {sections[key]: found for key, found in read.items()}
        body = {"priority": _PRIORITY, _AUTO_CREATE: True, "template": made}

    stream: dict[str, Any] = {"data_stream": {}} if options.data_stream else {}
    return {"index_patterns": [pattern], **stream, **body}


async def apply_template(
    ask: Callable[[str, str, bytes | None], Awaitable[tuple[int, bytes]]], name: str, body: Mapping[str, Any]
) -> Applied:
    """Make an index template if there is none of that name, and tell what was found; `ask` sends a request.

    :raises FatalError: if Elasticsearch does not take it.
    :raises RetriableError: if it can't be asked, or not now.
    """
    path = f"/_index_template/{quote(name, safe='')}"
    digest = sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    status, answer = await ask("GET", path, None)

    if status == HTTPStatus.OK:
        return Applied.KEPT if digest.encode() in answer else Applied.DIFFERENT

    if status == HTTPStatus.NOT_FOUND:
        # Two tasks that start at once may both find none; they put the same.
        marked = {**body, "_meta": {**(body.get("_meta") or {}), _META: digest}}
        status, answer = await ask("PUT", path, json.dumps(marked).encode())

        # OpenSearch does not know it.
        if status == HTTPStatus.BAD_REQUEST and _AUTO_CREATE in marked and _AUTO_CREATE.encode() in answer:
            del marked[_AUTO_CREATE]
            status, answer = await ask("PUT", path, json.dumps(marked).encode())

    says = f"HTTP {status}, {answer[:1000].decode(errors='replace')}"

    if status == BUSY or status >= BROKEN:
        raise RetriableError(f"the index template {name} can't be made for now: {says}")

    if status != HTTPStatus.OK:
        raise FatalError(
            f"the index template {name} of index.settings, index.mapping or index.template can't be made: {says}; "
            + ("correct what is wrong in them" if status == HTTPStatus.BAD_REQUEST else _NO_RIGHT)
        )

    return Applied.MADE
