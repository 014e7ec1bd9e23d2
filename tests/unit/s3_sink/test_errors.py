"""Every failure of the client library means something to the runtime."""

from __future__ import annotations

import ssl
from typing import Any

import aiohttp
import pytest
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError
from s3fs.errors import ERROR_CODE_TO_EXCEPTION, translate_boto_error

from streamhouse_connect import DeliveryError, FatalError, RetriableError
from streamhouse_s3_sink._codes import CURES, RETRIABLE
from streamhouse_s3_sink._errors import answer_in, translate, translated

WHAT = "write s3://bucket/key"


def answered(code: str, status: int, *, operation: str = "PutObject", message: str = "no", **more: str) -> Exception:
    """Make the error that s3fs raises for an answer of the store."""
    headers = {name.replace("_", "-"): value for name, value in more.items()}
    response: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers},
    }
    error: Exception = translate_boto_error(boto.ClientError(response, operation))
    return error


def meaning(error: Exception) -> DeliveryError:
    """Translate, and insist on an answer."""
    found = translate(error, WHAT)
    assert found is not None
    return found


def every(base: type[Exception]) -> list[type[Exception]]:
    """Return all subclasses."""
    return [base, *(each for child in base.__subclasses__() for each in every(child))]


def made(kind: type[Exception]) -> Exception:
    """Make an error of a class whose arguments nobody knows."""
    error = kind.__new__(kind)
    error.kwargs = {}  # type: ignore[attr-defined]  # what BotoCoreError's own __init__ does
    return error


@pytest.mark.parametrize("code", sorted(RETRIABLE))
def test_codes_that_pass(code: str) -> None:
    """The runtime tries again, whatever the status."""
    assert isinstance(meaning(answered(code, 400)), RetriableError)


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 507, 509])
def test_statuses_that_pass(status: int) -> None:
    """The runtime tries again, whatever the code, and when there is none."""
    assert isinstance(meaning(answered("SomethingNew", status)), RetriableError)
    assert isinstance(meaning(answered(str(status), status)), RetriableError)


@pytest.mark.parametrize(
    ("code", "status", "remedy"),
    [
        ("NoSuchBucket", 404, "create the bucket, or correct s3.bucket"),
        ("AccessDenied", 403, "allow s3:PutObject"),
        ("403", 403, "allow s3:PutObject"),
        ("InvalidAccessKeyId", 403, "correct s3.access.key"),
        ("SignatureDoesNotMatch", 403, "correct s3.secret.key"),
        ("ExpiredToken", 400, "the credentials have expired"),
        ("PermanentRedirect", 301, "set s3.region"),
        ("301", 301, "set s3.region"),
        ("AuthorizationHeaderMalformed", 400, "set s3.region"),
        ("KeyTooLongError", 400, "shorten s3.prefix"),
        ("EntityTooLarge", 400, "lower batch.size"),
        ("NotImplemented", 501, "lacks an operation"),
    ],
)
def test_codes_that_need_somebody(code: str, status: int, remedy: str) -> None:
    """The message names the object, the code and what to do."""
    found = meaning(answered(code, status))

    assert isinstance(found, FatalError)
    assert WHAT in str(found)
    assert code in str(found)
    assert remedy in str(found)


@pytest.mark.parametrize("code", sorted(ERROR_CODE_TO_EXCEPTION))
def test_every_code_that_s3fs_knows(code: str) -> None:
    """Each is one or the other, and a fatal one says what to do."""
    status = int(code) if code.isdigit() else 400
    found = meaning(answered(code, status))

    assert isinstance(found, RetriableError) or "; " in str(found)


def test_the_table_does_not_contradict_itself() -> None:
    """No code is both."""
    assert not CURES.keys() & RETRIABLE


def test_a_missing_bucket_by_head() -> None:
    """HEAD has no body: the operation says what is missing."""
    found = meaning(answered("404", 404, operation="HeadBucket"))

    assert isinstance(found, FatalError)
    assert "create the bucket" in str(found)


def test_an_answer_that_says_nothing_is_known_by_its_status() -> None:
    """s3fs looks for a code in it, and stumbles; see its `translate_boto_error`."""
    response: Any = {"ResponseMetadata": {"HTTPStatusCode": 503}}

    def refuse() -> None:
        raise boto.ClientError(response, "AssumeRole")

    with pytest.raises(RetriableError, match="status 503"), translated(WHAT):
        try:
            refuse()
        except boto.ClientError as error:
            translate_boto_error(error)


