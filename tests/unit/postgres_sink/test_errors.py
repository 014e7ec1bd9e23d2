from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from psycopg import errors

from streamhouse_connect import FatalError, RetriableError
from streamhouse_postgres_sink._errors import (
    Culprit,
    Meaning,
    cannot_connect,
    culprit,
    meaning,
    reason,
    refuses,
    translate,
)
from streamhouse_postgres_sink._types import Column

COLUMNS = [Column("q", "int"), Column("qty", "int"), Column("qty: x", "int")]


def error(state: str, **diagnosis: Any) -> psycopg.Error:
    """An error as the server sends it, with these fields of its diagnosis."""
    named = ("context", "column_name", "constraint_name", "message_primary", "message_detail", "source_function")
    fields: dict[str, Any] = dict.fromkeys(named)
    known = errors.lookup(state) if state != "45000" else psycopg.DatabaseError
    kind = type("Said", (known,), {"sqlstate": state, "diag": SimpleNamespace(**{**fields, **diagnosis})})
    said: psycopg.Error = kind("a message with a secret")
    return said


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ("08006 40001 40P01 53100 53300 55P03 57014 57P01 57P02 57P03 58030 25006 55006", Meaning.LATER),
        ("22P02 22003 22001 22021 22P05 23502 23503 23505 23514 P0001 21000 44000 54000", Meaning.RECORD),
        ("42703 0A000 42804 42P01 42P10 428C9", Meaning.STALE),
        ("42501 28000 28P01 3D000 42601 XX000 55000 P0003", Meaning.FATAL),
    ],
)
def test_every_sqlstate_has_a_meaning(states: str, expected: Meaning):
    """By its code or by its class; what is in neither needs somebody to look."""
    assert {state: meaning(error(state)) for state in states.split()} == dict.fromkeys(states.split(), expected)


@pytest.mark.parametrize(
    ("state", "context", "refused"),
    [
        ("22P02", "COPY orders, line 3", True),
        ("42601", 'COPY orders, line 3, column qty: "a b"', True),
        ("42P01", 'COPY orders, line 3, column qty: "nope"', True),
        ("42P01", "COPY orders, line 3", False),
        ("57014", 'COPY orders, line 3, column qty: "a"', False),
        ("0A000", 'COPY orders, line 3, column qty: "<a/>"', False),
    ],
)
def test_what_a_columns_input_function_says_is_about_the_record(state: str, context: str, refused: bool):
    """Even if the SQLSTATE is one of statements; not if the server is busy, or lacks the type's feature for every record."""
    said = error(state, context=context)
    assert refuses(said, culprit(said, relation="orders", columns=COLUMNS)) is refused


def test_a_lost_connection_means_later():
    """It has no SQLSTATE, as the server did not say anything."""
    assert meaning(psycopg.OperationalError("the connection is lost")) is Meaning.LATER
    assert meaning(psycopg.InterfaceError("the connection is closed")) is Meaning.LATER
    assert meaning(psycopg.ProgrammingError("no such thing")) is Meaning.FATAL


@pytest.mark.parametrize(
    ("context", "line", "column"),
    [
        ('COPY orders, line 3, column qty: "abc"', 3, "qty"),
        ("COPY orders, line 3", 3, None),
        ('COPY orders, line 3: "1\t2"', 3, None),
        ("COPY orders, line 12, column q: null input", 12, "q"),
        ('COPY orders, line 1, column qty: x: "abc"', 1, "qty: x"),
        ('COPY orders, Zeile 3, Spalte qty: "abc"', 3, "qty"),
        ('PL/pgSQL function f() line 3 at RAISE\nCOPY orders, line 7: "x"', 7, None),
        ('COPY other, line 3, column qty: "abc"', None, None),
        ('COPY orders, line 3, column x: "COPY orders, line 9, column q: 1"', 3, None),
        (None, None, None),
    ],
)
def test_copy_names_the_line_and_the_column(context: str | None, line: int | None, column: str | None):
    """In whatever language the server speaks, with columns of whatever name."""
    found = culprit(error("22P02", context=context), relation="orders", columns=COLUMNS)
    assert (found.line, found.column.name if found.column else None) == (line, column)


def test_a_target_is_no_pattern():
    """Its name may hold anything."""
    found = culprit(error("22P02", context="COPY a.b(, line 3"), relation="a.b(", columns=COLUMNS)
    assert found.line == 3


