"""The registry: built-ins, plugins that are passed in, names that clash, plugins that are broken."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import attrs
import pytest

from fakes import Destination
from streamhouse_connect import NotFoundError, PluginError, Registry, Sink, hookimpl, option


@attrs.frozen
class Config:
    """No options."""


class OneSink(Sink[Config]):
    """The first of two."""

    name = "one-sink"
    aliases = ("one",)
    config_class = Config

    async def write(self, batch: Any) -> None:
        pass


class OtherSink(OneSink):
    """Claims the same names."""


class HalfSink(Sink[Config]):
    """Cannot write."""

    name = "half-sink"
    config_class = Config


def plugin(*sinks: Any) -> object:
    """Return an object whose hook registers sinks."""

    @hookimpl
    def streamhouse_register_sinks() -> list[Any]:
        return list(sinks)

    return SimpleNamespace(streamhouse_register_sinks=streamhouse_register_sinks)


def test_the_built_ins_are_there() -> None:
    """They register through the same hooks as everybody's."""
    registry = Registry(entry_points=False)
    names = {(info.kind, info.name) for info in registry.plugins()}
    assert {("sink", "file-sink"), ("formatter", "json"), ("partitioner", "daily")} <= names
    assert registry.broken() == []


def test_a_sink_is_found_by_its_aliases() -> None:
    """Other spellings lead to the same class."""
    registry = Registry(entry_points=False, plugins=[plugin(OneSink)])
    assert registry.sink("one") is registry.sink("one-sink") is OneSink


def test_an_unknown_name_is_told_with_what_was_probably_meant() -> None:
    """The remedy is in the message."""
    with pytest.raises(NotFoundError, match=r"'fil-sink' names no sink; did you mean file-sink\?"):
        Registry(entry_points=False).sink("fil-sink")


def test_two_plugins_of_one_name_are_an_error_that_names_both() -> None:
    """Neither of them wins by chance, and all others stay usable."""
    registry = Registry(entry_points=False, plugins=[plugin(OneSink), plugin(OtherSink)])

    with pytest.raises(PluginError, match="'one-sink' names two sinks"):
        registry.sink("one-sink")

    assert registry.sink("file-sink").name == "file-sink"
    assert registry.broken()


def nothing_offered() -> object:
    """Return a plugin without hooks."""
    return SimpleNamespace()


def wrong_signature() -> object:
    """Return a plugin whose hook takes an argument that there is not."""

    @hookimpl
    def streamhouse_register_sinks(surprise: object) -> list[Any]:
        return []

    return SimpleNamespace(streamhouse_register_sinks=streamhouse_register_sinks)


def raises() -> object:
    """Return a plugin whose hook fails."""

    @hookimpl
    def streamhouse_register_sinks() -> list[Any]:
        raise RuntimeError("no good")

    return SimpleNamespace(streamhouse_register_sinks=streamhouse_register_sinks)


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (nothing_offered(), "implements no streamhouse_register_"),
        (wrong_signature(), "surprise"),
        (raises(), "RuntimeError: no good"),
        (plugin(HalfSink), "HalfSink lacks write"),
        (plugin(object), "is not a sink class"),
        (plugin("text"), "is not a sink class"),
    ],
)
def test_a_broken_plugin_is_listed_with_its_reason(broken: object, reason: str) -> None:
    """It is reported, and takes nobody down."""
    registry = Registry(entry_points=False, plugins=[broken])
    (listed,) = registry.broken()
    assert reason in listed.error
    assert registry.sink("file-sink")


def test_the_options_of_a_sink_are_the_union_of_all_that_it_takes() -> None:
    """The runtime's, the sink's, the formatters' and the partitioners', with the sink's own defaults."""
    options = {option.key: option for option in Registry(entry_points=False).describe("file").options}
    assert {"file.path", "format", "partitioning", "batch.size", "errors.tolerance"} <= options.keys()
    assert options["batch.size"].default == 10_000
    assert "format" not in {o.key for o in Destination().registry().describe("fake-sink").options}


def test_an_option_that_is_claimed_twice_is_a_fault_of_the_plugin() -> None:
    """It could not be read."""

    @attrs.frozen
    class Greedy:
        size: int = option("x.size", default=1, doc="One.")
        other: int = option("x.size", default=1, doc="The same.")

    class GreedySink(Sink[Greedy]):
        """Claims a key twice."""

        name = "greedy-sink"
        config_class = Greedy

        async def write(self, batch: Any) -> None:
            pass

    (listed,) = Registry(entry_points=False, plugins=[plugin(GreedySink)]).broken()
    assert "x.size" in listed.error
