from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhouse_connect.cli.failures import CommandError
from streamhouse_connect.cli.properties import read_properties


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "kafka.properties"


def problems(file: Path, text: str | bytes) -> list[str]:
    """Return what is said of a file, without its name."""
    file.write_bytes(text.encode() if isinstance(text, str) else text)

    with pytest.raises(CommandError) as caught:
        read_properties(file)

    assert caught.value.exit_code == 2
    return [line.removeprefix(f"{file}").removeprefix(", ").removeprefix(": ") for line in caught.value.lines]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("a.b=c", {"a.b": "c"}),
        ("a=b\nc=d\r\ne=f\rg=h", {"a": "b", "c": "d", "e": "f", "g": "h"}),
        ("# a=b\n  ! c=d\n\n \t\n\te = f=g # no comment", {"e": "f=g # no comment"}),
        ("a : b\nc d\ne\tf\ng=\nh= i ", {"a": "b", "c": "d", "e": "f", "g": "", "h": "i "}),
        ("a=b\\\n  c\\\n\td\ne=f", {"a": "bcd", "e": "f"}),
        ("a=b\\\\\nc=d", {"a": "b\\", "c": "d"}),
        ("a=b\\\n# c\\\n\nd=e", {"a": "b# c", "d": "e"}),
        ("a=b\\", {"a": "b"}),
        (r"a=\t\n\r\f\=\:\#\q\u00e4\\", {"a": "\t\n\r\f=:#qä\\"}),
        (r"a\.b=c", {"a.b": "c"}),
        ("\ufeffa=ä", {"a": "ä"}),
    ],
)
def test_it_is_read_as_java_does(file: Path, text: str, found: dict[str, str]) -> None:
    """Separators, comments, escapes, lines that go on; spaces at the end of a value count."""
    file.write_text(text, newline="")
    assert read_properties(file) == found


def test_every_problem_is_told_with_its_line(file: Path) -> None:
    """Lines that go on count too; the name of the file comes first."""
    text = "a=1\\\n  2\n=x\n\nacks\na = 3\nb=\\u12\n"
    assert problems(file, text) == [
        "line 3: begins with no name of a property; write each as name=value, and end a line that goes on in the next with \\",
        "line 5: has no value; write it as name=value",
        "line 6: a is there already, in line 1",
        "line 7: has \\u without four hexadecimal digits; a backslash itself is written as \\\\",
    ]


@pytest.mark.parametrize(
    "line", ["hunter2", "c2VjcmV0SHVudGVyMg==", '"hunter2";', "=hunter2", "ä=hunter2", "a=\\uhunter2"]
)
def test_nothing_is_quoted(file: Path, line: str) -> None:
    """A line that got out of place may be a password."""
    (problem,) = problems(file, f"sasl.password=x\n{line}\n")
    assert problem.startswith("line 2: ")
    assert "unter2" not in problem
    assert "c2Vj" not in problem


def test_what_is_no_text_is_refused(file: Path) -> None:
    """With the place; and what is too large, before it is all read."""
    assert problems(file, b"a=\xff") == ["byte 2 is not UTF-8"]
    assert problems(file, b"#" * (1 << 20) + b"\n") == ["larger than 1 MiB, which no properties are"]


@given(text=st.text(alphabet="a=: \\\n\r\t#u0é"))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """Nothing else happens."""
    file = tmp_path_factory.getbasetemp() / "any.properties"
    file.write_text(text, newline="")

    with suppress(CommandError):
        assert all(re.fullmatch("[a-z0-9_.-]+", key) for key in read_properties(file))
