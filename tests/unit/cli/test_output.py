from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhouse_connect.cli import output
from streamhouse_connect.cli.output import clean, print_fields, print_json, print_table


@given(st.text())
def test_nothing_printed_can_steer_a_terminal(text: str) -> None:
    """No control character is left, and it is one line."""
    assert not any(char < " " or "\x7f" <= char <= "\x9f" or char in "\u2028\u2029\u202e\u2066" for char in clean(text))
    assert len(clean(text).splitlines()) <= 1


def test_control_characters_can_be_read() -> None:
    """They are evidence of something, and stay to be seen."""
    assert clean("a\x1b[31mb\tc\nd\x9b\u202e") == "a\\x1b[31mb c d\\x9b\\u202e"


def test_a_table_is_aligned_and_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    """Scripts can count on the columns, whatever the terminal."""
    print_table(["name", "doc"], [["a", "x" * 300], ["long name", "[red]y[/red]\x1b"]])
    assert capsys.readouterr().out.splitlines() == [
        "NAME       DOC",
        "a          " + "x" * 300,
        "long name  [red]y[/red]\\x1b",
    ]


def test_empty_fields_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """A connector without an error has no line for it."""
    print_fields([("state", "running"), ("error", ""), ("lag", "0")])
    assert capsys.readouterr().out == "state: running\nlag:   0\n"


def test_json_is_printed_as_it_came(capsys: pytest.CaptureFixture[str]) -> None:
    """Numbers keep their digits and objects their order."""
    print_json(b'{"b":1.50,"a":["\\u001b","\xc3\xb6"]}')
    assert capsys.readouterr().out == '{\n  "b": 1.50,\n  "a": [\n    "\\u001b",\n    "ö"\n  ]\n}\n'


def test_a_terminal_gets_text_never_markup(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with brackets is a name."""
    monkeypatch.setattr(output, "is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    print_table(["name", "state"], [["[red]a[/red]", "failed"], [":smile:", "running"]])
    print_fields([("x", "[bold]y[/bold]")])
    shown = capsys.readouterr().out
    assert "[red]a[/red]" in shown
    assert ":smile:" in shown
    assert "[bold]y[/bold]" in shown
