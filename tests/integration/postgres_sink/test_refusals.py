"""What PostgreSQL refuses: whose fault it is, and what is said of it."""

from __future__ import annotations

import re

import pytest

from integration.postgres_sink.conftest import OpenSink, Sql
from streamhouse_connect import FatalError, RejectedBatch, RejectedRecords, RetriableError

MODES = pytest.mark.parametrize("mode", ["insert", "upsert"])


@pytest.fixture
def user(sql: Sql, user: str) -> str:
    """The URL of a user who may make tables, and has no privileges on others'."""
    sql.run("GRANT CREATE ON SCHEMA public TO stranger")
    return user


@MODES
async def test_a_poison_record_is_named_and_nothing_is_written(sql: Sql, open_sink: OpenSink, mode: str):
    """Then the same batch without it is, over the same connection."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, a int)")
    sink = await open_sink(mode=mode)
    records: list[object] = [{"id": n, "a": n} for n in range(1500)]
    poisoned = [*records[:1200], {"id": 9999, "a": "secret"}, *records[1200:]]

    with pytest.raises(RejectedRecords) as caught:
        await sink.write(*poisoned)

    assert caught.value.reasons == {
        1200: 'PostgreSQL refuses it: 22P02 invalid text representation, column "a" of type integer'
    }
    assert sql.run("SELECT count(*) FROM orders") == [(0,)]
    (backend,) = sql.run("SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'streamhouse%'")
    await sink.write(*records)
    assert sql.run("SELECT count(*), sum(a) FROM orders") == [(1500, sum(range(1500)))]
    assert sql.run("SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'streamhouse%'") == [backend]


async def test_a_poison_record_is_named_among_records_of_several_shapes(sql: Sql, open_sink: OpenSink):
    """Its line in a COPY is not its index in the batch."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, a int DEFAULT 1, b int DEFAULT 2)")
    records = [{"id": 1}, {"id": 2, "a": 1}, {"id": 3}, {"id": 4, "b": 1}, {"id": 5, "b": "secret"}, {"id": 6}]

    for mode in ("insert", "upsert"):
        sink = await open_sink(mode=mode)

        with pytest.raises(RejectedRecords) as caught:
            await sink.write(*records)

        assert list(caught.value.reasons) == [4]

    assert sql.run("SELECT * FROM orders") == []


async def test_all_records_that_have_no_line_are_named_at_once(sql: Sql, open_sink: OpenSink):
    """Whatever shape they have, and however far apart they are."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, a text DEFAULT 1)")
    bad = {0: {"id": 0, "a": "\x00"}, 700: {"id": 1, "a": "\x00"}, 1900: {"id": 2, "a": "\x00", "x": 1}}
    records = [bad.get(n, {"id": n, "a": "x"} if n % 3 else {"id": n}) for n in range(2000)]

    for mode in ("insert", "upsert"):
        sink = await open_sink(mode=mode)

        with pytest.raises(RejectedRecords) as caught:
            await sink.write(*records)

        assert list(caught.value.reasons) == [0, 700, 1900]


async def test_records_that_are_no_objects_are_named_at_once(sql: Sql, open_sink: OpenSink):
    """Before PostgreSQL is asked."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY)")
    sink = await open_sink()

    with pytest.raises(RejectedRecords) as caught:
        await sink.write({"id": 1}, b"[]", {"id": 2}, b'{"id":3', b'{"id":"\xff"}')

    assert list(caught.value.reasons) == [1, 3, 4]


@pytest.mark.parametrize(
    ("key", "reason"),
    [({}, "lacks the field id"), ({"id": None}, '23502 not null violation, column "id"')],
)
async def test_a_record_without_its_key_is_rejected(sql: Sql, open_sink: OpenSink, key: dict[str, None], reason: str):
    """Null is no key either: no two nulls are equal, so that each write would add a row."""
    sql.run("CREATE TABLE orders (id int UNIQUE, a int)")
    sink = await open_sink()

    with pytest.raises(RejectedRecords) as caught:
        await sink.write({"id": 1, "a": 1}, {"a": 2, **key})

    assert list(caught.value.reasons) == [1]
    assert reason in caught.value.reasons[1]


