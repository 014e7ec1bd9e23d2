from __future__ import annotations

import pytest

from streamhouse_connect import Secret, SecretUrl
from streamhouse_postgres_sink import PostgresConfig, PostgresSink

URL = SecretUrl("postgresql://u:hunter2@h/d")
NOBODY = SecretUrl("postgresql://u@h/d")


def problems(**options: object) -> list[str]:
    values = {"url": URL, "table_name": "orders", "pk_fields": ("id",), **options}
    return [str(problem) for problem in PostgresConfig(**values).problems()]  # type: ignore[arg-type]  # wrong on purpose


def test_the_documented_defaults():
    """As the documentation says them."""
    config = PostgresConfig(url=URL, table_name="orders")
    assert (config.insert_mode, config.pk_fields, config.value_format) == ("upsert", (), "json")
    assert config.offsets_storage == "target"
    assert (config.pk_mode, config.delete_enabled, config.null_values) == ("record_value", False, "ignore")
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
    assert PostgresConfig(url=URL, table_name="t", insert_mode="insert", pk_fields=("id",)).mode.key == ()


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
    assert "hunter2" not in repr(PostgresConfig(url=NOBODY, table_name="orders", password=Secret("hunter2")))


def test_a_password_of_its_own_is_the_one_that_libpq_is_told():
    """Whatever characters it has; one in the URL as well is one too many."""
    config = PostgresConfig(url=NOBODY, table_name="orders", password=Secret("p@ss w/rd'"))
    assert config.parameters["password"] == "p@ss w/rd'"
    assert not problems(url=NOBODY, password=Secret("hunter3"))
    (problem,) = problems(password=Secret("hunter3"))
    assert problem.startswith("connection.password is given in connection.url as well")
    assert "hunter" not in problem


@pytest.mark.parametrize(
    ("offsets", "mode", "level"),
    [
        ("target", "upsert", "exactly-once"),
        ("target", "insert", "exactly-once"),
        ("broker", "upsert", "effectively-once"),
        ("broker", "insert", "at-least-once"),
        ("broker", "update", "effectively-once"),
        ("broker", "insert_ignore", "effectively-once"),
        ("target", "insert_ignore", "exactly-once"),
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


def test_ignoring_without_a_key_leaves_the_guarantee_to_the_table():
    """Its unique indexes may be none."""
    config = PostgresConfig(url=URL, table_name="t", insert_mode="insert_ignore", offsets_storage="broker")
    assert PostgresSink.guarantee(config).level == "at-least-once"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"insert_mode": "update", "pk_fields": ()}, "pk.fields is required for insert.mode update"),
        (
            {"insert_mode": "insert", "pk_mode": "record_key", "pk_fields": ()},
            "pk.fields is required for pk.mode record_key",
        ),
        ({"pk_mode": "kafka"}, "pk.fields takes three columns"),
        ({"delete_enabled": True}, "delete.enabled needs pk.mode=record_key"),
        (
            {"delete_enabled": True, "pk_mode": "record_key", "insert_mode": "insert"},
            "delete.enabled needs insert.mode=upsert",
        ),
        ({"delete_soft_column": "gone"}, "delete.soft.column needs delete.enabled=true"),
        (
            {"delete_enabled": True, "pk_mode": "record_key", "delete_soft_column": "id"},
            "delete.soft.column id has another use",
        ),
        (
            {"delete_enabled": True, "pk_mode": "record_key", "delete_soft_column": "\x00"},
            "delete.soft.column holds a NUL",
        ),
        ({"guard_column": "id"}, "upsert.guard.column id is in the key"),
        ({"guard_column": "x" * 64}, "upsert.guard.column holds a name of 64 bytes"),
        ({"guard_column": "at", "insert_mode": "insert"}, "upsert.guard.column needs insert.mode upsert or update"),
        (
            {"skip_unchanged": True, "insert_mode": "insert_ignore"},
            "upsert.skip_unchanged needs insert.mode upsert or update",
        ),
    ],
)
def test_options_that_do_not_go_together_are_problems(options: dict[str, object], problem: str):
    """One each, with the option to change."""
    (found,) = problems(**options)
    assert found.startswith(problem)


def test_the_key_of_a_position_has_columns_by_default():
    """Those that other sinks use; three others may be named."""
    assert not problems(pk_mode="kafka", pk_fields=())
    config = PostgresConfig(url=URL, table_name="t", pk_mode="kafka")
    assert config.mode.key == ("__connect_topic", "__connect_partition", "__connect_offset")
    assert not problems(pk_mode="kafka", pk_fields=("t", "p", "o"))


@pytest.mark.parametrize(
    ("options", "null_values"),
    [({}, "ignore"), ({"null_values": "fail"}, "fail"), ({"delete_enabled": True, "null_values": "fail"}, "write")],
)
def test_tombstones_reach_the_sink_only_to_delete(options: dict[str, object], null_values: str):
    """Else the runtime deals with them."""
    config = PostgresConfig(url=URL, table_name="t", pk_mode="record_key", pk_fields=("id",), **options)  # type: ignore[arg-type]  # of several types
    assert PostgresSink(config).null_values == null_values


@pytest.mark.parametrize(
    "name",
    ['x"; DROP TABLE victims; --', "orders; DROP TABLE victims", "x" * 64, "a\x00b", '"a\x00b"', "", '""', "a.b.c"],
)
def test_a_name_that_is_none_is_refused_before_anybody_connects(name: str):
    """Neither cut to 63 bytes nor tried."""
    config = PostgresConfig(url=URL, table_name=name, insert_mode="insert")
    assert {problem.field for problem in config.problems()} == {"table.name"}
