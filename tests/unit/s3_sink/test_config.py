"""The options of the S3 sink: what is refused, and what a prefix becomes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhouse_connect import ConfigError, Secret, SecretUrl
from streamhouse_connect.config import load
from streamhouse_s3_sink import S3Config


def wrong(**fields: object) -> list[str]:
    """Return the problems of a configuration, as text."""
    return [str(problem) for problem in S3Config(**{"bucket": "bucket", **fields}).problems()]  # type: ignore[arg-type]  # by name


def test_the_least_configuration() -> None:
    """A bucket is enough."""
    assert wrong() == []


@pytest.mark.parametrize("bucket", ["abc", "a-b.c-1", "0" * 63, "my-point-x1y2z3-s3alias"])
def test_bucket_names_that_s3_allows(bucket: str) -> None:
    """What S3 takes is taken."""
    assert wrong(bucket=bucket) == []


@pytest.mark.parametrize(
    "bucket",
    [
        "",
        "ab",
        "a" * 64,
        "Upper",
        "under_score",
        "-abc",
        "abc-",
        "a..b",
        "192.168.0.1",
        "a/b",
        "a b",
        "bücket",
        "abc\n",
    ],
)
def test_bucket_names_that_s3_refuses(bucket: str) -> None:
    """The problem names the option, the rule and the value."""
    (problem,) = wrong(bucket=bucket)

    assert problem.startswith("s3.bucket must be 3 to 63 lower-case letters")
    assert repr(bucket) in problem


@pytest.mark.parametrize(
    ("prefix", "root"),
    [("", ""), ("/", ""), ("a", "a/"), ("/a//b/", "a/b/"), ("%2e%2e/ü?versionId=1 +&#", "%2e%2e/ü?versionId=1 +&#/")],
)
def test_slashes_of_a_prefix_are_normalised_and_nothing_else(prefix: str, root: str) -> None:
    """Percent signs, question marks and the like stand for themselves."""
    assert wrong(prefix=prefix) == []
    assert S3Config(bucket="bucket", prefix=prefix).root == root


@pytest.mark.parametrize("prefix", ["..", "a/../b", ".", "a/./b", "/..", "a\\..\\b", "a\nb", "a\x00", "\ud800"])
def test_prefixes_that_could_mean_another_place(prefix: str) -> None:
    """Relative segments, backslashes and what can't be printed are refused."""
    assert [problem.split()[0] for problem in wrong(prefix=prefix)] == ["s3.prefix"]


def test_a_prefix_leaves_room_for_the_rest_of_the_key() -> None:
    """The length counts in bytes."""
    assert wrong(prefix="a" * 449) == []
    assert wrong(prefix="ü" * 225) == ["s3.prefix must be at most 450 bytes long in UTF-8, but has 451"]


@given(st.text(max_size=60))
def test_no_prefix_that_passes_has_a_relative_segment(prefix: str) -> None:
    """Whatever the text: the root is empty, or proper segments."""
    if wrong(prefix=prefix):
        return

    root = S3Config(bucket="bucket", prefix=prefix).root

    assert not {"", ".", ".."} & set(root.split("/")[:-1])
    assert root == "" or root.endswith("/")


@pytest.mark.parametrize(
    "endpoint", ["http://127.0.0.1:9000", "https://minio.example.com", "https://host/base", "http://[::1]:9000/"]
)
def test_endpoints(endpoint: str) -> None:
    """Any http or https URL will do."""
    assert wrong(endpoint=SecretUrl(endpoint)) == []


@pytest.mark.parametrize(
    "endpoint",
    [
        "127.0.0.1:9000",
        "ftp://host",
        "http://",
        "http://host:port",
        "http://ho st",
        "http://host\n",
        "http://host?a=b",
        "http://host#f",
        "http://user:hunter2@host",
        "http://[::1",
    ],
)
def test_endpoints_that_are_none(endpoint: str) -> None:
    """The problem names the option and does not repeat what may hold a password."""
    (problem,) = wrong(endpoint=SecretUrl(endpoint))

    assert problem.startswith("s3.endpoint ")
    assert "hunter2" not in problem


@pytest.mark.parametrize("region", ["", "eu central", "-x", "a/b", "x" * 64])
def test_regions_that_are_none(region: str) -> None:
    """A region is a host label."""
    assert [problem.split()[0] for problem in wrong(region=region)] == ["s3.region"]


