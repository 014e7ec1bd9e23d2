"""What a failure of s3fs means to the runtime. The only place that knows the errors of s3fs, botocore and aiohttp.

s3fs turns an answer of the store into an `OSError` of some class (a 412 may be `FileExistsError` or errno 22, a clock that
is wrong a `PermissionError`), so the class says little: the answer itself, botocore's `ClientError`, is its `__cause__`.
Whatever never got an answer is a `BotoCoreError` or an error of the network.
"""

from __future__ import annotations

import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import attrs
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from streamhouse_connect import DeliveryError, FatalError, RetriableError
from streamhouse_s3_sink._codes import (
    CURES,
    EXPIRED,
    HOW_TO_GIVE_CREDENTIALS,
    OTHERWISE,
    RETRIABLE,
    ROLE_CURES,
    WRONG_REGION,
    Cure,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Answer", "answer_in", "option_behind", "translate", "translated"]

_ASSUME_ROLE: Final = "AssumeRole"
_HEAD_BUCKET: Final = "HeadBucket"
_LONGEST_WAIT: Final = 60.0

_RETRIABLE_STATUSES: Final = frozenset({408, 409, 425, 429})
_SERVER_ERROR: Final = 500
_NOT_IMPLEMENTED: Final = 501
_NOT_FOUND: Final = 404
_PRECONDITION_FAILED: Final = 412

_UNREACHABLE: Final = (
    boto.ConnectionError,
    boto.HTTPClientError,
    boto.IncompleteReadError,
    boto.ChecksumError,
    boto.FlexibleChecksumError,
    boto.CredentialRetrievalError,
    boto.MetadataRetrievalError,
    ResponseParserError,
    aiohttp.ClientError,
    ConnectionError,
    TimeoutError,
)
_NO_CREDENTIALS: Final = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.NoAuthTokenError,
    boto.TokenRetrievalError,
    boto.SSOError,
    boto.LoginError,
    boto.ProfileNotFound,
    boto.UnknownCredentialError,
    boto.RefreshWithMFAUnsupportedError,
)


@attrs.frozen
class Answer:
    """An error that the store itself has answered. `code` is the status where the answer had no body."""

    status: int
    code: str
    message: str
    region: str | None
    operation: str
    """What was asked, by its name in the API: `PutObject`; `AssumeRole` is answered by STS."""
    retry_after: float | None = None
    """The seconds that the store asks to be left alone for."""

    @property
    def exists(self) -> bool:
        """A conditional create met an object of that key."""
        return self.status == _PRECONDITION_FAILED

    @property
    def absent(self) -> bool:
        """There is no object of that key; the bucket is there."""
        return self.status == _NOT_FOUND and not self.bucket_missing and self.operation != _ASSUME_ROLE

    @property
    def is_about_bucket(self) -> bool:
        """The request was about the bucket, not about an object; nor has another service answered it."""
        return self.operation == _HEAD_BUCKET

    @property
    def bucket_missing(self) -> bool:
        """There is no such bucket."""
        return self.code == "NoSuchBucket" or (self.status == _NOT_FOUND and self.is_about_bucket)

    @property
    def upload_missing(self) -> bool:
        """The upload in parts was aborted, or has ended."""
        return self.code == "NoSuchUpload"

    @property
    def unsupported(self) -> bool:
        """The store does not know this kind of request."""
        return self.status == _NOT_IMPLEMENTED or self.code == "NotImplemented"

    @property
    def has_expired(self) -> bool:
        """The credentials were good once."""
        return self.code in EXPIRED

    @property
    def retriable(self) -> bool:
        """The same request may succeed later."""
        if self.unsupported:
            return False

        return self.code in RETRIABLE or self.status in _RETRIABLE_STATUSES or self.status >= _SERVER_ERROR


def answer_in(error: BaseException) -> Answer | None:
    """Find the answer of the store in an error of s3fs; None if there was none."""
    cause: BaseException | None = error

    while cause is not None and not isinstance(cause, boto.ClientError):
        # Over an answer that says nothing s3fs stumbles itself.
        cause = cause.__context__ if isinstance(cause, KeyError) else cause.__cause__

    if cause is None:
        return None

    response: dict[str, Any] = cause.response
    details: dict[str, Any] = response.get("Error", {})
    meta: dict[str, Any] = response.get("ResponseMetadata", {})
    code = str(details.get("Code", ""))
    region = details.get("Region") or meta.get("HTTPHeaders", {}).get("x-amz-bucket-region")
    return Answer(
        status=int(meta.get("HTTPStatusCode") or (code if code.isdigit() else 0)),
        code=code,
        message=" ".join(str(details.get("Message", "")).split())[:300],
        region=str(region) if region else None,
        operation=cause.operation_name,
        retry_after=_seconds(meta.get("HTTPHeaders", {}).get("retry-after")),
    )


