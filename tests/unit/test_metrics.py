"""The metrics: what a scrape answers, and what of it is left out."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, generate_latest

from streamhouse_connect.metrics import ConnectorSample, Metrics


def _names(text: bytes) -> set[str]:
    return {line.partition("{")[0].partition(" ")[0] for line in text.decode().splitlines() if not line.startswith("#")}


def test_a_scrape_has_the_documented_metrics_only() -> None:
    """When a counter was made is of no use to anybody; an embedding application's own metrics keep theirs."""
    theirs = CollectorRegistry()
    Counter("requests", "An application's own.", registry=theirs)
    metrics = Metrics(lambda: [ConnectorSample("c", "running")])
    metrics.of("c").sink_event("unknown_field", 2)
    metrics.of("c").sink_level(0, "max_in_flight", 2)
    expected = {
        "connector_dead_letters_total",
        "connector_errors_total",
        "connector_missed_records_total",
        "connector_records_processed",
        "connector_sink_events_total",
        "connector_sink_level",
        "connector_state",
        "connector_tombstones_skipped_total",
    }
    assert _names(metrics.text()) == expected
    assert "_created" not in metrics.text().decode()
    assert {sample.name for sample in metrics.samples()} == expected
    assert _names(generate_latest(theirs)) == {"requests_total", "requests_created"}


def test_a_deleted_connector_is_not_shown_any_more() -> None:
    """Its numbers go with it."""
    metrics = Metrics(list)
    metrics.of("c").errors.inc()
    metrics.of("c").sink_level(0, "max_in_flight", 2)
    metrics.forget("c")
    assert metrics.samples() == []


def test_tasks_of_one_connector_do_not_overwrite_each_others_levels() -> None:
    """Each has one of its own, and to end leaves the others' as they are."""
    metrics = Metrics(list)
    metrics.of("c").sink_level(0, "max_in_flight", 2)
    metrics.of("c").sink_level(1, "max_in_flight", 0)
    levels = [sample for sample in metrics.samples() if sample.name == "connector_sink_level"]
    assert {sample.labels["task"]: sample.value for sample in levels} == {"0": 2.0, "1": 0.0}
