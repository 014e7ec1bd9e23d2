"""Where the S3 sink's credentials come from, how those of a role are renewed, and what happens to those that expire."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest

from s3_sinks import filed, make_sink, opened
from scripted_s3 import Reply, ScriptedStore
from streamhouse_connect import FatalError, RetriableError, SecretUrl

if TYPE_CHECKING:
    from pathlib import Path

    from streamhouse_s3_sink import S3Sink

ROLE = "arn:aws:iam::123456789012:role/writer"
EXPIRED = Reply.error(400, "ExpiredToken", "The provided token has expired.")


def refused(status: int, code: str) -> Reply:
    """Answer as STS does: its errors have another shape than those of S3."""
    return Reply(
        status, f"<ErrorResponse><Error><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>".encode()
    )


def assuming(store: ScriptedStore, **options: Any) -> S3Sink:
    """Make a sink that writes as a role."""
    return make_sink(store.endpoint, role_arn=ROLE, sts_endpoint=SecretUrl(store.endpoint), **options)


def signers(store: ScriptedStore) -> set[str]:
    """Return the access keys that objects and bucket were asked for with."""
    return {
        asked.headers["authorization"].partition("Credential=")[2].partition("/")[0]
        for asked in store.requests
        if b"AssumeRole" not in asked.body
    }


async def test_no_credentials_anywhere(store: ScriptedStore, bare_machine: pytest.MonkeyPatch) -> None:
    """The message names both ways to give them."""
    with pytest.raises(FatalError, match=r"give s3\.access\.key and s3\.secret\.key, or set up AWS's default chain"):
        async with opened(make_sink(store.endpoint, access_key="", secret_key="")):
            pass


async def test_credentials_of_the_environment(store: ScriptedStore, bare_machine: pytest.MonkeyPatch) -> None:
    """AWS's default chain is used when the options are not given."""
    bare_machine.setenv("AWS_ACCESS_KEY_ID", "AKIAENVIRONMENT")
    bare_machine.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")

    async with opened(make_sink(store.endpoint, access_key="", secret_key="")):
        assert all("Credential=AKIAENVIRONMENT/" in asked.headers["authorization"] for asked in store.requests)


async def test_a_profile_of_the_environment_that_does_not_exist(
    store: ScriptedStore, bare_machine: pytest.MonkeyPatch
) -> None:
    """It is named."""
    bare_machine.setenv("AWS_PROFILE", "nobody")

    with pytest.raises(FatalError, match="nobody"):
        async with opened(make_sink(store.endpoint, access_key="", secret_key="")):
            pass


