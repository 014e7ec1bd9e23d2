"""The codes in the answers of S3 and its likes: which pass, and what to change about the others. Knows no client library.

https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html; a code of digits is the status of an answer without one.
"""

from __future__ import annotations

from typing import Final

__all__ = ["HOW_TO_GIVE_CREDENTIALS", "REMEDIES", "RETRIABLE", "WRONG_REGION"]

_GRANT: Final = "allow s3:PutObject and s3:GetObject on the keys, and s3:ListBucket on the bucket, to these credentials"
_RENEW: Final = "the credentials have expired: renew them"
WRONG_REGION: Final = "set s3.region to the region of the bucket, and s3.endpoint, if given, to one that serves it"
HOW_TO_GIVE_CREDENTIALS: Final = (
    "give s3.access.key and s3.secret.key, or set up AWS's default chain (environment, profile or role)"
)
_FEWER: Final = "lower batch.size or batch.bytes"

REMEDIES: Final = {
    "NoSuchBucket": "create the bucket, or correct s3.bucket",
    "InvalidBucketName": "correct s3.bucket",
    "403": _GRANT,
    "AccessDenied": _GRANT,
    "AllAccessDisabled": _GRANT,
    "AccountProblem": "settle the account with the provider of the store",
    "NotSignedUp": "settle the account with the provider of the store",
    "InvalidObjectState": _GRANT,
    "InvalidAccessKeyId": "correct s3.access.key",
    "SignatureDoesNotMatch": "correct s3.secret.key",
    "CredentialsNotSupported": HOW_TO_GIVE_CREDENTIALS,
    "MissingSecurityHeader": HOW_TO_GIVE_CREDENTIALS,
    "InvalidSecurity": "correct s3.access.key and s3.secret.key",
    "ExpiredToken": _RENEW,
    "ExpiredTokenException": _RENEW,
    "InvalidToken": _RENEW,
    "TokenRefreshRequired": _RENEW,
    "301": WRONG_REGION,
    "307": WRONG_REGION,
    "PermanentRedirect": WRONG_REGION,
    "Redirect": WRONG_REGION,
    "TemporaryRedirect": WRONG_REGION,
    "AuthorizationHeaderMalformed": WRONG_REGION,
    "IllegalLocationConstraintException": WRONG_REGION,
    "KeyTooLongError": "shorten s3.prefix",
    "EntityTooLarge": _FEWER,
    "InlineDataTooLarge": _FEWER,
    "MaxMessageLengthExceeded": _FEWER,
    "405": "the store lacks an operation that the sink needs",
    "501": "the store lacks an operation that the sink needs",
    "MethodNotAllowed": "the store lacks an operation that the sink needs",
    "NotImplemented": "the store lacks an operation that the sink needs",
}
"""Codes of answers that stay the same until somebody changes something, and what to change."""

RETRIABLE: Final = frozenset(
    {
        "BadDigest",
        "BandwidthLimitExceeded",
        "ConditionalRequestConflict",
        "IncompleteBody",
        "InternalError",
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
