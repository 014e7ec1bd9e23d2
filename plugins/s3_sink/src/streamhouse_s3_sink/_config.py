"""The options of the S3 sink, and the limits that are no options. Knows nothing of client libraries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlencode

import attrs

from streamhouse_connect import Problem, Secret, SecretUrl, Size, option
from streamhouse_s3_sink import _rules

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Limits", "S3Config"]

_MIN_PART: Final = 5 << 20
_MAX_PART: Final = 5 << 30

_Acl = Literal[
    "private",
    "public-read",
    "public-read-write",
    "authenticated-read",
    "aws-exec-read",
    "bucket-owner-read",
    "bucket-owner-full-control",
]


@attrs.frozen(kw_only=True)
class Limits:
    """How long to wait for the store."""

    connect_s: float = 5.0
    silence_s: float = 30.0
    """A request that makes no progress for so long is given up."""


@attrs.frozen(kw_only=True)
class S3Config:
    """Where the objects go, as whom, and what they are given on the way."""

    bucket: str = option("s3.bucket", identity=True, doc="The bucket; it must exist.")
    prefix: str = option(
        "s3.prefix",
        default="",
        identity=True,
        doc="Put in front of every key, as a folder; slashes at its ends do not matter.",
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
        doc="Access key id; without it s3.profile or AWS's default chain is used (environment, profile, role of the machine).",
    )
    secret_key: Secret | None = option(
        "s3.secret.key", default=None, doc="Secret access key that belongs to s3.access.key."
    )
    session_token: Secret | None = option(
        "s3.session.token",
        default=None,
        doc="Session token that belongs to a temporary s3.access.key; the connector fails when it expires.",
    )
    profile: str | None = option(
        "s3.profile", default=None, doc="The profile of the worker's AWS configuration files to take credentials from."
    )
    role_arn: str | None = option(
        "s3.role.arn",
        default=None,
        doc="The role to assume with these credentials; its own are renewed before they expire.",
    )
    role_external_id: str | None = option(
        "s3.role.external.id", default=None, doc="The external id that the trust policy of the role asks for."
    )
    role_session_name: str = option(
        "s3.role.session.name",
        default="streamhouse-connect",
        doc="What the assumed role is called in the store's audit log.",
    )
    sts_endpoint: SecretUrl | None = option(
        "s3.sts.endpoint", default=None, doc="http(s) URL of the service that gives out roles; else AWS's of s3.region."
    )
    sse: Literal["AES256", "aws:kms", "aws:kms:dsse"] | None = option(
        "s3.sse", default=None, doc="How the store encrypts the objects; default: as the bucket is set up."
    )
    sse_kms_key: str | None = option(
        "s3.sse.kms.key",
        default=None,
        doc="Id, alias or ARN of the KMS key for s3.sse aws:kms; default: AWS's own for S3.",
    )
    storage_class: str | None = option(
        "s3.storage.class", default=None, doc="The storage class of the objects, such as STANDARD_IA."
    )
    tags: tuple[str, ...] = option("s3.tags", default=(), doc="Tags of the objects: team=data,tier=raw.")
    acl: _Acl | None = option("s3.acl", default=None, doc="The canned ACL of the objects, for buckets that allow ACLs.")
    checksum: Literal["none", "crc32c"] | None = option(
        "s3.checksum",
        default=None,
        doc="What the store checks the bytes against and keeps with the objects; default: crc32c on AWS, none with s3.endpoint.",
    )
    part_size: Size = option(
        "s3.part.size",
        default=Size(32 << 20),
        minimum=_MIN_PART,
        maximum=_MAX_PART,
        doc="Objects larger than two parts are uploaded in parts of this size.",
    )
    max_in_flight: int = option(
        "s3.max.in.flight",
        default=4,
        minimum=1,
        maximum=64,
        doc="How many objects, and how many parts of large ones, are sent at the same time by each task.",
    )

    @property
    def root(self) -> str:
        """The normalised prefix: empty, or segments that each end with a slash."""
        return "".join(f"{segment}/" for segment in self.prefix.split("/") if segment)

    @property
    def has_checksums(self) -> bool:
        """Whether each body is sent with its CRC32C."""
        return self.checksum == "crc32c" or (self.checksum is None and self.endpoint is None)

    @property
    def attributes(self) -> dict[str, str]:
        """What every object is given, by the names of S3's API."""
        given = {
            "ServerSideEncryption": self.sse,
            "SSEKMSKeyId": self.sse_kms_key,
            "StorageClass": self.storage_class,
            "Tagging": urlencode([(key, value) for key, _, value in (tag.partition("=") for tag in self.tags)]),
            "ACL": self.acl,
        }
        return {name: value for name, value in given.items() if value}

    def problems(self) -> Iterator[Problem]:
        """Find what is wrong with single values and with their combination."""
        found = {
            "s3.bucket": _rules.wrong_with_bucket(self.bucket),
            "s3.prefix": _rules.wrong_with_prefix(self.prefix) or self._too_long(),
            "s3.region": _rules.wrong_with_region(self.region),
            "s3.endpoint": self.endpoint and _rules.wrong_with_endpoint(self.endpoint.reveal()),
            "s3.sts.endpoint": self.sts_endpoint and _rules.wrong_with_endpoint(self.sts_endpoint.reveal()),
            "s3.role.arn": self.role_arn and _rules.wrong_with_role(self.role_arn),
            "s3.role.external.id": self.role_external_id and _rules.wrong_with_external_id(self.role_external_id),
            "s3.role.session.name": _rules.wrong_with_session_name(self.role_session_name),
            "s3.storage.class": self.storage_class and _rules.wrong_with_storage_class(self.storage_class),
        }
        yield from (Problem(key, wrong) for key, wrong in found.items() if wrong)
        yield from (Problem("s3.tags", wrong) for wrong in _rules.wrong_with_tags(self.tags))
        yield from self._contradictions()

    def _too_long(self) -> str | None:
        size = len(self.root.encode())
        longest = _rules.MAX_PREFIX_BYTES
        return f"must be at most {longest} bytes long in UTF-8, but has {size}" if size > longest else None

    def _contradictions(self) -> Iterator[Problem]:
        if self.access_key is not None and self.secret_key is None:
            yield Problem("s3.secret.key", "is required, because s3.access.key is given")

        if self.secret_key is not None and self.access_key is None:
            yield Problem("s3.access.key", "is required, because s3.secret.key is given")

        if self.session_token is not None and self.access_key is None and self.secret_key is None:
            yield Problem("s3.session.token", "has no effect without the s3.access.key that it belongs to")

        if self.profile is not None and self.access_key is not None:
            yield Problem("s3.profile", "contradicts s3.access.key; give one of them")

        if self.role_arn is None:
            for key, value in (("s3.role.external.id", self.role_external_id), ("s3.sts.endpoint", self.sts_endpoint)):
                if value is not None:
                    yield Problem(key, "has no effect without s3.role.arn")

        if self.sse_kms_key is not None and self.sse not in {"aws:kms", "aws:kms:dsse"}:
            yield Problem("s3.sse.kms.key", "has no effect without s3.sse aws:kms")
