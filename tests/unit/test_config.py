"""Options: what is accepted, how everything wrong is told at once, and how they are described."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import attrs
import pytest

from streamhouse_connect import ConfigError, PluginError, Secret, SecretUrl, Size, option
from streamhouse_connect.config import describe, load


@attrs.frozen(kw_only=True)
class Config:
    url: SecretUrl = option("x.url", doc="A URL.")
    count: int = option("x.count", default=5, minimum=1, maximum=10, doc="A number.")
    ratio: float = option("x.ratio", default=0.5, doc="A fraction.")
    on: bool = option("x.on", default=False, doc="A switch.")
    mode: Literal["upsert", "insert"] = option("x.mode", default="upsert", doc="A choice.")
    fields: tuple[str, ...] = option("x.fields", default=(), doc="A list.")
    size: Size = option("x.size", default=Size(1), doc="A size.")
    secret: Secret | None = option("x.secret", default=None, doc="A secret.")
    text: str = option("x.text", default="t", identity=True, doc="Text.")


def read(**given: object) -> Config:
    """Read options whose dots are written as underscores."""
    raw = {key.replace("_", "."): value for key, value in given.items()}
    return load([Config], {"x.url": "http://h", **raw}).get(Config)


def test_options_may_be_marked_as_what_things_are_known_by() -> None:
    """Their values are told by key, defaults included."""
    assert load([Config], {"x.url": "http://h"}).identity() == {"x.text": "t"}
    assert load([Config], {"x.url": "http://h", "x.text": 7}).identity() == {"x.text": "7"}


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("x_count", "7", 7),
        ("x_count", 7, 7),
        ("x_count", 7.0, 7),
        ("x_count", " 7 ", 7),
        ("x_ratio", "1e-3", 0.001),
        ("x_on", "TRUE", True),
        ("x_on", False, False),
        ("x_mode", "insert", "insert"),
        ("x_fields", "a, b,,c", ("a", "b", "c")),
        ("x_fields", ["a", "b"], ("a", "b")),
        ("x_fields", "", ()),
        ("x_size", "5 MiB", 5 << 20),
        ("x_size", "1kb", 1000),
        ("x_size", 17, 17),
        ("x_text", 2026, "2026"),
        ("x_text", "", ""),
        ("x_count", None, 5),
    ],
)
def test_values_may_be_text_or_json(key: str, value: object, expected: object) -> None:
    """The spellings of the examples, and what JSON has for them, are both read."""
    assert getattr(read(**{key: value}), key.removeprefix("x_")) == expected


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("x_count", "5.5", "must be an integer"),
        ("x_count", True, "must be an integer"),
        ("x_count", "٣x", "must be an integer"),
        ("x_count", 0, "must be at least 1, but is 0"),
        ("x_count", "11", "must be at most 10, but is 11"),
        ("x_ratio", "half", "must be a number"),
        ("x_on", "yes", "must be true or false"),
        ("x_mode", "upsrt", "must be one of upsert, insert, but is 'upsrt'; did you mean upsert?"),
        ("x_size", "5 parsecs", "must be a size"),
        ("x_text", {"a": 1}, "must be text, but is an object"),
        ("x_text", True, "must be text, but is true"),
        ("x_secret", False, "must be text, but is false"),
        ("x_text", "a\0b", "must not hold the character NUL"),
        ("x_url", "http://h\0", "must not hold the character NUL"),
        ("x_fields", [["a"]], "must be text, but is a list"),
    ],
)
def test_a_wrong_value_names_key_value_and_remedy(key: str, value: object, message: str) -> None:
    """A problem says which option it is about and what would be right."""
    with pytest.raises(ConfigError) as caught:
        read(**{key: value})

    (problem,) = caught.value.problems
    assert problem.field == "config." + key.replace("_", ".")
    assert message in problem.message


def test_all_problems_are_told_at_once() -> None:
    """Nobody has to try five times to learn five mistakes."""
    with pytest.raises(ConfigError) as caught:
        load([Config], {"x.count": "no", "x.mode": "no", "x.on": "no"})

    assert [problem.field for problem in caught.value.problems] == [
        "config.x.url",
        "config.x.count",
        "config.x.on",
        "config.x.mode",
    ]


def test_a_missing_or_empty_required_option_is_a_problem() -> None:
    """Required means given and not empty."""
    for given in ({}, {"x.url": ""}, {"x.url": None}):
        with pytest.raises(ConfigError, match=r"config\.x\.url is required"):
            load([Config], given)


def test_an_unknown_key_is_a_warning_with_what_was_meant() -> None:
    """A misspelt option does not fail, but is not passed over in silence."""
    loaded = load([Config], {"x.url": "http://h", "x.cuont": 1, "zzz": 1})
    assert loaded.warnings == (
        "config.x.cuont is not an option of this connector; did you mean x.count?",
        "config.zzz is not an option of this connector; it has no effect",
    )


def test_of_very_many_unknown_keys_the_first_are_told() -> None:
    """What was meant is looked for a few times only: comparing takes long."""
    loaded = load([Config], {"x.url": "http://h", **{f"x.count{number}" + "!" * 200: 1 for number in range(60_000)}})
    assert len(loaded.warnings) == 101
    assert loaded.warnings[-1] == "59,900 more keys are not an option of this connector"
    assert max(map(len, loaded.warnings)) < 300


def test_of_very_many_problems_the_first_are_told() -> None:
    """And how many more there are."""
    with pytest.raises(ConfigError) as caught:
        load([Passing], {f"y.override.{number}": [] for number in range(60_000)})

    assert len(caught.value.problems) == 101
    assert str(caught.value.problems[-1]) == "config.y.override.* has 59,900 more problems of these kinds"


def test_a_long_value_is_not_repeated_in_full() -> None:
    """A few of its characters are enough to know it again."""
    for given in ({"x.count": "9" * 100_000}, {"x.mode": "u" * 100_000}, {"x.on": "t" * 100_000}):
        with pytest.raises(ConfigError) as caught:
            load([Config], {"x.url": "http://h", **given})

        assert len(str(caught.value)) < 200


def test_a_list_has_an_end() -> None:
    """Whoever compares its items with each other has to come to one."""
    with pytest.raises(ConfigError, match=r"config\.x\.fields must have at most 1,000 items, but has 1,001"):
        read(x_fields=",".join(map(str, range(1001))))


def test_defaults_can_be_replaced_but_not_what_is_given() -> None:
    """A sink's own defaults stand in for the runtime's."""
    assert load([Config], {"x.url": "u"}, defaults={"x.count": 9}).get(Config).count == 9
    assert load([Config], {"x.url": "u", "x.count": 8}, defaults={"x.count": 9}).get(Config).count == 8


def test_two_classes_may_not_claim_one_key() -> None:
    """Otherwise one of them would read the other's value."""

    @attrs.frozen
    class Other:
        count: int = option("x.count", default=1, doc="The same key.")

    with pytest.raises(PluginError, match=r"x\.count is declared by both Config and .*Other"):
        load([Config, Other], {})


