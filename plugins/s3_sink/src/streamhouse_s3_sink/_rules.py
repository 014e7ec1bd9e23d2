"""What values of options may look like. Each function says what is wrong with one, or returns None. Knows no option."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "MAX_PREFIX_BYTES",
    "wrong_with_bucket",
    "wrong_with_endpoint",
    "wrong_with_external_id",
    "wrong_with_prefix",
    "wrong_with_region",
    "wrong_with_role",
    "wrong_with_session_name",
    "wrong_with_storage_class",
    "wrong_with_tags",
]

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_BUCKET_RULE: Final = (
    "must be 3 to 63 lower-case letters, digits, dots and hyphens, with a letter or digit at both ends"
)
_REGION: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")

# A key has at most 1,024 bytes: this leaves 249 for the topic and as many for the path, and the name of the file.
MAX_PREFIX_BYTES: Final = 450
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff\\]")

# https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html; other stores leave out the account.
_ROLE: Final = re.compile(r"arn:[a-z0-9-]+:(?:iam|sts):[^:\s]*:[^:\s]*:[\w+=,.@:/-]+", re.ASCII)
_EXTERNAL_ID: Final = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)
_SESSION_NAME: Final = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_STORAGE_CLASS: Final = re.compile(r"[A-Z0-9_-]{1,64}")

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
_MAX_TAGS: Final = 10
_TAG_KEY: Final = re.compile(r"[\w +\-=.:/@]{1,128}")
_TAG_VALUE: Final = re.compile(r"[\w +\-=.:/@]{0,256}")


def wrong_with_bucket(name: str) -> str | None:
    """Check a bucket by the rules of S3."""
    if _BUCKET.fullmatch(name) and ".." not in name and not _is_address(name):
        return None

    return f"{_BUCKET_RULE}, but is {_shown(name)}"


def wrong_with_prefix(prefix: str) -> str | None:
    """Check what is put in front of keys, but for its length."""
    if any(segment in {".", ".."} for segment in prefix.split("/")):
        return f"must not hold the segments . or .., but is {_shown(prefix)}"

    if _UNPRINTABLE.search(prefix):
        return f"must not hold control characters or backslashes, but is {_shown(prefix)}"

    return None


def wrong_with_region(region: str) -> str | None:
    """Check a region: a label of a host name."""
    if _REGION.fullmatch(region):
        return None

    return f"must be the name of a region such as eu-central-1, but is {_shown(region)}"


def wrong_with_endpoint(url: str) -> str | None:
    """Check a URL, and do not repeat it: it may hold a password by mistake."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is not a URL; it should look like https://minio.example.com:9000"

    if parts.scheme not in {"http", "https"} or not host or re.search(r"[\s\x00-\x1f\x7f\\]", url):
        return "must be an http or https URL such as https://minio.example.com:9000"

    if "@" in parts.netloc:
        return "must not hold a user or password; give them as s3.access.key and s3.secret.key"

    if parts.query or parts.fragment:
        return "must not hold a query or fragment"

    return None


def wrong_with_role(arn: str) -> str | None:
    """Check the ARN of a role."""
    if _ROLE.fullmatch(arn):
        return None

    return f"must be the ARN of a role such as arn:aws:iam::123456789012:role/writer, but is {_shown(arn)}"


def wrong_with_external_id(text: str) -> str | None:
    """Check an external id by the rules of STS."""
    return None if _EXTERNAL_ID.fullmatch(text) else "must be 2 to 1,224 letters, digits and characters of _+=,.@:/-"


def wrong_with_session_name(text: str) -> str | None:
    """Check the name of a role's session by the rules of STS."""
    if _SESSION_NAME.fullmatch(text):
        return None

    return f"must be 2 to 64 letters, digits and characters of _+=,.@-, but is {_shown(text)}"


def wrong_with_storage_class(text: str) -> str | None:
    """Check a storage class; stores other than S3 have some of their own."""
    return None if _STORAGE_CLASS.fullmatch(text) else f"must be a class such as STANDARD_IA, but is {_shown(text)}"


def wrong_with_tags(tags: Sequence[str]) -> Iterator[str]:
    """Check tags, each `key=value`, by the rules of S3."""
    if len(tags) > _MAX_TAGS:
        yield f"must be at most {_MAX_TAGS} tags, but are {len(tags)}"

    keys = [tag.partition("=")[0] for tag in tags]

    for tag, key in zip(tags, keys, strict=True):
        if "=" not in tag or not _TAG_KEY.fullmatch(key) or not _TAG_VALUE.fullmatch(tag.partition("=")[2]):
            yield (
                "must be pairs such as team=data, with up to 128 and 256 letters, digits, spaces and characters of "
                f"_+-=.:/@, but one is {_shown(tag)}"
            )

        elif key.lower().startswith("aws:"):
            yield f"must not begin with aws:, which S3 keeps for itself, but one is {_shown(tag)}"

    if twice := sorted({key for key in keys if keys.count(key) > 1}):
        yield f"must not repeat a key, but have {_shown(twice[0])} twice"


def _shown(text: str) -> str:
    return repr(text[:80])


def _is_address(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False

    return True
