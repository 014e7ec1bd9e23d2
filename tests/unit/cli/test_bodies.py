from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhouse_connect.cli import bodies
from streamhouse_connect.cli.bodies import BadBodyError, read_body


def test_a_definition_is_read_as_it_is_written(tmp_path: Path) -> None:
    """The text goes to the server as it came, without a byte order mark."""
    file = tmp_path / "c.json"
    file.write_bytes(b'\xef\xbb\xbf{"name": "a", "x": 1.50}')
    body = read_body(file)
    assert (body.name, body.raw) == ("a", b'{"name": "a", "x": 1.50}')


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "line 1, column 1: not JSON"),
        (b'{\n "a": 1,\n}', "line 3, column 1"),
        (b'{"a": NaN}', "NaN is no value"),
        (b'{"config": {"s3.bucket": 1, "s3.bucket": 2}}', "'s3.bucket' is there twice"),
        (b"[]", "not a JSON object"),
        (b"\xff\xfe", "byte 0 is not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b"9" * 5000, "5,000 digits"),
    ],
)
def test_what_is_no_definition_is_located(tmp_path: Path, content: bytes, reason: str) -> None:
    """With line and column where there are any."""
    file = tmp_path / "c.json"
    file.write_bytes(content)

    with pytest.raises(BadBodyError) as caught:
        read_body(file)

    assert str(caught.value).startswith(f"{file}: ")
    assert reason in str(caught.value)


def test_a_huge_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody gave the data instead of the definition."""
    monkeypatch.setattr(bodies, "_LARGEST", 10)
    file = tmp_path / "c.json"
    file.write_bytes(b" " * 11)

    with pytest.raises(BadBodyError, match="larger than"):
        read_body(file)


def test_a_definition_needs_a_name_to_be_updated(tmp_path: Path) -> None:
    """It says which connector is meant."""
    file = tmp_path / "c.json"
    file.write_bytes(b'{"name": 5}')

    with pytest.raises(BadBodyError, match="name is required"):
        print(read_body(file).name)


@given(st.binary(max_size=100))
def test_no_file_breaks_it(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever is in it, there is a definition or one clear error."""
    file = tmp_path_factory.getbasetemp() / "any.json"
    file.write_bytes(content)

    with contextlib.suppress(BadBodyError):
        assert isinstance(read_body(file).parsed, dict)