async def test_credentials_of_a_profile(store: ScriptedStore, bare_machine: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The profile is looked up in the worker's own files."""
    profiles(tmp_path, archive="AKIAARCHIVE")

    async with opened(make_sink(store.endpoint, access_key="", secret_key="", profile="archive")):
        assert signers(store) == {"AKIAARCHIVE"}


async def test_a_profile_that_is_not_there_is_named(store: ScriptedStore, bare_machine: pytest.MonkeyPatch) -> None:
    """The message has the name that was given."""
    with pytest.raises(FatalError, match="archive"):
        async with opened(make_sink(store.endpoint, access_key="", secret_key="", profile="archive")):
            pass


async def test_a_session_token_goes_along(store: ScriptedStore) -> None:
    """Temporary keys are of no use without it."""
    async with opened(make_sink(store.endpoint, session_token="the-token")):
        assert {asked.headers["x-amz-security-token"] for asked in store.requests} == {"the-token"}


async def test_a_role_is_assumed(store: ScriptedStore) -> None:
    """With the credentials that are given; everything else is done with the role's."""
    async with opened(assuming(store, role_external_id="tenant-7", role_session_name="orders")) as sink:
        assert await sink.write(filed(1)) is None

    (asked,) = [asked for asked in store.requests if b"AssumeRole" in asked.body]
    form = {name: value for name, (value,) in parse_qs(asked.body.decode()).items()}
    assert (form["RoleArn"], form["ExternalId"], form["RoleSessionName"]) == (ROLE, "tenant-7", "orders")
    assert "Credential=test/" in asked.headers["authorization"]
    assert signers(store) == {"ASIAROLE1"}
    assert store.requests[-1].headers["x-amz-security-token"] == "token-1"


async def test_a_role_is_assumed_with_a_profile(
    store: ScriptedStore, bare_machine: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Any source of credentials will do."""
    profiles(tmp_path, archive="AKIAARCHIVE")

    async with opened(assuming(store, access_key="", secret_key="", profile="archive")):
        asked = next(asked for asked in store.requests if b"AssumeRole" in asked.body)
        assert "Credential=AKIAARCHIVE/" in asked.headers["authorization"]
        assert signers(store) == {"ASIAROLE1"}


async def test_a_role_without_credentials_to_assume_it(store: ScriptedStore, bare_machine: pytest.MonkeyPatch) -> None:
    """The message says how to give some."""
    with pytest.raises(FatalError, match=r"give s3\.access\.key and s3\.secret\.key, or set up AWS's default chain"):
        async with opened(assuming(store, access_key="", secret_key="")):
            pass


async def test_a_roles_credentials_are_renewed_before_they_expire(store: ScriptedStore) -> None:
    """No request meets credentials that are about to end."""
    store.role_seconds = 60

    async with opened(assuming(store)) as sink:
        store.role_seconds = 3600
        store.requests.clear()
        assert await sink.write(filed(1)) is None
        assert signers(store) == {f"ASIAROLE{store.roles}"}
        assert store.roles > 1


@pytest.mark.parametrize(
    ("answer", "remedy"),
    [
        (refused(403, "AccessDenied"), r"let these credentials assume s3\.role\.arn"),
        (refused(400, "ValidationError"), r"correct s3\.role\.arn"),
        (refused(403, "InvalidClientTokenId"), r"correct s3\.access\.key"),
        (refused(404, ""), r"correct s3\.sts\.endpoint"),
    ],
)
async def test_a_role_that_is_refused(store: ScriptedStore, answer: Reply, remedy: str) -> None:
    """The message is about the role, not about the bucket."""
    store.role_answers.append(answer)

    with pytest.raises(FatalError, match=remedy):
        async with opened(assuming(store)):
            pass


async def test_a_role_that_can_t_be_asked_for_now(store: ScriptedStore) -> None:
    """The service may be busy."""
    store.role_answers.append(refused(503, "ServiceUnavailable"))

    with pytest.raises(RetriableError, match="ServiceUnavailable"):
        async with opened(assuming(store)):
            pass


async def test_credentials_of_a_role_that_have_expired_all_the_same(store: ScriptedStore) -> None:
    """The write is tried again, with others."""
    async with opened(assuming(store)) as sink:
        store.answers.append(EXPIRED)

        with pytest.raises(RetriableError, match=r"can't write s3://bucket/.*expired \(ExpiredToken\).*read again"):
            await sink.write(filed(1))

        store.requests.clear()
        assert await sink.write(filed(1)) is None
        assert signers(store) == {"ASIAROLE2"}


async def test_rotated_credentials_of_a_file_are_read_again(
    store: ScriptedStore, bare_machine: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whoever rotates them does not have to restart the connector."""
    profiles(tmp_path, archive="AKIAOLD")

    async with opened(make_sink(store.endpoint, access_key="", secret_key="", profile="archive")) as sink:
        profiles(tmp_path, archive="AKIANEW")
        store.answers.append(EXPIRED)

        with pytest.raises(RetriableError):
            await sink.write(filed(1))

        store.requests.clear()
        assert await sink.write(filed(1)) is None
        assert signers(store) == {"AKIANEW"}


async def test_credentials_that_stay_expired_are_fatal(
    store: ScriptedStore, bare_machine: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Reading the same ones again and again helps nobody; a restart of the connector tries anew."""
    profiles(tmp_path, archive="AKIAOLD")

    async with opened(make_sink(store.endpoint, access_key="", secret_key="", profile="archive")) as sink:
        store.answers.extend([EXPIRED] * 20)

        with pytest.raises(RetriableError):
            await sink.write(filed(1))

        with pytest.raises(FatalError, match="the credentials have expired: renew them"):
            for _ in range(2):
                await sink.write(filed(1))


async def test_fixed_credentials_that_expire_are_fatal(store: ScriptedStore) -> None:
    """Nobody but the user has others."""
    async with opened(make_sink(store.endpoint, session_token="t")) as sink:
        store.answers.append(EXPIRED)

        with pytest.raises(FatalError, match="the credentials have expired: renew them"):
            await sink.write(filed(1))


async def test_many_requests_that_meet_expired_credentials_renew_them_once(store: ScriptedStore) -> None:
    """Four partitions at a time do not ask for four roles."""
    async with opened(assuming(store)) as sink:
        store.answers.extend([EXPIRED] * 4)
        ends = await asyncio.gather(*(sink.write(filed(1, first_offset=n)) for n in range(4)), return_exceptions=True)

        assert [type(end) for end in ends] == [RetriableError] * 4
        assert await asyncio.gather(*(sink.write(filed(1, first_offset=n)) for n in range(4))) == [None] * 4
        assert store.roles == 2


def profiles(home: Path, **keys: str) -> None:
    """Write the credentials file of a machine: profile → access key."""
    (home / ".aws").mkdir(exist_ok=True)
    lines = [f"[{name}]\naws_access_key_id = {key}\naws_secret_access_key = s\n" for name, key in keys.items()]
    (home / ".aws" / "credentials").write_text("".join(lines))
