from __future__ import annotations

import pytest

from streamhouse_connect import SecretUrl
from streamhouse_postgres_sink import PostgresConfig, PostgresSink

URL = SecretUrl("postgresql://u:hunter2@h/d")


def problems(**options: object) -> list[str]:
    values = {"url": URL, "table_name": "orders", "pk_fields": ("id",), **options}
    return [str(problem) for problem in PostgresConfig(**values).problems()]  # type: ignore[arg-type]  # wrong on purpose


def test_the_documented_defaults():
    """As the documentation says them."""
    config = PostgresConfig(url=URL, table_name="orders")
    assert (config.insert_mode, config.pk_fields, config.value_format) == ("upsert", (), "json")
    assert config.offsets_storage == "target"
    assert PostgresSink.defaults["batch.size"] == 500
    assert PostgresSink.defaults["batch.interval_ms"] == 1000


def test_all_problems_are_named_at_once():
    """Each under the key as the user wrote it."""
    found = problems(url=SecretUrl("ftp://x"), table_name="a.b c", pk_fields=())
    assert [problem.split(" ")[0] for problem in found] == ["connection.url", "table.name", "pk.fields"]


def test_an_upsert_needs_a_key():
    """An insert does not, and is not hurt by one."""
    assert "is required for insert.mode upsert" in problems(pk_fields=())[0]
    assert not problems(insert_mode="insert", pk_fields=())
    assert PostgresConfig(url=URL, table_name="t", insert_mode="insert", pk_fields=("id",)).key == ()


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        (("id", "id"), "names id twice"),
        (("x" * 64,), "64 bytes"),
        (("a\x00",), "NUL"),
    ],
)
def test_a_key_of_names_that_cannot_be_is_a_problem(fields: tuple[str, ...], problem: str):
    """Before PostgreSQL is asked."""
    assert problem in "; ".join(problems(pk_fields=fields))


def test_the_password_is_not_shown():
    """Wherever the configuration is printed."""
    assert "hunter2" not in repr(PostgresConfig(url=URL, table_name="orders"))


@pytest.mark.parametrize(
    ("offsets", "mode", "level"),
    [
        ("target", "upsert", "exactly-once"),
        ("target", "insert", "exactly-once"),
        ("broker", "upsert", "effectively-once"),
        ("broker", "insert", "at-least-once"),
    ],
)
def test_the_guarantee_depends_on_where_the_offsets_are_and_on_the_mode(offsets: str, mode: str, level: str):
    """And says why."""
    config = PostgresConfig(
        url=URL,
        table_name="t",
        insert_mode=mode,  # type: ignore[arg-type]  # a str
        pk_fields=("id",),
        offsets_storage=offsets,  # type: ignore[arg-type]  # the same
    )
    guarantee = PostgresSink.guarantee(config)
    assert guarantee.level == level
    assert guarantee.reason
