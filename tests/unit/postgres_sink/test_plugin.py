from __future__ import annotations

import streamhouse_postgres_sink
from streamhouse_connect import Registry


def test_the_sink_is_found_under_all_its_names():
    """The entry point names the package, whose hook registers the sink."""
    registry = Registry(entry_points=False, plugins=[streamhouse_postgres_sink])
    java = "com.streamhouse.connect.postgres.PostgresSinkConnector"
    assert {registry.describe(name).name for name in ("postgres", java)} == {"postgres-sink"}


def test_its_options_are_described_with_their_defaults():
    """As users write them."""
    registry = Registry(entry_points=False, plugins=[streamhouse_postgres_sink])
    options = {option.key: option for option in registry.describe("postgres-sink").options}
    assert options["connection.url"].required
    assert options["connection.url"].secret
    assert options["table.name"].required
    assert options["insert.mode"].choices == ("upsert", "insert", "insert_ignore", "update")
    assert [options[f"batch.{name}"].default for name in ("size", "interval_ms")] == [500, 1000]
