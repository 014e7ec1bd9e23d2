"""What is written, as a function of what is there; that stores keep to their contract is in the conformance suite."""

from typing import Any

import pytest

from streamhouse_connect import ConflictError
from streamhouse_connect.definitions import _writes
from streamhouse_connect.definitions._view import DefinitionKey, StateKey, View, encode_key, encode_state
from streamhouse_connect.definitions._writes import Write
from streamhouse_connect.testing.definitions import make_definition


def _view(*writes: Write[Any]) -> View:
    view = View()

    for write in writes:
        for key, value in write.records:
            assert view.apply(key, value).problem is None

    return view


def test_a_definition_goes_last_and_takes_its_states_along() -> None:
    """All of it is deleted together, and only what is its own."""
    view = _view(_writes.create(View(), make_definition("a", uid="uid-a")))

    for uid in ("uid-a", "uid-b"):
        for key in ("1", "2"):
            view.apply(encode_key(StateKey(uid, key)), encode_state(b"", 1))

    deleted = _writes.delete(view, "a", expected=None)

    assert deleted.records == (
        (encode_key(StateKey("uid-a", "1")), None),
        (encode_key(StateKey("uid-a", "2")), None),
        (encode_key(DefinitionKey("a")), None),
    )


def test_a_damaged_definition_can_only_be_deleted() -> None:
    """It may be a later version's: it is not overwritten unless somebody wants it gone."""
    view = View(damaged={"orders-to-files": "it is cut short"})

    for refused in (
        lambda: _writes.create(view, make_definition()),
        lambda: _writes.replace(view, make_definition(), expected=None),
        lambda: _writes.delete(view, "orders-to-files", expected=1),
    ):
        with pytest.raises(ConflictError, match=r"it is cut short.*delete") as raised:
            refused()

        assert raised.value.code == "definition_damaged"

    assert _writes.delete(view, "orders-to-files", expected=None).records == (
        (encode_key(DefinitionKey("orders-to-files")), None),
    )


def test_what_is_written_shows_no_secrets() -> None:
    """Neither does the definition."""
    definition = make_definition()

    assert "out/" not in repr(_writes.create(View(), definition))
