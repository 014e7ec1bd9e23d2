"""Secrets: they do not print, answers mask them, and answers that are sent back get them again."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhouse_connect import MASK, ConfigError, Secret, SecretUrl, option
from streamhouse_connect.masking import mask, restore
from streamhouse_connect.secrets import Redactor


@attrs.frozen(kw_only=True)
class Config:
    url: SecretUrl | None = option("connection.url", default=None, doc="A URL.")
    key: Secret | None = option("s3.secret.key", default=None, doc="A secret.")
    text: str = option("s3.prefix", default="", doc="Text.")


def test_a_secret_does_not_print() -> None:
    """Neither str, repr nor a data class around it shows it."""
    config = Config(url=SecretUrl("postgres://u:geheim@h/d"), key=Secret("geheim"))
    assert "geheim" not in f"{config} {config!r} {config.key} {config.url!r}"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgres://u:geheim@h:5432/d", f"postgres://u:{MASK}@h:5432/d"),
        ("postgres://u:ge/he@im@h/d", f"postgres://u:{MASK}@h/d"),
        (
            "postgres://h/d?user=u&password=geheim&sslmode=require",
            f"postgres://h/d?user=u&password={MASK}&sslmode=require",
        ),
        ("http://h:9200", "http://h:9200"),
        ("http://:geheim@h", f"http://:{MASK}@h"),
    ],
)
def test_a_url_shows_all_but_its_passwords(url: str, shown: str) -> None:
    """Operators have to see where a connector goes."""
    assert SecretUrl(url).masked() == shown


def test_an_answer_masks_what_is_secret_and_what_sounds_like_it() -> None:
    """A misspelt secret is masked, too; plain options are not."""
    raw = {"s3.secret.key": "geheim", "s3.secretkey": "geheim", "s3.prefix": "p", "url": "x://u:geheim@h", "s3.key": ""}
    assert mask([Config], raw) == {
        "s3.secret.key": MASK,
        "s3.secretkey": MASK,
        "s3.prefix": "p",
        "url": f"x://u:{MASK}@h",
        "s3.key": "",
    }


def test_an_answer_sent_back_gets_its_secrets_again() -> None:
    """GET, change an option, PUT."""
    stored = {"connection.url": "postgres://u:ge%40heim@h/d?password=x", "s3.secret.key": "k", "s3.prefix": "a"}
    answered = {**mask([Config], stored), "s3.prefix": "b"}
    assert restore([Config], answered, stored) == {**stored, "s3.prefix": "b"}


@pytest.mark.parametrize(
    "moved", ["mysql://u:*@h/d", "postgres://v:*@h/d", "postgres://u:*@evil/d", "postgres://u:*@h:99/d"]
)
def test_a_stored_secret_is_not_sent_somewhere_else(moved: str) -> None:
    """With another scheme, user, host or port every masked secret has to be given again."""
    stored = {"connection.url": "postgres://u:geheim@h/d", "s3.secret.key": "k"}

    with pytest.raises(ConfigError) as caught:
        restore([Config], {"connection.url": moved.replace("*", MASK), "s3.secret.key": MASK}, stored)

    assert [problem.field for problem in caught.value.problems] == ["config.connection.url", "config.s3.secret.key"]


@pytest.mark.parametrize(
    "query", ["", "?sslmode=disable", "?sslmode=prefer&sslrootcert=mine", "?SSL=false", "?proxy=evil"]
)
def test_a_stored_secret_is_not_sent_on_another_way(query: str) -> None:
    """Such as one where anybody may listen; what does not matter for that may change."""
    stored = {"connection.url": "postgres://u:geheim@h/d?sslmode=verify-full&connect_timeout=5", "s3.secret.key": "k"}
    moved = {"connection.url": f"postgres://u:{MASK}@h/d{query}", "s3.secret.key": MASK}

    with pytest.raises(ConfigError, match="TLS parameters") as caught:
        restore([Config], moved, stored)

    assert [problem.field for problem in caught.value.problems] == ["config.connection.url", "config.s3.secret.key"]
    kept = {"connection.url": f"postgres://u:{MASK}@h/e?connect_timeout=6&sslmode=verify-full"}
    assert restore([Config], kept, stored) == {
        "connection.url": "postgres://u:geheim@h/e?connect_timeout=6&sslmode=verify-full"
    }


@pytest.mark.parametrize("moved", ["u:*@a:1,evil:2", "u:*@b:2,a:1", "u:*@a:1", "v:*@a:1,b:2", "u:*@a:1,b:3"])
def test_nor_to_another_of_several_hosts(moved: str) -> None:
    """Which are all that may get it, each with its port; what is unchanged is filled in."""
    stored = {"connection.url": "postgres://u:geheim@a:1,b:2/d", "s3.secret.key": "k"}
    assert restore([Config], mask([Config], stored), stored) == stored

    for url in (f"postgres://{moved}/d", f"postgres://{moved.replace('*', 'new')}/d"):
        with pytest.raises(ConfigError, match="give the secret again"):
            restore([Config], {"connection.url": url.replace("*", MASK), "s3.secret.key": MASK}, stored)


@pytest.mark.parametrize(
    "smuggled", ["postgres://u:*@evil/x@h/d", "postgres://u:*@evil:1@h/d", "postgres://u:*@h/d?password=*@evil"]
)
def test_a_stored_password_does_not_move_to_another_host_by_a_second_at_sign(smuggled: str) -> None:
    """Some client libraries end the host at the first slash, others begin it after the last @."""
    stored = {"connection.url": "postgres://u:geheim@h/d?password=x"}

    with pytest.raises(ConfigError, match="give the secret again"):
        restore([Config], {"connection.url": smuggled.replace("*", MASK)}, stored)


def test_a_mask_without_a_stored_secret_is_a_problem() -> None:
    """A mask is never taken for a password."""
    with pytest.raises(ConfigError, match="no secret is stored"):
        restore([Config], {"s3.secret.key": MASK}, {})


def test_a_message_loses_every_spelling_of_a_secret() -> None:
    """As written, and percent-decoded, as a client library may repeat it."""
    redact = Redactor([SecretUrl("postgres://u:ge%40heim@h/d"), Secret("k1")])
    assert redact("login ge@heim or ge%40heim with k1 failed") == f"login {MASK} or {MASK} with {MASK} failed"


@given(password=st.text(st.characters(exclude_characters="*@", exclude_categories=["Cs"]), min_size=1))
def test_no_password_is_left_in_a_masked_url(password: str) -> None:
    """Whatever a password holds, unencoded slashes and question marks included."""
    assert SecretUrl(f"postgres://user:{password}@host/db").masked() == f"postgres://user:{MASK}@host/db"