async def test_a_key_that_exists_rejects_an_insert(sql: Sql, open_sink: OpenSink):
    """With the constraint, and the index of the second one."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY)")
    sink = await open_sink(mode="insert")

    with pytest.raises(RejectedRecords) as caught:
        await sink.write({"id": 1}, {"id": 2}, {"id": 1})

    assert caught.value.reasons == {2: 'PostgreSQL refuses it: 23505 unique violation, constraint "orders_pkey"'}


@pytest.mark.parametrize(
    ("constraint", "state"),
    [
        ("CHECK (a <> 13)", "23514"),
        ("REFERENCES others", "23503"),
        ("REFERENCES others DEFERRABLE INITIALLY DEFERRED", "23503"),
        ("UNIQUE DEFERRABLE INITIALLY DEFERRED", "23505"),
    ],
)
@MODES
async def test_a_constraint_refuses_the_record_or_its_batch(
    sql: Sql, open_sink: OpenSink, mode: str, constraint: str, state: str
):
    """By its line if COPY is checked line by line, else the batch: also when the answer is to COMMIT."""
    sql.run("CREATE TABLE others (a int PRIMARY KEY)")
    sql.run("INSERT INTO others VALUES (1)")
    sql.run(f"CREATE TABLE orders (id int PRIMARY KEY, a int {constraint})")
    sql.run("INSERT INTO orders VALUES (99, 1)")
    bad = {"id": 2, "a": 1 if "UNIQUE" in constraint else 13}
    sink = await open_sink(mode=mode)

    with pytest.raises((RejectedRecords, RejectedBatch), match=state) as caught:
        await sink.write({"id": 1}, bad, {"id": 3})

    if isinstance(caught.value, RejectedRecords):
        assert list(caught.value.reasons) == [1]

    with pytest.raises(RejectedRecords, match=state) as caught:
        await sink.write(bad)

    assert list(caught.value.reasons) == [0]
    await sink.write({"id": 1}, {"id": 3})
    assert sql.run("SELECT id FROM orders ORDER BY id") == [(1,), (3,), (99,)]


@MODES
async def test_a_trigger_that_objects_rejects_the_record(sql: Sql, open_sink: OpenSink, mode: str):
    """Its words are not repeated: they may quote the record."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, a text)")
    sql.run(
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN IF NEW.id = 2 THEN RAISE EXCEPTION 'no: %', NEW.a; END IF; RETURN NEW; END $$"
    )
    sql.run("CREATE TRIGGER t BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION f()")
    sink = await open_sink(mode=mode)

    with pytest.raises((RejectedRecords, RejectedBatch), match="P0001 raise exception") as caught:
        await sink.write({"id": 1}, {"id": 2, "a": "secret"})

    assert "secret" not in str(caught.value)
    assert isinstance(caught.value, RejectedBatch if mode == "upsert" else RejectedRecords)


@MODES
async def test_a_reason_quotes_the_record_if_that_is_wanted(sql: Sql, open_sink: OpenSink, mode: str):
    """PostgreSQL's message, its detail, a trigger's words; else no value in whatever is said."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, a int, b text CHECK (b <> 'wrong-secret'))")
    said: dict[bool, str] = {}

    for shows in (False, True):
        sink = await open_sink(mode=mode, shows_values=shows)

        for record in ({"id": 1, "a": "int-secret"}, {"id": 2, "b": "wrong-secret"}):
            with pytest.raises(RejectedRecords) as caught:
                await sink.write(record)

            said[shows] = f"{said.get(shows, '')} {caught.value.reasons[0]}"

    assert "secret" not in said[False]
    assert 'column "a" of type integer: invalid input syntax for type integer: "int-secret"' in said[True]
    assert 'constraint "orders_b_check": new row' in said[True]
    assert "Failing row contains (2, null, wrong-secret)." in said[True]


@pytest.mark.parametrize("state", ["40001", "53100", "57P04", "45000", "42P01", "0A000", "58030", "08006"])
async def test_the_words_of_a_trigger_are_not_repeated_whatever_they_are_about(
    sql: Sql, open_sink: OpenSink, state: str
):
    """They are what somebody made of a record."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, a text)")
    sql.run(
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION 'no: %', NEW.a USING ERRCODE = '{state}', DETAIL = NEW.a, HINT = NEW.a; END $$"
    )
    sql.run("CREATE TRIGGER t BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION f()")
    sink = await open_sink()

    with pytest.raises((RetriableError, FatalError), match=state) as caught:
        await sink.write({"id": 1, "a": "secret"})

    assert "secret" not in str(caught.value)


