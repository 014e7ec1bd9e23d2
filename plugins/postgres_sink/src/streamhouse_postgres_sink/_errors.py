"""What a failure of PostgreSQL means to the runtime. The only place that knows SQLSTATEs and psycopg's exceptions.

    LATER    nothing is wrong with the records: the server is busy, restarting, gone, or out of something
    RECORD   a value, a constraint or a trigger of the table refuses a record
    STALE    the table is not what it was when the catalogue was read: read it again, once
    FATAL    somebody has to change something

What PostgreSQL says of a record often quotes its values. Nothing of that is repeated, unless it was asked for: the reason for a
dead letter is made of the SQLSTATE and of names. Nor are the words of a trigger, which may quote a record whatever they are about.
"""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING, Final

import attrs
import psycopg
from psycopg import errors

from streamhouse_connect import DeliveryError, FatalError, RetriableError

if TYPE_CHECKING:
    from collections.abc import Collection

    from streamhouse_postgres_sink._types import Column

__all__ = ["CHANGED", "Culprit", "Meaning", "cannot_connect", "culprit", "meaning", "reason", "refuses", "translate"]


CHANGED: Final = "a column of the table was changed meanwhile"
"""What a statement of our own calls a relation that is missing (42P01), to say this."""


class Meaning(enum.Enum):
    """What the runtime shall make of an error; see the module."""

    LATER = enum.auto()
    RECORD = enum.auto()
    STALE = enum.auto()
    FATAL = enum.auto()


_CLASSES: Final = {
    "08": Meaning.LATER,  # connection
    "40": Meaning.LATER,  # deadlock, serialization
    "53": Meaning.LATER,  # disk full, too many connections
    "57": Meaning.LATER,  # cancelled, shutting down, starting up
    "58": Meaning.LATER,  # input and output
    "21": Meaning.RECORD,  # one key twice, in an index with a collation of its own: alone each is fine
    "22": Meaning.RECORD,  # data
    "23": Meaning.RECORD,  # constraints
    "44": Meaning.RECORD,  # a view's check option
    "54": Meaning.RECORD,  # too large for a row or an index
}
_CODES: Final = {
    "25006": Meaning.LATER,  # read only: a standby that will be promoted
    "25P03": Meaning.LATER,  # idle in transaction for too long
    "25P04": Meaning.LATER,  # transaction_timeout
    "55006": Meaning.LATER,  # object in use
    "55P03": Meaning.LATER,  # lock_timeout
    "P0001": Meaning.RECORD,  # a trigger's RAISE EXCEPTION
    "P0004": Meaning.RECORD,  # a trigger's ASSERT
    "0A000": Meaning.STALE,
    "42703": Meaning.STALE,  # undefined column
    "42804": Meaning.STALE,  # datatype mismatch
    "428C9": Meaning.STALE,  # generated always
    "42P01": Meaning.STALE,  # undefined table
    "42P10": Meaning.STALE,  # no unique index for ON CONFLICT
}
_LOGIN: Final = "correct the user in connection.url, and the password there or in connection.password"
_REMEDIES: Final = {
    "25006": "tried again until it is not: a standby has to be promoted, or default_transaction_read_only has to be off",
    "28": _LOGIN,
    "3D000": "correct the database in connection.url",
    "3F000": "create the schema, or correct table.name",
    "42501": "grant the privilege to the user of connection.url",
    "42703": "a trigger, view or rule of the table names a column that is gone: mend it",
    "42P01": "create the table, or correct table.name; if it is none of yours, a trigger or view of the table names it",
    "42P10": "create a unique index on exactly the columns of pk.fields, or correct pk.fields",
}

# PQconnectPoll gives no SQLSTATE, only text.
_REFUSALS: Final = {
    r"definition of service|service file|invalid \S+ value": "correct the worker's environment: PGSERVICE, PGSSLMODE and the like",
    r"certificate|private key|SSL error: .*alert|does not support SSL|no encryption": "correct sslmode, sslrootcert, sslcert "
    "and sslkey in connection.url",
    r"authentication failed|no password supplied|authentication method|requires? password": _LOGIN,
    r"role .* does not exist|not permitted to log in|no such user": "correct the user in connection.url",
    r"database .* does not exist|no such database|permission denied for database|not currently accepting connections": "correct the "
    "database in connection.url",
    r"no pg_hba\.conf entry": "allow this user, database and host in the server's pg_hba.conf, or correct connection.url",
}
_WHERE: Final = r"^COPY {}, \w+:? (?P<line>\d+)(?:, \w+ (?P<column>(?s:.*)))?"
_RAISE: Final = "exec_stmt_raise"
"""The function of PostgreSQL's source from which the words of PL/pgSQL's RAISE come."""
_MAX_MESSAGE: Final = 500


