"""The options of the S3 sink, and the limits that are no options. Knows nothing of client libraries."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import attrs

from streamhouse_connect import Problem, Secret, SecretUrl, option

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Limits", "S3Config"]

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_BUCKET_RULE: Final = (
    "must be 3 to 63 lower-case letters, digits, dots and hyphens, with a letter or digit at both ends"
)
_REGION: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")

# A key has at most 1,024 bytes: this leaves 249 for the topic and as many for the path, and the name of the file.
_PREFIX_BYTES: Final = 450
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff\\]")


@attrs.frozen(kw_only=True)
class Limits:
    """How long to wait for the store, and where an object is uploaded in parts."""

    connect_s: float = 5.0
    silence_s: float = 30.0
    """A request that makes no progress for so long is given up."""
    part_bytes: int = 32 << 20
    """Objects larger than two parts are uploaded in parts of this size."""
    parts_at_once: int = 4


@attrs.frozen(kw_only=True)
class S3Config:
    """Where the objects go, and as whom."""

    bucket: str = option("s3.bucket", doc="The bucket; it must exist.")
    prefix: str = option(
        "s3.prefix", default="", doc="Put in front of every key, as a folder; slashes at its ends do not matter."
    )
    region: str = option("s3.region", default="us-east-1", doc="The region of the bucket.")
    endpoint: SecretUrl | None = option(
        "s3.endpoint", default=None, doc="http(s) URL of an S3-compatible store (MinIO, Ceph, SeaweedFS, …); else AWS."
    )
    path_style: bool | None = option(
        "s3.path_style",
        default=None,
        doc="Put the bucket in the path rather than in the host name; default: true with s3.endpoint.",
    )
    access_key: Secret | None = option(
        "s3.access.key",
        default=None,
        doc="Access key id; without it AWS's default chain is used (environment, profile, role).",
    )
    secret_key: Secret | None = option(
        "s3.secret.key", default=None, doc="Secret access key that belongs to s3.access.key."
    )

    @property
    def root(self) -> str:
        """The normalised prefix: empty, or segments that each end with a slash."""
        return "".join(f"{segment}/" for segment in self.prefix.split("/") if segment)

    def problems(self) -> Iterator[Problem]:
        """Find what is wrong with single values and with their combination."""
        if not _BUCKET.fullmatch(self.bucket) or ".." in self.bucket or _is_address(self.bucket):
            yield Problem("s3.bucket", f"{_BUCKET_RULE}, but is {self.bucket[:80]!r}")

        yield from self._prefix_problems()

        if not _REGION.fullmatch(self.region):
            yield Problem(
                "s3.region", f"must be the name of a region such as eu-central-1, but is {self.region[:80]!r}"
            )

        if self.endpoint is not None and (wrong := _wrong_with_endpoint(self.endpoint.reveal())):
            yield Problem("s3.endpoint", wrong)

        if self.access_key is not None and self.secret_key is None:
            yield Problem("s3.secret.key", "is required, because s3.access.key is given")

        if self.secret_key is not None and self.access_key is None:
            yield Problem("s3.access.key", "is required, because s3.secret.key is given")

    def _prefix_problems(self) -> Iterator[Problem]:
        if any(segment in {".", ".."} for segment in self.prefix.split("/")):
            yield Problem("s3.prefix", f"must not hold the segments . or .., but is {self.prefix[:80]!r}")

        if _UNPRINTABLE.search(self.prefix):
            yield Problem("s3.prefix", f"must not hold control characters or backslashes, but is {self.prefix[:80]!r}")

        elif (size := len(self.root.encode())) > _PREFIX_BYTES:
            yield Problem("s3.prefix", f"must be at most {_PREFIX_BYTES} bytes long in UTF-8, but has {size}")


def _is_address(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False

    return True


def _wrong_with_endpoint(url: str) -> str | None:
    """Say what is wrong with the URL without repeating it: it may hold a password by mistake."""
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
