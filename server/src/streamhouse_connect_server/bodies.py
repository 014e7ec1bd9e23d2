"""JSON in: reads a request's body within a limit, and says everything that is wrong with it at once.

Knows nothing of what the bodies mean.
"""

from __future__ import annotations

import difflib
import re
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_args, get_origin

import msgspec

from streamhouse_connect import Problem
from streamhouse_connect_server.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from starlette.requests import Request

__all__ = ["invalid", "parse", "parse_object", "read_json", "shorten", "unknown_key", "unknown_keys"]

S = TypeVar("S", bound=msgspec.Struct)

_JSON = re.compile(r"application/(?:[a-z0-9!#$&^_.+-]+\+)?json", re.IGNORECASE)
_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([^\s;\"]+)", re.IGNORECASE)
_HIGH_SURROGATE = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u)")
_TYPES = re.compile(r"`([^`]*)`")
_INDEX = re.compile(r"\[\d+\]")
_NAMES: Final = {
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "str": "a string",
    "array": "an array",
    "object": "an object",
    "null": "null",
}
_MAX_DEPTH: Final = 32
_MAX_KEYS: Final = 1_000
_MAX_ITEMS: Final = 10_000
_MAX_PROBLEMS: Final = 100
_MAX_QUOTED: Final = 100
_TOO_DEEP: Final = "the body is nested too deeply"


async def read_json(request: Request, *, limit: int) -> bytes:
    """Return the body: at most `limit` bytes of UTF-8, declared to be JSON.

    :raises RequestError: with the status 400, 413 or 415.
    """
    _check_type(request)

    if int(request.headers.get("content-length", 0)) > limit:
        raise _too_large(limit)

    body = bytearray()

    async for chunk in request.stream():
        body += chunk

        if len(body) > limit:
            raise _too_large(limit)

    try:
        # Not needed for its outcome: where a value's raw text is kept, the decoder does not look at it this closely.
        if not body.isascii():
            body.decode()
    except UnicodeDecodeError as exc:
        raise _malformed(f"byte {exc.start} is not UTF-8 ({exc.reason})") from None

    return bytes(body)


def _check_type(request: Request) -> None:
    content_type = request.headers.get("content-type", "application/json")
    media_type = content_type.partition(";")[0].strip()

    if not _JSON.fullmatch(media_type):
        message = f"a body must be JSON, not {shorten(media_type)}; add the header 'Content-Type: application/json'"
        raise RequestError(415, "unsupported_media_type", message)

    charset = _CHARSET.search(content_type)

    if charset and charset[1].lower().replace("-", "") not in ("utf8", "usascii"):
        message = f"a body must be UTF-8, not {shorten(charset[1])}"
        raise RequestError(415, "unsupported_media_type", message)

    encoding = request.headers.get("content-encoding", "identity")

    if encoding.lower() != "identity":
        message = f"a body must not be compressed; leave out 'Content-Encoding: {shorten(encoding)}'"
        raise RequestError(415, "unsupported_media_type", message)


def _too_large(limit: int) -> RequestError:
    return RequestError(413, "body_too_large", f"the body is larger than {limit} bytes; send less at a time")


def _malformed(reason: str) -> RequestError:
    return RequestError(400, "invalid_json", f"the body is not valid JSON: {reason}")


def parse(body: bytes, kind: type[S]) -> S:
    """Read an object.

    :raises RequestError: with the status 400, and every field that is wrong.
    """
    with _decoding(body):
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.ValidationError:
            problems = list(islice(_problems(body, kind), _MAX_PROBLEMS))

    raise invalid(problems)


def parse_object(body: bytes) -> dict[str, object]:
    """Read an object of any shape: at most 32 levels deep, with 1,000 keys in an object and 10,000 items in an array.

    Whoever looks at all of them, and at which of them are alike, then has an end in sight.

    :raises RequestError: with the status 400.
    """
    with _decoding(body):
        parsed = msgspec.json.decode(body, type=dict[str, Any])

    level: list[tuple[str, object]] = [("", parsed)]

    for _ in range(_MAX_DEPTH):
        problems = [Problem(field, wrong) for field, value in level if (wrong := _too_many(value, field))]

        if problems:
            raise invalid(problems)

        level = [child for field, value in level for child in _children(value, field)]

    if level:
        raise _malformed(_TOO_DEEP)

    return parsed