@attrs.frozen
class Culprit:
    """What an error says about its cause; None where it says nothing."""

    line: int | None
    """The line of COPY, from 1."""
    column: Column | None
    constraint: str | None
    is_input: bool = False
    """It was raised by the input function of the column's type: for a value of that line, even if the SQLSTATE is one of statements."""


def refuses(error: psycopg.Error, cause: Culprit) -> bool:
    """True if it is the record that is refused, and not the statement."""
    found = meaning(error)
    return found is Meaning.RECORD or (
        cause.is_input and found is not Meaning.LATER and error.sqlstate != errors.FeatureNotSupported.sqlstate
    )


def meaning(error: psycopg.Error) -> Meaning:
    """Return what the error means."""
    state = error.sqlstate

    if state is None:
        is_connection = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        return Meaning.LATER if is_connection else Meaning.FATAL

    return _CODES.get(state) or _CLASSES.get(state[:2]) or Meaning.FATAL


def culprit(error: psycopg.Error, *, relation: str | None, columns: Collection[Column]) -> Culprit:
    """Find out which line of a COPY into `relation`, and which of its columns, the error is about.

    The server may speak any language: `COPY orders, line 3, column qty: "abc"` is `COPY orders, Zeile 3, Spalte qty: …`.
    """
    diagnosis = error.diag
    context = diagnosis.context or ""
    where = None if relation is None else re.search(_WHERE.format(re.escape(relation)), context, re.MULTILINE)
    told = (where["column"] or "") if where else ""
    named = [c for c in columns if c.name in (diagnosis.column_name, told) or told.startswith(f"{c.name}: ")]
    return Culprit(
        line=int(where["line"]) if where else None,
        column=max(named, key=lambda column: len(column.name), default=None),
        constraint=diagnosis.constraint_name,
        is_input=bool(told),
    )


def reason(error: psycopg.Error, cause: Culprit, *, with_values: bool = False) -> str:
    """Return why PostgreSQL refuses a record; `with_values`: in its own words, too, which quote the record."""
    parts = [f"PostgreSQL refuses it: {_name(error)}"]

    if cause.column:
        parts.append(f'column "{cause.column.name}" of type {cause.column.type}')

    if cause.constraint:
        parts.append(f'constraint "{cause.constraint}"')

    named = ", ".join(parts)
    words = [error.diag.message_primary, error.diag.message_detail] if with_values else []
    return ": ".join([named, *(_brief(text) for text in words if text)])


def translate(error: psycopg.Error, *, place: str) -> DeliveryError:
    """Return what the runtime is told of an error that is about no record."""
    state = error.sqlstate or ""
    remedy = _REMEDIES.get(state) or _REMEDIES.get(state[:2])
    said = f"PostgreSQL at {place}: {_name(error)}{_message(error)}{f'; {remedy}' if remedy else ''}"
    return RetriableError(said) if meaning(error) is Meaning.LATER else FatalError(said)


def cannot_connect(error: psycopg.Error, *, place: str) -> DeliveryError:
    """Return what the runtime is told when there is no connection."""
    text = _brief(str(error))
    said = f"can't connect to PostgreSQL at {place}: {text}"

    if error.sqlstate is not None:
        return translate(error, place=place)

    for pattern, remedy in _REFUSALS.items():
        if re.search(pattern, text):
            return FatalError(f"{said}; {remedy}")

    return RetriableError(f"{said}; check host and port in connection.url")


def _name(error: psycopg.Error) -> str:
    if error.sqlstate is None:
        return _brief(str(error))

    try:
        camel = errors.lookup(error.sqlstate).__name__
    except KeyError:
        return error.sqlstate

    return f"{error.sqlstate} {re.sub(r'(?<=[a-z])(?=[A-Z])', ' ', camel).lower()}"


def _message(error: psycopg.Error) -> str:
    primary = error.diag.message_primary
    may_quote = meaning(error) is Meaning.RECORD or error.diag.source_function == _RAISE
    return f": {_brief(primary)}" if primary and not may_quote else ""


def _brief(text: str) -> str:
    return " ".join(text.split())[:_MAX_MESSAGE]
