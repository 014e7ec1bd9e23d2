"""A client of the REST API, as far as the commands need it. Knows nothing of terminals."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar
from urllib.parse import quote, urlsplit

import attrs
import click
import msgspec

from streamhouse_connect import ConfigError, ConflictError, NotFoundError, Problem, SecretUrl
from streamhouse_connect.cli import views
from streamhouse_connect.cli.failures import CommandError

if TYPE_CHECKING:
    from types import TracebackType

    import httpx

__all__ = ["DEFAULT_URL", "Answer", "Client", "NoAnswerError"]

DEFAULT_URL: Final = "http://127.0.0.1:8080"

T = TypeVar("T")

_CONNECT_TIMEOUT: Final = 5.0
_TIMEOUT: Final = 60.0
_LOOPBACK: Final = ("localhost", "127.", "::1")


class NoAnswerError(CommandError):
    """The server did not answer; `sent` says whether it may have acted all the same."""

    def __init__(self, message: str, *, sent: bool) -> None:
        self.sent = sent
        super().__init__(message)


@attrs.frozen
class Answer(Generic[T]):
    """What the server sent: the JSON as it came, and what it means."""

    raw: bytes
    value: T


class _Error(msgspec.Struct):
    class Problem(msgspec.Struct):
        field: str
        message: str

    error_code: int
    message: str
    code: str = ""
    problems: list[Problem] = []


class Client:
    """Calls one server. `with` closes its connections."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._shown = SecretUrl(self._url).masked()
        self._http = _open(self._url)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def connectors(self) -> Answer[list[views.Connector]]:
        return self._call("GET", "/connectors", list[views.Connector])

    def connector(self, name: str) -> Answer[views.Connector]:
        return self._call("GET", f"/connectors/{_segment(name)}", views.Connector)

    def create_connector(self, body: bytes) -> Answer[views.Connector]:
        return self._call("POST", "/connectors", views.Connector, body)

    def update_connector(self, name: str, body: bytes) -> Answer[views.Connector]:
        return self._call("PUT", f"/connectors/{_segment(name)}", views.Connector, body)

    def act_on_connector(self, name: str, action: str) -> Answer[views.Connector]:
        """Ask for `pause`, `resume`, `restart` or `stop`."""
        return self._call("POST", f"/connectors/{_segment(name)}/{action}", views.Connector)

    def delete_connector(self, name: str) -> None:
        self._request("DELETE", f"/connectors/{_segment(name)}")

    def topics(self) -> list[views.Topic]:
        return self._call("GET", "/topics", list[views.Topic]).value

    def topic(self, name: str) -> views.Topic:
        return self._call("GET", f"/topics/{_segment(name)}", views.Topic).value

    def create_topic(self, topic: views.NewTopic) -> views.Topic:
        return self._call("POST", "/topics", views.Topic, msgspec.json.encode(topic)).value

    def delete_topic(self, name: str) -> None:
        self._request("DELETE", f"/topics/{_segment(name)}")

    def produce(self, records: views.NewRecords) -> int:
        """Append records; return how many the server says it has."""
        answer = self._call("POST", "/produce/batch", views.Produced, msgspec.json.encode(records))
        return answer.value.count

    def _call(self, method: str, path: str, kind: type[T], body: bytes | None = None) -> Answer[T]:
        raw = self._request(method, path, body)

        try:
            return Answer(raw, msgspec.json.decode(raw, type=kind))
        except msgspec.DecodeError as error:
            message = f"{self._shown} answered what this version does not understand: {error}; check --url"
            raise CommandError(message) from error

    def _request(self, method: str, path: str, body: bytes | None = None) -> bytes:
        import httpx  # noqa: PLC0415 - see _open

        headers = {"Content-Type": "application/json"} if body is not None else {}

        try:
            response = self._http.request(method, f"/api/v1{path}", content=body, headers=headers)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise NoAnswerError(self._not_running(error), sent=False) from error
        except httpx.TimeoutException as error:
            message = f"{self._shown} took the request and did not answer within {_TIMEOUT:.0f} s"
            raise NoAnswerError(message, sent=True) from error
        except httpx.TransportError as error:
            message = (
                f"the connection to {self._shown} broke before the answer came ({str(error) or type(error).__name__})"
            )
            raise NoAnswerError(message, sent=True) from error

        if response.is_success:
            return response.content

        raise self._refusal(response)

    def _not_running(self, error: httpx.TransportError) -> str:
        reason = _reason(error)
        remedy = "start one with: streamhouse-connect serve" if self._url == DEFAULT_URL else "check --url"
        return f"no server answers at {self._shown} ({reason}); {remedy}"

    def _refusal(self, response: httpx.Response) -> Exception:
        try:
            error = msgspec.json.decode(response.content, type=_Error)
        except msgspec.DecodeError:
            status = f"{response.status_code} {response.reason_phrase}".strip()
            return CommandError(f"{self._shown} answered {status}, and not as StreamHouse Connect does; check --url")

        if response.status_code == HTTPStatus.BAD_REQUEST:
            problems = [Problem(problem.field, problem.message) for problem in error.problems]
            return ConfigError(problems or [Problem("", error.message)])

        if response.status_code == HTTPStatus.NOT_FOUND:
            return NotFoundError(error.message, code=error.code)

        if response.status_code == HTTPStatus.CONFLICT:
            return ConflictError(error.message, code=error.code)

        return CommandError(f"{self._shown} answered {response.status_code}: {error.message}")


def _open(url: str) -> httpx.Client:
    import httpx  # noqa: PLC0415 - takes longer to import than all the rest, and half of the commands can do without

    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 0) >= 0
    except ValueError:
        parts, known = urlsplit(""), False

    if not known:
        message = f"{SecretUrl(url).masked()!r} is no URL of a server; write it as {DEFAULT_URL}"
        raise click.UsageError(message)

    # A proxy of the environment is for other machines; whoever sets one often forgets no_proxy.
    is_local = (parts.hostname or "").startswith(_LOOPBACK)
    timeout = httpx.Timeout(_TIMEOUT, connect=_CONNECT_TIMEOUT)
    return httpx.Client(base_url=url, timeout=timeout, trust_env=not is_local)


def _segment(name: str) -> str:
    """Quote a name for a path, where `.` and `..` would go elsewhere."""
    if name in ("", ".", ".."):
        message = f"{name!r} is no name"
        raise click.UsageError(message)

    return quote(name, safe="")


def _reason(error: Exception) -> str:
    """Say why no connection came about, without httpx's wrapping."""
    cause: Any = error

    while cause is not None:
        if isinstance(cause, ConnectionRefusedError):
            return "connection refused"

        cause = cause.__cause__ or cause.__context__

    return str(error).removeprefix("[Errno ").partition("] ")[2] or str(error) or "no connection"