@contextmanager
def _decoding(body: bytes) -> Iterator[None]:
    try:
        yield
    except msgspec.ValidationError as exc:
        raise invalid([_problem("", exc)]) from None
    except RecursionError:
        raise _malformed(_TOO_DEEP) from None
    except msgspec.DecodeError as exc:
        reason = str(exc).removeprefix("JSON is malformed: ")

        if "truncated" in reason:
            # Which is also what the decoder says of the first half of a pair that is close to the end.
            half = _HIGH_SURROGATE.search(body)
            reason = f"invalid utf-16 surrogate pair (byte {half.start()})" if half else "it ends too early"

        raise _malformed(reason) from None


def _children(parent: object, field: str) -> Iterable[tuple[str, object]]:
    if isinstance(parent, dict):
        prefix = f"{field}." if field else ""
        return ((prefix + key[:_MAX_QUOTED], child) for key, child in parent.items())

    return ((f"{field}[{index}]", child) for index, child in enumerate(parent)) if isinstance(parent, list) else ()


def _too_many(value: object, field: str) -> str | None:
    counts = ((dict, "keys", _MAX_KEYS), (list, "items", _MAX_ITEMS))

    for kind, what, most in counts:
        if isinstance(value, kind) and len(value) > most:
            return f"{'' if field else 'the body '}has {len(value):,} {what}; {most:,} are the most that is taken"

    return None


def _problems(body: bytes | msgspec.Raw, kind: type[msgspec.Struct], prefix: str = "") -> Iterator[Problem]:
    """Decode field by field: the decoder itself stops at the first one that is wrong."""
    try:
        given = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except msgspec.ValidationError as exc:
        yield _problem(prefix.removesuffix("."), exc)
        return

    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}

    for key, field in fields.items():
        if key in given:
            yield from _field_problems(given[key], field.type, prefix + key)
        elif field.required:
            yield Problem(prefix + key, "is required")

    for key in given.keys() - fields.keys():
        yield Problem(prefix + key[:_MAX_QUOTED], unknown_key(key, fields))


def _field_problems(raw: msgspec.Raw, kind: Any, field: str) -> Iterator[Problem]:
    item = next(iter(get_args(kind)), None) if get_origin(kind) is list else None

    try:
        if isinstance(item, type) and issubclass(item, msgspec.Struct):
            for index, each in enumerate(msgspec.json.decode(raw, type=list[msgspec.Raw])):
                yield from _problems(each, item, f"{field}[{index}].")
        else:
            msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as exc:
        yield _problem(field, exc)


def _problem(field: str, exc: msgspec.ValidationError) -> Problem:
    """Put the decoder's message into words that do not take Python for granted."""
    message, _, path = str(exc).partition(" - at `")
    place = "".join(_INDEX.findall(path))
    message = _TYPES.sub(lambda found: " or ".join(_NAMES.get(name, name) for name in found[1].split(" | ")), message)
    message = message.replace("Expected ", "must be ", 1).replace(", got ", ", not ", 1)

    if not message.startswith("must "):
        message = "is out of range" if "out of range" in message else f"is wrong: {message}"

    return Problem(field + place, message if field else f"the body {message}")


def invalid(problems: Sequence[Problem]) -> RequestError:
    """Make the error for a body or a query that breaks rules."""
    problems = problems[:_MAX_PROBLEMS]
    message = "; ".join(str(problem) for problem in problems[:3])
    message += "; …" if len(problems) > 3 else ""  # noqa: PLR2004 - the rest is in `problems`
    return RequestError(400, "invalid_request", message, tuple(problems))


def unknown_keys(given: Iterable[str], known: Iterable[str]) -> list[str]:
    """Say of every key that nobody knows what `unknown_key` does; of the hundredth on, how many there are."""
    unknown = [key for key in given if key not in known]
    told = [f"{key[:_MAX_QUOTED]} {unknown_key(key, known)}" for key in unknown[:_MAX_PROBLEMS]]
    more = len(unknown) - len(told)
    return [*told, f"{more:,} more are not known"] if more else told


def unknown_key(key: str, known: Iterable[str]) -> str:
    """Say that nobody knows `key`, and which one may have been meant."""
    close = difflib.get_close_matches(key[:_MAX_QUOTED], list(known), n=1)
    return "is not known" + (f"; did you mean {close[0]!r}?" if close else "")


def shorten(text: str) -> str:
    """Quote what a client sent, cut where it goes on and on."""
    return repr(text if len(text) <= _MAX_QUOTED else text[:_MAX_QUOTED] + "…")
