"""The metrics, by name, in one table; a registry of their own, so that many workers fit into one process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["ConnectorMetrics", "ConnectorSample", "Metrics", "Sample"]

_STATES: Final = ("running", "paused", "stopped", "failed")


@attrs.frozen
class Sample:
    """One number."""

    name: str
    labels: Mapping[str, str]
    value: float


@attrs.frozen
class ConnectorSample:
    """What is known of a connector at the time of a scrape; `state` is one of the four that the metric has."""

    connector: str
    state: str


@attrs.frozen
class ConnectorMetrics:
    """The numbers of one connector; may be used from any thread."""

    connector: str
    processed: Counter
    errors: Counter
    dead_letters: Counter
    tombstones: Counter
    missed: Counter
    _sink_events: Counter
    _sink_levels: Gauge

    def sink_level(self, task: int, level: str, value: float) -> None:
        """Note what a task's sink says of itself."""
        self._sink_levels.labels(self.connector, task, level).set(value)

    def sink_event(self, event: str, number: int) -> None:
        """Count what a sink reports."""
        self._sink_events.labels(self.connector, event).inc(number)


class Metrics:
    """Counts events; what connectors are doing is asked of `connectors` at every scrape."""

    content_type: Final = CONTENT_TYPE_PLAIN_0_0_4

    def __init__(self, connectors: Callable[[], Iterable[ConnectorSample]]) -> None:
        self._registry = CollectorRegistry()
        self._processed = Counter(
            "processed", "Shown by the collector, under the documented name.", ("connector",), registry=None
        )
        self._registry.register(_ConnectorCollector(connectors, self._processed))
        self._errors = self._counter("connector_errors", "Failed writes, retried ones included, and failed runs.")
        self._dead_letters = self._counter("connector_dead_letters", "Records that were made dead letters.")
        self._tombstones = self._counter(
            "connector_tombstones_skipped", "Records without a value that were passed over."
        )
        self._missed = self._counter("connector_missed_records", "Records that were gone before they could be read.")
        self._sink_events = self._counter("connector_sink_events", "What a sink counts, by event.", "event")
        self._sink_levels = Gauge(
            "connector_sink_level",
            "What a task's sink says of itself.",
            ("connector", "task", "level"),
            registry=self._registry,
        )

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format, of `content_type`."""
        return generate_latest(_WithoutBirthdays(self._registry))

    def samples(self) -> list[Sample]:
        """Return all metrics as numbers."""
        families = _WithoutBirthdays(self._registry).collect()
        return [Sample(each.name, dict(each.labels), each.value) for family in families for each in family.samples]

    def of(self, connector: str) -> ConnectorMetrics:
        """Return a connector's numbers; its counters are shown from zero on."""
        return ConnectorMetrics(
            connector,
            self._processed.labels(connector),
            self._errors.labels(connector),
            self._dead_letters.labels(connector),
            self._tombstones.labels(connector),
            self._missed.labels(connector),
            self._sink_events,
            self._sink_levels,
        )

    def forget(self, connector: str) -> None:
        """Drop the numbers of a connector that was deleted."""
        numbers = (
            self._processed,
            self._errors,
            self._dead_letters,
            self._tombstones,
            self._missed,
            self._sink_events,
            self._sink_levels,
        )

        for number in numbers:
            for sample in [sample for family in number.collect() for sample in family.samples]:
                if sample.labels["connector"] == connector and not sample.name.endswith("_created"):
                    number.remove(*sample.labels.values())

    def _counter(self, name: str, doc: str, *labels: str) -> Counter:
        return Counter(name, doc, ("connector", *labels), registry=self._registry)


@attrs.frozen
class _WithoutBirthdays(Collector):
    """Leaves out when each counter was made, which the library can only be told not to tell for the whole process."""

    registry: CollectorRegistry

    def collect(self) -> Iterable[Metric]:
        for family in self.registry.collect():
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            yield family


class _ConnectorCollector(Collector):
    """Its metrics have exactly the names that are documented; a client library's Counter would add `_total`."""

    def __init__(self, connectors: Callable[[], Iterable[ConnectorSample]], processed: Counter) -> None:
        self._connectors = connectors
        self._processed = processed

    def collect(self) -> Iterable[Metric]:
        processed = Metric("connector_records_processed", "Records that are durable at the destination.", "gauge")
        state = GaugeMetricFamily("connector_state", "1 for the state that holds.", labels=("connector", "state"))

        counts = {
            sample.labels["connector"]: sample.value
            for family in self._processed.collect()
            for sample in family.samples
            if sample.name.endswith("_total")
        }

        for sample in self._connectors():
            processed.add_sample(processed.name, {"connector": sample.connector}, counts.get(sample.connector, 0.0))

            for name in _STATES:
                state.add_metric((sample.connector, name), float(name == sample.state))

        return (processed, state)