def test_a_key_without_its_secret_and_the_other_way_round() -> None:
    """The option that is missing is named."""
    assert wrong(access_key=Secret("id")) == ["s3.secret.key is required, because s3.access.key is given"]
    assert wrong(secret_key=Secret("hunter2")) == ["s3.access.key is required, because s3.secret.key is given"]


def test_all_problems_at_once() -> None:
    """One wrong option does not hide another."""
    assert len(wrong(bucket="X", prefix="..", region="", endpoint=SecretUrl("x"), access_key=Secret("id"))) == 5


def test_secrets_do_not_print() -> None:
    """Neither key is in the representation."""
    shown = repr(S3Config(bucket="bucket", access_key=Secret("AKIAX"), secret_key=Secret("hunter2")))

    assert "AKIAX" not in shown
    assert "hunter2" not in shown


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"session_token": Secret("t")}, "s3.session.token has no effect without the s3.access.key"),
        (
            {"access_key": Secret("i"), "secret_key": Secret("s"), "profile": "p"},
            "s3.profile contradicts s3.access.key",
        ),
        ({"role_arn": "writer"}, "s3.role.arn must be the ARN of a role such as arn:aws:iam::123456789012:role/writer"),
        ({"role_external_id": "x1"}, "s3.role.external.id has no effect without s3.role.arn"),
        ({"sts_endpoint": SecretUrl("http://sts")}, "s3.sts.endpoint has no effect without s3.role.arn"),
        ({"role_session_name": "a b"}, "s3.role.session.name must be 2 to 64 letters"),
        ({"sse_kms_key": "k"}, "s3.sse.kms.key has no effect without s3.sse aws:kms"),
        ({"sse_kms_key": "k", "sse": "AES256"}, "s3.sse.kms.key has no effect without s3.sse aws:kms"),
        ({"storage_class": "cold storage"}, "s3.storage.class must be a class such as STANDARD_IA"),
        ({"tags": ("team",)}, "s3.tags must be pairs such as team=data"),
        ({"tags": ("=data",)}, "s3.tags must be pairs such as team=data"),
        ({"tags": ("a=1", "a=2")}, "s3.tags must not repeat a key, but have 'a' twice"),
        ({"tags": ("aws:x=1",)}, "s3.tags must not begin with aws:"),
        ({"tags": tuple(f"k{n}=v" for n in range(11))}, "s3.tags must be at most 10 tags, but are 11"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_options_that_mean_nothing_or_contradict(fields: dict[str, object], problem: str) -> None:
    """The option is named, and what it should be."""
    (found,) = wrong(**fields)

    assert found.startswith(problem)


@pytest.mark.parametrize(
    "fields",
    [
        {"role_arn": "arn:aws:iam::123456789012:role/path/writer", "role_external_id": "a:b/c"},
        {"role_arn": "arn:aws-cn:iam::123456789012:role/writer"},
        {"role_arn": "arn:minio:iam:::role/idp"},
        {"sse": "aws:kms", "sse_kms_key": "arn:aws:kms:eu-west-1:123456789012:key/x"},
        {"tags": ("team=données", "empty=", "a=b=c")},
        {"storage_class": "GLACIER_IR"},
    ],
)
def test_options_that_are_in_order(fields: dict[str, object]) -> None:
    """Other partitions of AWS, other stores' roles, tags with what S3 allows in them."""
    assert wrong(**fields) == []


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("s3.part.size", "4 MiB", "must be at least 5242880"),
        ("s3.part.size", "6 GiB", "must be at most 5368709120"),
        ("s3.max.in.flight", "0", "must be at least 1"),
        ("s3.sse", "aes256", "must be one of AES256, aws:kms, aws:kms:dsse"),
        ("s3.acl", "public", "must be one of private"),
        ("s3.checksum", "md5", "must be one of none, crc32c"),
    ],
)
def test_values_out_of_range(key: str, value: str, problem: str) -> None:
    """S3's own limits, in words."""
    with pytest.raises(ConfigError, match=problem) as caught:
        load([S3Config], {"s3.bucket": "bucket", key: value})

    assert [found.field for found in caught.value.problems] == [f"config.{key}"]