async def test_an_index_that_is_gone_fails_with_the_remedy(sql: Sql, open_sink: OpenSink):
    """Once the catalogue was read again; and made anew, it is used."""
    sql.run("CREATE TABLE orders (id int, a int); CREATE UNIQUE INDEX by_id ON orders (id)")
    sink = await open_sink()
    await sink.write({"id": 1})
    sql.run("DROP INDEX by_id")

    with pytest.raises(FatalError, match=re.escape('CREATE UNIQUE INDEX ON "public"."orders" ("id")')):
        await sink.write({"id": 2})

    sql.run("CREATE UNIQUE INDEX ON orders (id)")
    await sink.write({"id": 2})
    assert sql.run("SELECT count(*) FROM orders") == [(2,)]


@pytest.mark.parametrize(
    ("missing", "remedy"),
    [
        ("INSERT INTO nowhere VALUES (1)", "42P01 undefined table: .*; create the table"),
        ("PERFORM gone FROM orders", "42703 undefined column: .*; a trigger, view or rule"),
    ],
)
async def test_a_trigger_that_needs_what_is_not_there_fails_with_the_remedy(
    sql: Sql, open_sink: OpenSink, missing: str, remedy: str
):
    """The catalogue is read again once, not for ever."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY)")
    sql.run(f"CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {missing}; RETURN NULL; END $$")
    sql.run("CREATE TRIGGER t AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION f()")
    sink = await open_sink()

    with pytest.raises(FatalError, match=remedy):
        await sink.write({"id": 1})


@MODES
async def test_a_column_that_is_gone_is_ignored_from_then_on(sql: Sql, open_sink: OpenSink, mode: str):
    """PostgreSQL says that it is, and the catalogue is read again."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, a int, b int)")
    sink = await open_sink(mode=mode)
    await sink.write({"id": 1, "a": 1, "b": 1})
    sql.run("ALTER TABLE orders DROP COLUMN a")
    sql.run("ALTER TABLE orders ADD COLUMN c int")
    await sink.write({"id": 2, "a": 2, "b": 2, "c": 2})
    assert sql.run("SELECT id, b, c FROM orders ORDER BY id") == [(1, 1, None), (2, 2, 2)]
    assert sink.counts == {"unknown_field": 1}


async def test_a_column_whose_type_has_changed_is_met_again(sql: Sql, open_sink: OpenSink):
    """The stage of upserts has the old type until then."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, a text)")
    sink = await open_sink()
    await sink.write({"id": 1, "a": "1"})
    sql.run("ALTER TABLE orders ALTER COLUMN a TYPE int USING a::int")
    await sink.write({"id": 2, "a": 2})
    assert sql.run("SELECT * FROM orders ORDER BY id") == [(1, 1), (2, 2)]


@MODES
async def test_a_table_that_is_gone_fails_by_its_name(sql: Sql, open_sink: OpenSink, mode: str):
    """And made again, it is written to again."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY)")
    sink = await open_sink(mode=mode)
    sql.run("ALTER TABLE orders RENAME TO gone")

    with pytest.raises(FatalError, match='table "orders" does not exist; create it'):
        await sink.write({"id": 1})

    sql.run("ALTER TABLE gone RENAME TO orders")
    await sink.write({"id": 1})
    assert sql.run("SELECT * FROM orders") == [(1,)]


@pytest.mark.parametrize(
    ("definition", "key", "said"),
    [
        ("SELECT 1", (), 'table "orders" does not exist; create it, or correct table.name'),
        ("CREATE SEQUENCE orders", (), '"public"."orders" is a sequence'),
        ("CREATE MATERIALIZED VIEW orders AS SELECT 1 AS id", (), "is a materialized view"),
        ("CREATE TABLE orders (id int)", ("id",), 'CREATE UNIQUE INDEX ON "public"."orders" ("id")'),
        ("CREATE TABLE orders (id int PRIMARY KEY, a int)", ("id", "a"), "no unique index on exactly"),
        ("CREATE TABLE orders (a int, b int, PRIMARY KEY (a, b))", ("a",), "no unique index on exactly"),
        ("CREATE TABLE orders (id int PRIMARY KEY)", ("ID",), "has no column ID; correct pk.fields"),
        (
            "CREATE TABLE orders (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY)",
            ("id",),
            "is GENERATED ALWAYS or computed and can't be written; correct pk.fields",
        ),
        ("CREATE TABLE orders (id int UNIQUE DEFERRABLE)", ("id",), "no unique index on exactly"),
        (
            "CREATE TABLE orders (id int, a int); CREATE UNIQUE INDEX ON orders (id) WHERE a > 1",
            ("id",),
            "no unique index on exactly",
        ),
    ],
)
async def test_a_table_that_does_not_fit_is_refused_with_the_remedy(
    sql: Sql, open_sink: OpenSink, definition: str, key: tuple[str, ...], said: str
):
    """When the sink is opened, not when the first record comes."""
    sql.run(definition)

    with pytest.raises(FatalError) as caught:
        await open_sink(mode="upsert" if key else "insert", key=key)

    assert said in str(caught.value)


