"""The codes in the answers of S3 and its likes: which pass, and what to change about the others. Knows no client library.

https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html; a code of digits is the status of an answer without one.
"""

from __future__ import annotations

from typing import Final

import attrs

__all__ = [
    "CURES",
    "EXPIRED",
    "HOW_TO_GIVE_CREDENTIALS",
    "OTHERWISE",
    "RETRIABLE",
    "ROLE_CURES",
    "WRONG_REGION",
    "Cure",
]


@attrs.frozen
class Cure:
    """What to change, in words, and the option that it is most likely about."""

    option: str
    remedy: str


WRONG_REGION: Final = "set s3.region to the region of the bucket, and s3.endpoint, if given, to one that serves it"
HOW_TO_GIVE_CREDENTIALS: Final = (
    "give s3.access.key and s3.secret.key, or set up AWS's default chain (environment, profile or role)"
)

_GRANT: Final = Cure(
    "s3.bucket",
    "allow s3:PutObject and s3:GetObject on the keys, and s3:ListBucket on the bucket, to these credentials",
)
_SETTLE: Final = Cure("s3.access.key", "settle the account with the provider of the store")
_GIVE: Final = Cure("s3.access.key", HOW_TO_GIVE_CREDENTIALS)
_RENEW: Final = Cure(
    "s3.session.token",
    "the credentials have expired: renew them; those of s3.role.arn, s3.profile and AWS's default chain are read anew",
)
_REGION: Final = Cure("s3.region", WRONG_REGION)
_FEWER: Final = Cure("batch.bytes", "lower batch.size or batch.bytes")
_LACKS: Final = Cure("s3.endpoint", "the store lacks an operation that the sink needs")
_KMS_KEY: Final = Cure("s3.sse.kms.key", "correct s3.sse.kms.key, or enable the key")
_ENCRYPTION: Final = Cure("s3.sse", "correct s3.sse")
_ACL: Final = Cure("s3.acl", "leave out s3.acl, or allow ACLs in the bucket's object ownership")
OTHERWISE: Final = Cure("s3.bucket", "correct the options s3.*")

CURES: Final = {
    "NoSuchBucket": Cure("s3.bucket", "create the bucket, or correct s3.bucket"),
    "InvalidBucketName": Cure("s3.bucket", "correct s3.bucket"),
    "403": _GRANT,
    "AccessDenied": _GRANT,
    "AllAccessDisabled": _GRANT,
    "AccountProblem": _SETTLE,
    "NotSignedUp": _SETTLE,
    "InvalidObjectState": _GRANT,
    "InvalidAccessKeyId": Cure("s3.access.key", "correct s3.access.key"),
    "InvalidClientTokenId": Cure("s3.access.key", "correct s3.access.key"),
    "SignatureDoesNotMatch": Cure("s3.secret.key", "correct s3.secret.key"),
    "CredentialsNotSupported": _GIVE,
    "MissingSecurityHeader": _GIVE,
    "InvalidSecurity": Cure("s3.access.key", "correct s3.access.key and s3.secret.key"),
    "InvalidToken": Cure("s3.session.token", "correct s3.session.token: it belongs to s3.access.key"),
    "ExpiredToken": _RENEW,
    "ExpiredTokenException": _RENEW,
    "TokenRefreshRequired": _RENEW,
    "301": _REGION,
    "307": _REGION,
    "PermanentRedirect": _REGION,
    "Redirect": _REGION,
    "TemporaryRedirect": _REGION,
    "AuthorizationHeaderMalformed": _REGION,
    "IllegalLocationConstraintException": _REGION,
    "KeyTooLongError": Cure("s3.prefix", "shorten s3.prefix"),
    "EntityTooLarge": _FEWER,
    "InlineDataTooLarge": _FEWER,
    "MaxMessageLengthExceeded": _FEWER,
    "InvalidStorageClass": Cure("s3.storage.class", "correct s3.storage.class"),
    "InvalidTag": Cure("s3.tags", "correct s3.tags"),
    "AccessControlListNotSupported": _ACL,
    "InvalidBucketAclWithObjectOwnership": _ACL,
    "KMS.DisabledException": _KMS_KEY,
    "KMS.InvalidKeyUsageException": _KMS_KEY,
    "KMS.KMSInvalidStateException": _KMS_KEY,
    "KMS.NotFoundException": _KMS_KEY,
    "InvalidEncryptionAlgorithmError": _ENCRYPTION,
    "ServerSideEncryptionConfigurationNotFoundError": _ENCRYPTION,
    "405": _LACKS,
    "501": _LACKS,
    "MethodNotAllowed": _LACKS,
    "NotImplemented": _LACKS,
}
"""Codes of answers that stay the same until somebody changes something, and what to change."""

_TRUST: Final = Cure(
    "s3.role.arn",
    "let these credentials assume s3.role.arn: sts:AssumeRole for them, they in the role's trust policy, and the "
    "s3.role.external.id that it asks for",
)
_ROLE: Final = Cure("s3.role.arn", "correct s3.role.arn, s3.role.external.id and s3.role.session.name")

ROLE_CURES: Final = {
    "403": _TRUST,
    "AccessDenied": _TRUST,
    "AccessDeniedException": _TRUST,
    "400": _ROLE,
    "ValidationError": _ROLE,
    "RegionDisabledException": Cure("s3.region", "activate STS in s3.region, or set another s3.sts.endpoint"),
    "404": Cure("s3.sts.endpoint", "correct s3.sts.endpoint"),
    **{code: CURES[code] for code in ("InvalidClientTokenId", "SignatureDoesNotMatch", "ExpiredToken")},
}
"""The same for answers to the request to assume a role."""

EXPIRED: Final = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"})
"""Codes of answers after which other credentials may be there already, unless they are fixed."""

RETRIABLE: Final = frozenset(
    {
        "BadDigest",
        "BandwidthLimitExceeded",
        "ConditionalRequestConflict",
        "IncompleteBody",
        "InternalError",
        "KMS.ThrottlingException",
        "NoSuchUpload",
        "OperationAborted",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeTooSkewed",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequests",
        "TooManyRequestsException",
        "XAmzContentSHA256Mismatch",
    }
)
"""Codes of answers after which the same request may well succeed; besides them every 408, 409, 425, 429 and 5xx."""