def test_every_option_is_described() -> None:
    """Key, type, default, choices, and whether it is required or secret."""
    infos = {info.key: info for info in describe([Config], defaults={"x.count": 9})}
    assert (infos["x.url"].type, infos["x.url"].required, infos["x.url"].secret) == ("url", True, True)
    assert (infos["x.count"].type, infos["x.count"].default) == ("integer", 9)
    assert infos["x.mode"].choices == ("upsert", "insert")
    assert infos["x.fields"].default == ""


@attrs.frozen(kw_only=True)
class Passing:
    name: str = option("y.name", default="n", doc="A name.")
    properties: Mapping[str, str] = option("y.override.", doc="Properties that are passed on.")


def test_a_prefix_takes_in_all_keys_that_begin_with_it() -> None:
    """As text, under what is behind the prefix; null means not given."""
    loaded = load([Passing], {"y.override.a.b": 1, "y.override.c": True, "y.override.d": "", "y.override.e": None})
    assert loaded.get(Passing).properties == {"a.b": "1", "c": "true", "d": ""}
    assert loaded.warnings == ()


def test_a_property_that_is_no_text_is_a_problem() -> None:
    """The whole key is named."""
    with pytest.raises(ConfigError, match=r"config\.y\.override\.a must be text, but is a list"):
        load([Passing], {"y.override.a": []})


def test_a_prefix_alone_is_no_option() -> None:
    """Nor is a misspelt one; what was meant is named."""
    loaded = load([Passing], {"y.override.": 1, "y.overide.a": 2})
    assert [warning.partition("; ")[2] for warning in loaded.warnings] == ["did you mean y.override.*?"] * 2


def test_secret_properties_are_known_as_secrets_and_not_printed() -> None:
    """Whatever sounds secret, and the password in a URL."""
    loaded = load(
        [Passing], {"y.override.sasl.password": "geheim", "y.override.proxy": "http://u:p@h", "y.override.acks": "all"}
    )
    assert loaded.secrets() == {Secret("geheim"), SecretUrl("http://u:p@h")}
    assert "geheim" not in repr(loaded)


def test_a_prefix_is_described_with_a_star() -> None:
    """As somebody would write that anything may follow."""
    info = describe([Passing])[1]
    assert (info.key, info.type, info.required, info.default) == ("y.override.*", "properties", False, None)


@pytest.mark.parametrize("key", ["y.override.a", "y.", "y.override."])
def test_no_other_option_may_reach_into_a_prefix(key: str) -> None:
    """One of the two would read the other's value."""

    @attrs.frozen
    class Other:
        other: str = option(key, default="", doc="Overlaps.")

    with pytest.raises(PluginError, match="is declared by both"):
        load([Passing, Other], {})