@pytest.mark.parametrize(
    "definition",
    [
        "CREATE TABLE orders (id int, n int, a int, PRIMARY KEY (n, id))",
        "CREATE TABLE orders (id int, n int, a int); CREATE UNIQUE INDEX ON orders (id, n) INCLUDE (a)",
        (
            "CREATE TABLE orders (id int, n int, a int, PRIMARY KEY (id, n)) PARTITION BY HASH (id);"
            "CREATE TABLE p PARTITION OF orders FOR VALUES WITH (MODULUS 1, REMAINDER 0)"
        ),
    ],
)
async def test_a_unique_index_of_the_same_columns_will_do(sql: Sql, open_sink: OpenSink, definition: str):
    """In another order, with more columns along, or on a partitioned table."""
    sql.run(definition)
    sink = await open_sink(key=("id", "n"))
    await sink.write({"id": 1, "n": 1, "a": 1})
    await sink.write({"id": 1, "n": 1, "a": 2})
    assert sql.run("SELECT a FROM orders") == [(2,)]


async def test_missing_privileges_are_named(sql: Sql, open_sink: OpenSink, user: str):
    """Those that the mode needs; with them it works."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY)")

    with pytest.raises(FatalError, match=re.escape('GRANT INSERT ON "public"."orders"')):
        await open_sink(url=user, mode="insert")

    sql.run("GRANT INSERT ON orders TO stranger")
    await (await open_sink(url=user, mode="insert")).write({"id": 1})

    with pytest.raises(FatalError, match=re.escape('GRANT UPDATE, SELECT ON "public"."orders"')):
        await open_sink(url=user)

    sql.run("GRANT UPDATE, SELECT ON orders TO stranger")
    await (await open_sink(url=user)).write({"id": 1})


async def test_a_privilege_that_is_taken_away_fails_in_words(sql: Sql, open_sink: OpenSink, user: str):
    """PostgreSQL's own, and what to do."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY)")
    sql.run("GRANT INSERT ON orders TO stranger")
    sink = await open_sink(url=user, mode="insert")
    sql.run("REVOKE INSERT ON orders FROM stranger")

    with pytest.raises(FatalError, match="42501 insufficient privilege: permission denied for table orders; grant"):
        await sink.write({"id": 1})


async def test_a_schema_that_is_closed_fails_in_words(sql: Sql, open_sink: OpenSink, user: str):
    """Its tables can't even be looked up."""
    sql.run("CREATE SCHEMA secret_place")
    sql.run("CREATE TABLE secret_place.orders (id int)")

    with pytest.raises(FatalError, match="permission denied for schema secret_place"):
        await open_sink(url=user, table="secret_place.orders", mode="insert")


async def test_a_database_that_does_not_exist_needs_somebody(sql: Sql, open_sink: OpenSink):
    """Waiting would not create it."""
    with pytest.raises(FatalError, match=re.escape("correct the database in connection.url")):
        await open_sink(url=sql.url.rpartition("/")[0] + "/nowhere")


async def test_a_user_that_does_not_exist_needs_somebody(sql: Sql, open_sink: OpenSink):
    """And the password that was tried is not told."""
    with pytest.raises(FatalError, match="correct the user") as caught:
        await open_sink(url=sql.url.replace("postgres@", "nobody:hunter2@"))

    assert "hunter2" not in str(caught.value)


async def test_a_host_that_refuses_is_tried_again_later(open_sink: OpenSink):
    """Nothing listens there, yet."""
    with pytest.raises(RetriableError, match=re.escape("can't connect to PostgreSQL at 127.0.0.1:1/d")):
        await open_sink(url="postgresql://u:hunter2@127.0.0.1:1/d")


@pytest.mark.parametrize("offsets", ["target", "broker"])
async def test_a_database_that_is_read_only_is_tried_again_later(sql: Sql, open_sink: OpenSink, offsets: str):
    """A standby may be promoted."""
    sql.run("CREATE TABLE orders (id int PRIMARY KEY)")
    sink = await open_sink(mode="insert", offsets=offsets)
    await sink.sink.close()
    sql.run("ALTER DATABASE postgres_sink SET default_transaction_read_only = on")

    with pytest.raises(RetriableError, match="25006"):
        await sink.write({"id": 1})