def translate(error: Exception, what: str) -> DeliveryError | None:
    """Return the error that names what the runtime shall do; None if it is none that S3 explains.

    `what` was not possible: "write s3://bucket/key".
    """
    if answer := answer_in(error):
        return _from_answer(answer, what)

    chain = list(_chain(error))
    said = f"can't {what}: {_brief(error)}"

    if any(isinstance(link, ssl.SSLCertVerificationError) for link in chain):
        return FatalError(
            f"{said}; let this machine trust the store's certificate (AWS_CA_BUNDLE), or correct s3.endpoint"
        )

    if isinstance(error, _NO_CREDENTIALS):
        return FatalError(f"{said}; {HOW_TO_GIVE_CREDENTIALS}")

    if isinstance(error, _UNREACHABLE):
        return RetriableError(said)

    if isinstance(error, boto.BotoCoreError):
        return FatalError(f"{said}; correct the options s3.* or this machine's AWS configuration")

    if isinstance(error, PermissionError | FileNotFoundError | ValueError):
        return FatalError(said)

    return RetriableError(said) if isinstance(error, OSError) else None


def option_behind(error: BaseException) -> str:
    """Return the option that a problem with the store is most likely about."""
    answer = answer_in(error)

    if answer is not None:
        return cure(answer).option

    chain = list(_chain(error))
    return "s3.access.key" if any(isinstance(link, _NO_CREDENTIALS) for link in chain) else "s3.endpoint"


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Raise the runtime's errors instead of the client library's.

    The frames of the client library hold the body that was sent, and often the error as well: the errors let go of them,
    or each failed attempt would keep a body until the garbage collector comes.
    """
    try:
        yield
    except DeliveryError:
        raise
    except Exception as error:
        found = translate(error, what)

        if found is None:
            raise

        for link in _chain(error):
            link.__traceback__ = None

        try:
            raise found from error
        finally:
            del found


def _from_answer(answer: Answer, what: str) -> DeliveryError:
    code = "NoSuchBucket" if answer.bucket_missing else answer.code
    said = f"can't {what}: {code or 'no code'}, status {answer.status}"

    if answer.message and answer.message != code:
        said += f" ({answer.message})"

    if code == "RequestTimeTooSkewed":
        said += "; set this machine's clock"

    if answer.retriable and code not in CURES:
        return RetriableError(said, retry_after=answer.retry_after)

    if answer.region and cure(answer).remedy is WRONG_REGION:
        said += f"; the bucket is in {answer.region}"

    return FatalError(f"{said}; {cure(answer).remedy}")


def cure(answer: Answer) -> Cure:
    """Return what to change after an answer that stays the same until somebody does."""
    code = "NoSuchBucket" if answer.bucket_missing else answer.code
    tables = (ROLE_CURES, CURES) if answer.operation == _ASSUME_ROLE else (CURES,)

    for table in tables:
        for known in (code, str(answer.status)):
            if known in table:
                return table[known]

    return OTHERWISE


def _seconds(text: object) -> float | None:
    """Read Retry-After, which may be a date instead; nobody waits for longer than that."""
    return min(float(text), _LONGEST_WAIT) if isinstance(text, str) and text.isdecimal() else None


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    link: BaseException | None = error

    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link

        if isinstance(link, boto.BotoCoreError) and isinstance(inner := link.kwargs.get("error"), BaseException):
            yield from (
                inner,
                *filter(None, (inner.__cause__, inner.__context__, getattr(inner, "certificate_error", None))),
            )

        link = link.__cause__ or link.__context__


def _brief(error: BaseException) -> str:
    text = " ".join(str(error).split())[:300]
    return (
        text
        if isinstance(error, boto.BotoCoreError) and text
        else f"{type(error).__name__}{': ' if text else ''}{text}"
    )
