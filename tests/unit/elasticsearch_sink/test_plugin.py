from __future__ import annotations

import subprocess
import sys

import streamhouse_elasticsearch_sink
from streamhouse_connect import Registry


def test_the_sink_is_found_under_all_its_names():
    """The entry point names the package, whose hook registers the sink."""
    registry = Registry(entry_points=False, plugins=[streamhouse_elasticsearch_sink])
    java = "com.streamhouse.connect.elasticsearch.ElasticsearchSinkConnector"
    assert {registry.describe(name).name for name in ("elasticsearch", java)} == {"elasticsearch-sink"}


def test_its_options_are_described_with_their_defaults():
    """As users write them."""
    registry = Registry(entry_points=False, plugins=[streamhouse_elasticsearch_sink])
    options = {option.key: option for option in registry.describe("elasticsearch-sink").options}
    assert options["connection.url"].default == "http://localhost:9200"
    assert options["index.name"].required
    assert options["document.id"].default is None
    assert [options[f"batch.{name}"].default for name in ("size", "interval_ms", "bytes")] == [1000, 5000, 5 << 20]


def test_the_client_library_is_imported_when_a_sink_is_opened_only():
    """It takes over a second, which a worker without this sink does not pay."""
    code = "import sys, streamhouse_elasticsearch_sink; print({'elasticsearch', 'aiohttp'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