def test_the_right_region_is_passed_on() -> None:
    """S3 says where the bucket is."""
    assert "the bucket is in eu-west-3;" in str(meaning(answered("301", 301, x_amz_bucket_region="eu-west-3")))


def test_a_wrong_clock_is_named() -> None:
    """It passes only when somebody sets it, but it may be the store's."""
    assert "set this machine's clock" in str(meaning(answered("RequestTimeTooSkewed", 403)))


def test_long_messages_of_a_store_are_cut() -> None:
    """A store may answer with a page of HTML."""
    assert len(str(meaning(answered("Odd", 400, message="<p>\n" * 10_000)))) < 500


@pytest.mark.parametrize("code", ["PreconditionFailed", "412"])
def test_an_existing_object_is_known_by_its_status(code: str) -> None:
    """s3fs raises OSError 22 or FileExistsError: the answer behind it is what counts."""
    answer = answer_in(answered(code, 412))

    assert answer is not None
    assert answer.exists


def test_an_absent_object_is_not_an_absent_bucket() -> None:
    """Both are FileNotFoundError to s3fs."""
    key, by_code, by_head = (
        answer_in(answered("404", 404, operation="HeadObject")),
        answer_in(answered("NoSuchBucket", 404)),
        answer_in(answered("404", 404, operation="HeadBucket")),
    )

    assert key is not None
    assert by_code is not None
    assert by_head is not None
    assert [key.absent, by_code.absent, by_head.absent] == [True, False, False]


@pytest.mark.parametrize("kind", every(boto.BotoCoreError), ids=lambda kind: kind.__name__)
def test_every_class_of_botocore_is_mapped(kind: type[Exception]) -> None:
    """None reaches the runtime untranslated."""
    assert isinstance(meaning(made(kind)), RetriableError | FatalError)


@pytest.mark.parametrize(
    "kind",
    [
        *every(boto.ConnectionError),
        *every(boto.HTTPClientError),
        ResponseParserError,
        aiohttp.ClientPayloadError,
        *every(aiohttp.ServerConnectionError),
    ],
    ids=lambda kind: kind.__name__,
)
def test_every_class_of_a_broken_connection_is_retriable(kind: type[Exception]) -> None:
    """A store that is down, slow or garbled comes back."""
    error = made(kind) if issubclass(kind, boto.BotoCoreError) else kind.__new__(kind)

    assert isinstance(meaning(error), RetriableError)


@pytest.mark.parametrize(
    "error", [TimeoutError(), ConnectionResetError(104, "reset"), OSError(24, "too many open files")]
)
def test_errors_of_the_network_are_retriable(error: OSError) -> None:
    """So are those that come without a class of botocore."""
    assert isinstance(meaning(error), RetriableError)


@pytest.mark.parametrize(
    "error", [boto.NoCredentialsError(), boto.ProfileNotFound(profile="x"), boto.SSOTokenLoadError(error_msg="x")]
)
def test_no_credentials(error: Exception) -> None:
    """The message names both ways to give them."""
    found = meaning(error)

    assert isinstance(found, FatalError)
    assert "give s3.access.key and s3.secret.key, or set up AWS's default chain" in str(found)


def test_a_certificate_that_is_not_trusted() -> None:
    """It looks like a broken connection to botocore, but waiting does not help."""
    inner = aiohttp.ClientConnectionError("x")
    inner.__cause__ = ssl.SSLCertVerificationError(1, "self-signed certificate")
    found = meaning(boto.SSLError(endpoint_url="https://x", error=inner))

    assert isinstance(found, FatalError)
    assert "AWS_CA_BUNDLE" in str(found)


def test_a_mistake_of_ours_is_not_explained_away() -> None:
    """What S3 does not explain keeps its traceback."""
    assert translate(KeyError("x"), WHAT) is None

    with pytest.raises(KeyError), translated(WHAT):
        raise KeyError("x")


def test_the_original_error_is_kept() -> None:
    """The cause is there for the log."""
    error = answered("SlowDown", 503)

    with pytest.raises(RetriableError) as caught, translated(WHAT):
        raise error

    assert caught.value.__cause__ is error


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("86400", 60.0), ("Fri, 01 Jan 2027", None), (None, None)])
def test_a_store_says_when_to_come_back(header: str | None, seconds: float | None) -> None:
    """Retry-After is obeyed, within reason."""
    found = meaning(answered("SlowDown", 503, **({"retry_after": header} if header else {})))

    assert isinstance(found, RetriableError)
    assert found.retry_after == seconds