def test_a_reason_is_made_of_names():
    """SQLSTATE, column, type and constraint; no message, since that quotes values."""
    said = error("23514", column_name="qty", constraint_name="positive", message_primary="secret")
    cause = culprit(said, relation=None, columns=COLUMNS)
    assert reason(said, cause) == (
        'PostgreSQL refuses it: 23514 check violation, column "qty" of type int, constraint "positive"'
    )
    assert reason(said, Culprit(None, None, None)) == "PostgreSQL refuses it: 23514 check violation"


def test_a_reason_quotes_the_record_if_that_is_wanted():
    """By PostgreSQL's message and its detail, each on one line."""
    said = error("23505", constraint_name="pk", message_primary="duplicate key", message_detail="Key (id)=(1\n)")
    assert reason(said, Culprit(None, None, "pk"), with_values=True) == (
        'PostgreSQL refuses it: 23505 unique violation, constraint "pk": duplicate key: Key (id)=(1 )'
    )


def test_the_words_of_a_trigger_are_not_repeated():
    """Whatever SQLSTATE it gives them: they may quote the record."""
    for state in ("45000", "57014", "42P01"):
        said = error(state, message_primary="no: secret", source_function="exec_stmt_raise")
        assert "secret" not in str(translate(said, place="h/d"))


@pytest.mark.parametrize("state", ["28P01", "3D000", "3F000", "42501", "42703", "42P01", "42P10"])
def test_what_somebody_has_to_change_comes_with_the_remedy(state: str):
    """After the second time, for what a look at the catalogue may mend."""
    said = error(state, message_primary="words")
    assert str(translate(said, place="h/d")).rpartition(": words; ")[2]


def test_an_error_about_no_record_is_said_in_postgresqls_words():
    """With the place, and the remedy where there is one."""
    denied = translate(error("42501", message_primary="permission denied for table orders"), place="h/d")
    assert isinstance(denied, FatalError)
    assert "PostgreSQL at h/d: 42501 insufficient privilege: permission denied for table orders; grant" in str(denied)
    assert isinstance(translate(error("57P01", message_primary="going down"), place="h/d"), RetriableError)


@pytest.mark.parametrize(
    ("text", "kind", "remedy"),
    [
        (
            'FATAL:  password authentication failed for user "u"',
            FatalError,
            "correct the user in connection.url, and the password",
        ),
        ("fe_sendauth: no password supplied", FatalError, "correct the user in connection.url, and the password"),
        ('FATAL:  role "u" does not exist', FatalError, "the user"),
        ('FATAL:  database "d" does not exist', FatalError, "the database"),
        ('FATAL:  no pg_hba.conf entry for host "1.2.3.4"', FatalError, "pg_hba.conf"),
        ("server does not support SSL, but SSL was required", FatalError, "sslmode"),
        ('definition of service "x" not found', FatalError, "PGSERVICE"),
        ('invalid sslmode value: "x"', FatalError, "PGSSLMODE"),
        ("SSL error: certificate verify failed", FatalError, "sslrootcert"),
        ("SSL error: tlsv1 alert unknown ca", FatalError, "sslcert"),
        ("SSL error: unexpected eof while reading", RetriableError, "unexpected eof"),
        ('FATAL:  certificate authentication failed for user "u"', FatalError, "sslcert"),
        ('private key file "k" has group or world access', FatalError, "sslkey"),
        ("FATAL:  no such database: d", FatalError, "the database"),
        ("FATAL:  session is read-only", RetriableError, "read-only"),
        ("Connection refused\n\tIs the server running?", RetriableError, "refused Is the server"),
        ("FATAL:  the database system is starting up", RetriableError, "starting up"),
        ("FATAL:  sorry, too many clients already", RetriableError, "too many"),
        ("connection timeout expired", RetriableError, "timeout"),
        ("[Errno -2] Name or service not known", RetriableError, "not known"),
    ],
)
def test_a_refused_connection_waits_or_needs_somebody(text: str, kind: type[Exception], remedy: str):
    """There is no SQLSTATE here, only text."""
    found = cannot_connect(psycopg.OperationalError(text), place="h/d")
    assert type(found) is kind
    assert remedy in str(found)
    assert "\n" not in str(found)
