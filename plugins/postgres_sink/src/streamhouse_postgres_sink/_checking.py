"""Looks at the database and the table before there is a connector, and leaves nothing there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg
from psycopg import sql

from streamhouse_connect import DeliveryError, Problem
from streamhouse_postgres_sink._catalogue import find_schema, find_table
from streamhouse_postgres_sink._connection import connect
from streamhouse_postgres_sink._errors import translate
from streamhouse_postgres_sink._fitness import absence, problems_with
from streamhouse_postgres_sink._offset_statements import OffsetStatements
from streamhouse_postgres_sink._probing import refusal, with_writable
from streamhouse_postgres_sink._targets import needs_of
from streamhouse_postgres_sink._url import place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamhouse_postgres_sink._catalogue import Schema, Table
    from streamhouse_postgres_sink._config import PostgresConfig
    from streamhouse_postgres_sink._connection import Connection

__all__ = ["problems_found"]

_READ_ONLY: Final = "SELECT current_setting('transaction_read_only')::boolean"
_IS_READ_ONLY: Final = "leads to a database that can't be written to: a standby has to be promoted, or default_transaction_read_only has to be off"


async def problems_found(config: PostgresConfig) -> Sequence[Problem]:
    """Return what would keep a connector from writing, by the options to correct."""
    try:
        connection = await connect(config, connector="check")
    except DeliveryError as error:
        return [Problem("connection.url", str(error))]

    try:
        return await _problems_with_database(connection, config)
    except psycopg.Error as error:
        return [Problem("connection.url", str(translate(error, place=place(config.url))))]
    finally:
        await connection.close()


async def _problems_with_database(connection: Connection, config: PostgresConfig) -> Sequence[Problem]:
    ((is_read_only,),) = await (await connection.execute(_READ_ONLY)).fetchall()
    tables = config.tables
    table = await find_table(connection, tables.name) if tables.is_single else None
    schema = await find_schema(connection, table.name.schema if table else tables.name.schema)
    problems = [Problem("connection.url", _IS_READ_ONLY)] if is_read_only else []

    if table is not None:
        problems += await _problems_with_table(connection, table, config, is_read_only=is_read_only)
    elif schema is None:
        problems.append(Problem("table.name", _no_schema(tables.name.schema)))
    elif tables.is_single and not config.auto_create:
        problems.append(Problem("table.name", absence(tables.name)))
    elif config.auto_create and not schema.can_create:  # which tables there are is known with the topics only
        problems.append(Problem("auto.create", _may_not_create(schema, connection.info.user)))

    if config.keeps_offsets and schema is not None:
        problems += await _problems_with_offsets(connection, schema)

    return problems


async def _problems_with_table(
    connection: Connection, table: Table, config: PostgresConfig, *, is_read_only: bool
) -> Sequence[Problem]:
    table = await with_writable(connection, table)

    if problems := list(problems_with(table, mode=config.mode, needs=needs_of(config))):
        return problems

    problem = None if is_read_only else await refusal(connection, table, mode=config.mode)
    return [problem] if problem else []


async def _problems_with_offsets(connection: Connection, schema: Schema) -> Sequence[Problem]:
    statements = OffsetStatements(schema.name)
    found = await find_table(connection, statements.table)
    user = connection.info.user

    if found is None:
        return [] if schema.can_create else [Problem("offsets.storage", statements.not_made(user))]

    why = statements.unfit(found, user)
    return [Problem("offsets.storage", why)] if why else []


def _no_schema(name: str | None) -> str:
    if name is None:
        return "names no schema, and the user's search_path has none that exists; give one, as in schema.table"

    return f"names the schema {name}, which does not exist; create it, or correct table.name"


def _may_not_create(schema: Schema, user: str) -> str:
    named, who = (sql.Identifier(name).as_string(None) for name in (schema.name, user))
    return f"the user may not make tables: GRANT CREATE ON SCHEMA {named} TO {who}"
