"""Properties of a client library that a configuration passes on: what is shown of them, and when a mask is filled in."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import pytest

from streamhouse_connect import MASK, ConfigError, Secret, SecretUrl, option
from streamhouse_connect.masking import mask, restore

PREFIX = "consumer.override."
STORED = {
    f"{PREFIX}bootstrap.servers": "kafka:9092",
    f"{PREFIX}security.protocol": "SASL_SSL",
    f"{PREFIX}sasl.password": "geheim",
    f"{PREFIX}sasl.oauthbearer.method": "oidc",
    f"{PREFIX}sasl.oauthbearer.token.endpoint.url": "https://u:p@idp/token",
    f"{PREFIX}ssl.key.pem": "-----BEGIN",
    f"{PREFIX}fetch.min.bytes": 1,
    "x.url": "http://u:pw@here/",
    "x.secret": "auch geheim",
}
SHOWN = {
    **STORED,
    f"{PREFIX}sasl.password": MASK,
    f"{PREFIX}sasl.oauthbearer.token.endpoint.url": MASK,
    f"{PREFIX}ssl.key.pem": MASK,
    "x.url": f"http://u:{MASK}@here/",
    "x.secret": MASK,
}


@attrs.frozen(kw_only=True)
class Config:
    url: SecretUrl = option("x.url", doc="A URL.")
    secret: Secret | None = option("x.secret", default=None, doc="A secret.")
    properties: Mapping[str, str] = option(PREFIX, doc="Properties.")


def test_properties_that_sound_secret_are_masked() -> None:
    """The others are shown as they were given."""
    assert mask([Config], STORED) == SHOWN
    assert mask([Config], {f"{PREFIX}proxy": "http://u:p@h"}) == {f"{PREFIX}proxy": f"http://u:{MASK}@h"}


def test_an_answer_may_be_sent_back() -> None:
    """Every mask is filled in, also when something harmless has changed."""
    assert restore([Config], SHOWN, STORED) == STORED
    changed = {f"{PREFIX}fetch.min.bytes": 2}
    assert restore([Config], {**SHOWN, **changed}, STORED) == {**STORED, **changed}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("bootstrap.servers", "evil:9092"),
        ("bootstrap.servers", None),
        ("metadata.broker.list", "evil:9092"),
        ("security.protocol", "SASL_PLAINTEXT"),
        ("enable.ssl.certificate.verification", "false"),
    ],
)
def test_no_secret_is_sent_where_its_owner_did_not_send_it(key: str, value: object) -> None:
    """Whoever changes where a client library connects, or how, has to give its secrets again; the sink's are kept."""
    with pytest.raises(ConfigError) as caught:
        restore([Config], {**SHOWN, f"{PREFIX}{key}": value}, STORED)

    fields = [problem.field for problem in caught.value.problems]
    assert f"config.{PREFIX}sasl.password" in fields
    assert all(PREFIX in field for field in fields)
    assert f"{PREFIX}{key}" in caught.value.problems[0].message


def test_another_destination_does_not_ask_for_the_sources_secrets() -> None:
    """They are not sent there."""
    moved = {**SHOWN, "x.url": "http://u:pw@there/", "x.secret": "neu"}
    assert restore([Config], moved, STORED) == {**STORED, "x.url": "http://u:pw@there/", "x.secret": "neu"}


def test_no_secret_goes_to_other_nodes_than_before() -> None:
    """Several URLs have no one origin; all of them have to stay."""
    stored = {**STORED, "x.url": "http://a:1,http://b:1"}
    shown = {**SHOWN, "x.url": "http://a:1,http://b:1"}
    assert restore([Config], shown, stored) == stored

    with pytest.raises(ConfigError, match=r"x\.secret .* of x\.url changed"):
        restore([Config], {**shown, "x.url": "http://a:1,http://thief:1"}, stored)


def test_a_property_may_be_replaced_next_to_masked_ones() -> None:
    """A new password is no reason to give the key again."""
    changed = {f"{PREFIX}sasl.password": "neu"}
    assert restore([Config], {**SHOWN, **changed}, STORED) == {**STORED, **changed}


def test_a_misspelt_option_may_be_sent_back_too() -> None:
    """What nobody has declared is filled in by the rule by which it was masked."""
    stored = {**STORED, "x.ulr": "http://u:geheim@h/?token=auch", "x.pasword": 7}
    shown = mask([Config], stored)
    assert (shown["x.ulr"], shown["x.pasword"]) == (f"http://u:{MASK}@h/?token={MASK}", MASK)
    assert restore([Config], shown, stored) == stored


@pytest.mark.parametrize(
    "given",
    [{"x.name": f"a{MASK}b"}, {"x.url": f"http://u:pw@here/{MASK}"}, {"x.secret": f"not{MASK}masked"}, {"other": MASK}],
)
def test_what_only_looks_like_a_mask_is_taken_as_it_is(given: dict[str, object]) -> None:
    """A name may hold asterisks, and so may a new secret."""
    assert restore([Config], {**SHOWN, **given}, STORED) == {**STORED, **given}


@pytest.mark.parametrize("key", ["x.url", "x.endpoint", "target"])
def test_options_of_a_sink_that_is_not_known_here_keep_their_secrets_at_home(key: str) -> None:
    """Nobody can tell then which of them lead where: all that look like it must stay as they are."""
    stored = {key: "http://here/", "x.secret": "geheim"}
    assert restore([], {key: "http://here/", "x.secret": MASK}, stored) == stored

    with pytest.raises(ConfigError, match=rf"of {key} changed"):
        restore([], {key: "http://evil/", "x.secret": MASK}, stored)


def test_the_number_of_masks_does_not_multiply_the_work() -> None:
    """However many there are, the first hundred problems are told, and how many more there are."""
    given = {f"{PREFIX}{number}.password": MASK for number in range(20_000)}

    with pytest.raises(ConfigError) as caught:
        restore([Config], {**given, f"{PREFIX}servers": "evil"}, given)

    assert len(caught.value.problems) == 101
    assert caught.value.problems[-1].message == "has 19,900 more problems of these kinds"
