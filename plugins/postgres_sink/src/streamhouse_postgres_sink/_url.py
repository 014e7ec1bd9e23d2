"""Connection URLs: what is wrong with one, and what libpq is told.

libpq reads a URL more generously than others do: `host=` in the query overrides the host that everybody sees, and an @ in the
password may move the host. A URL is only accepted if both readings agree and the query holds nothing but harmless
parameters. No message repeats what may be a password.

Who writes a connector may not read the worker's files: certificates and keys are named within one directory, which only the
worker's environment chooses.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

import psycopg
from psycopg.conninfo import conninfo_to_dict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from streamhouse_connect import SecretUrl

__all__ = ["certificates", "connection_parameters", "has_password", "place", "troubles_with"]

_DIRECTORY: Final = "STREAMHOUSE_CONNECT_CERTIFICATES"
_FILES: Final = ("sslcert", "sslkey", "sslrootcert")
_SYSTEM: Final = "system"
"""As sslrootcert: the certificates that the operating system trusts."""

_SCHEME: Final = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{0,20})://")
_HOST: Final = re.compile(r"(?:\[(?P<v6>[^\]]*)\]|(?P<name>[^:\[\]]*))(?::(?P<port>[0-9]*))?")
_PARAMETER: Final = re.compile(r"[a-z_]{1,40}")

_MAX_PORT: Final = 65535
_PARAMETERS: Final = frozenset(
    {
        "application_name",
        "channel_binding",
        "connect_timeout",
        "password",
        "sslcert",
        "sslkey",
        "sslmode",
        "sslpassword",
        "sslrootcert",
        "target_session_attrs",
    }
)
_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "channel_binding": ("disable", "prefer", "require"),
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "target_session_attrs": ("any", "read-write", "primary"),  # of those that exist, what can be written to
}
_DEFAULTS: Final[Mapping[str, str]] = {
    "connect_timeout": "10",
    # A peer that is gone without a word is noticed within a minute.
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "client_encoding": "UTF8",
    # Where the URL leads: not where PGHOSTADDR, PGPORT, PGTARGETSESSIONATTRS or PGSERVICE in the worker's environment do.
    "hostaddr": "",
    "port": "5432",
    "target_session_attrs": "any",
}


def certificates() -> Path:
    """Return the directory of certificates and keys: libpq's own, unless the worker's environment names another."""
    return Path(os.environ.get(_DIRECTORY) or Path.home() / ".postgresql")


def troubles_with(url: SecretUrl, *, directory: Path) -> Iterator[str]:
    """Yield everything that is wrong with the URL, each without a secret; certificates have to be in `directory`."""
    scheme = _SCHEME.match(url.reveal())

    if not scheme or scheme["scheme"] not in ("postgres", "postgresql"):
        seen = f", but starts with {scheme[0]}" if scheme else ""
        jdbc = "; leave out jdbc:" if url.reveal().startswith("jdbc:") else ""
        yield f"must start with postgresql:// or postgres://{seen}{jdbc}"
        return

    if not url.reveal().isprintable():
        yield "holds a character that can't be printed; percent-encode it"
        return

    try:
        read = conninfo_to_dict(url.reveal())
    except (psycopg.Error, UnicodeError, ValueError):
        yield "is not a URL that PostgreSQL's libpq can read; percent-encode special characters in user and password"
        return

    shown, _, query = url.masked().partition("?")
    names = [pair.partition("=")[0] for pair in query.split("&")] if query else []  # as written: so they are masked

    for name in names:
        if name not in _PARAMETERS:
            called = f"the parameter {name}" if _PARAMETER.fullmatch(name) else "a parameter"
            yield f"has {called} that is not allowed; allowed are {', '.join(sorted(_PARAMETERS))}"

    if not set(names) - _PARAMETERS and not _agrees(shown, read):
        yield "can be read in two ways; percent-encode the characters @ : / ? # % in user and password"

    yield from _wrong_values(read)
    yield from _strange_files(read, directory)


def connection_parameters(url: SecretUrl, *, directory: Path) -> dict[str, str]:
    """Return the parameters for libpq, with defaults that never wait for ever; of several hosts it takes one to write to."""
    given = {name: str(value) for name, value in conninfo_to_dict(url.reveal()).items() if value not in (None, "")}
    files = {name: _path(value, directory) for name, value in _files(given)}
    several = {"target_session_attrs": "read-write"} if "," in given.get("host", "") else {}
    return {**_DEFAULTS, **several, **given, **files}


def place(url: SecretUrl) -> str:
    """Return host, port and database, to be named in messages."""
    shown = _SCHEME.sub("", url.masked(), count=1).partition("?")[0]
    return shown.rpartition("@")[2] or "the local server"


def has_password(url: SecretUrl) -> bool:
    """Tell whether a URL that is right holds a password."""
    return bool(conninfo_to_dict(url.reveal()).get("password"))


def _files(read: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield the parameters that name files, and their values."""
    for name in _FILES:
        value = str(read.get(name) or "")

        if value and (name, value) != ("sslrootcert", _SYSTEM):
            yield name, value


def _path(name: str, directory: Path) -> str:
    """Return the absolute path of a file; links inside of the directory are its owner's business."""
    return os.path.normpath(directory.absolute() / name)


def _strange_files(read: Mapping[str, object], directory: Path) -> Iterator[str]:
    for name, value in _files(read):
        if not Path(_path(value, directory)).is_relative_to(_path("", directory)):
            yield f"has a {name} outside of {directory}, the directory of certificates; the worker's {_DIRECTORY} names it"

        if ":" in value:  # libpq would load an engine of OpenSSL
            yield f"has a {name} with a colon; rename the file"


def _agrees(shown: str, read: Mapping[str, object]) -> bool:
    authority = _SCHEME.sub("", shown, count=1).partition("/")[0]
    userinfo, _, hosts = authority.rpartition("@")
    matches = [_HOST.fullmatch(host) for host in hosts.split(",")]

    if not all(matches):
        return False

    found = [match for match in matches if match]
    names = ",".join(unquote(match["v6"] or match["name"] or "") for match in found)
    ports = ",".join(match["port"] or "" for match in found)
    user = unquote(userinfo.partition(":")[0])
    return (names, ports, user) == (read.get("host", ""), read.get("port", ""), read.get("user", ""))


def _wrong_values(read: Mapping[str, object]) -> Iterator[str]:
    for name, choices in _CHOICES.items():
        if name in read and read[name] not in choices:
            yield f"gives {name} a value that it can't have; there are {', '.join(choices)}"

    for port in str(read.get("port", "")).split(","):
        if port and not (re.fullmatch(r"[0-9]{1,5}", port) and 0 < int(port) <= _MAX_PORT):
            yield f"has a port that is not a number from 1 to {_MAX_PORT}"

    seconds = str(read.get("connect_timeout", "10"))

    if not re.fullmatch(r"[0-9]{1,5}", seconds) or int(seconds) == 0:
        yield "has a connect_timeout that is not a number of seconds above 0"
