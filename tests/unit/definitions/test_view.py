"""What a topic of definitions says, whatever is in it."""

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhouse_connect.definitions import codec
from streamhouse_connect.definitions._view import DefinitionKey, StateKey, View, encode_key, encode_state
from streamhouse_connect.testing.definitions import make_definition

KEY = encode_key(DefinitionKey("orders"))
VALUE = codec.encode(make_definition("orders"))
SECRET = b'{"config": {"password": "hunter2"}}'


def _view(*records: tuple[bytes, bytes | None]) -> View:
    view = View()

    for key, value in records:
        view.apply(key, value)

    return view


def test_keys_are_readable() -> None:
    """Whoever looks into the topic sees what a record is about; others may rely on the form."""
    assert KEY == b'["definition","orders"]'
    assert encode_key(StateKey("uid", "ä/schema")) == '["state","uid","ä/schema"]'.encode()
    assert msgspec.json.decode(encode_state(b"\x00\xff", 3)) == {"value": "AP8=", "version": 3}


def test_the_last_record_counts() -> None:
    """A definition is what its last record says; without a value there is none."""
    changed = codec.encode(attrs.evolve(make_definition("orders"), epoch=9))
    state = encode_key(StateKey("uid", "key"))

    assert _view((KEY, VALUE), (KEY, changed)).definitions == {"orders": changed}
    assert _view((KEY, VALUE), (KEY, None)) == View()
    assert _view((state, encode_state(b"1", 1)), (state, encode_state(b"2", 2))).states == {("uid", "key"): (b"2", 2)}
    assert _view((state, encode_state(b"1", 1)), (state, None)) == View()


def test_who_was_changed_is_told() -> None:
    """The name of a definition that comes, changes or goes; states are no changes of definitions."""
    view = View()

    assert view.apply(KEY, VALUE).name == "orders"
    assert view.apply(KEY, None).name == "orders"
    assert view.apply(encode_key(StateKey("uid", "key")), encode_state(b"", 1)).name is None


@pytest.mark.parametrize(
    "key",
    [
        None,
        b"",
        b"orders",
        b"\xff\x00",
        b"[]",
        b'["definition"]',
        b'["definition","a","b"]',
        b'["later","a"]',
        b'{"a": 1}',
    ],
)
def test_an_unknown_key_is_skipped(key: bytes | None) -> None:
    """What nobody of ours wrote changes nothing, and is named."""
    view = _view((KEY, VALUE))
    applied = view.apply(key, SECRET)

    assert view == _view((KEY, VALUE))
    assert applied.name is None
    assert applied.problem is not None
    assert "hunter2" not in applied.problem


@pytest.mark.parametrize("value", [b"", b"\xff", SECRET, codec.encode(make_definition("returns"))])
def test_a_damaged_definition_is_none(value: bytes) -> None:
    """It replaces the one before, as it will have after compaction; the others stay, and nothing of it is shown."""
    other = encode_key(DefinitionKey("other")), codec.encode(make_definition("other"))
    view = _view((KEY, VALUE), other)
    applied = view.apply(KEY, value)

    assert view == attrs.evolve(_view(other), damaged={"orders": view.damaged["orders"]})
    assert "hunter2" not in view.damaged["orders"]
    assert applied.name == "orders"
    assert applied.problem is not None
    assert "hunter2" not in applied.problem

    view.apply(KEY, VALUE)
    assert view == _view(other, (KEY, VALUE))


def test_a_damaged_state_is_none() -> None:
    """It is skipped, and its sink starts with none."""
    key = encode_key(StateKey("uid", "key"))
    view = _view((key, encode_state(b"1", 1)))

    assert view.apply(key, b'{"value": 1}').problem
    assert view == View()


RECORDS = st.lists(
    st.tuples(
        st.sampled_from([KEY, encode_key(DefinitionKey("b")), encode_key(StateKey("uid", "a")), b"unknown"]),
        st.sampled_from([None, b"damaged", VALUE, codec.encode(make_definition("b")), encode_state(b"1", 1)]),
    )
)


@given(RECORDS)
def test_compaction_changes_nothing(records: list[tuple[bytes, bytes | None]]) -> None:
    """A view of what compaction leaves, the last record of each key, is the view of everything."""
    last = dict(records)
    compacted = [record for index, record in enumerate(records) if record[0] not in dict(records[index + 1 :])]

    assert _view(*compacted) == _view(*records)
    assert _view(*((key, value) for key, value in compacted if value is not None)) == _view(*last.items())


def test_views_tell_their_differences() -> None:
    """Names whose definitions are other ones, or are only in one of two views."""
    same, changed, gone, new = (encode_key(DefinitionKey(name)) for name in ("same", "changed", "gone", "new"))

    def text(name: str, epoch: int = 0) -> bytes:
        return codec.encode(attrs.evolve(make_definition(name), epoch=epoch))

    before = _view((same, text("same")), (changed, text("changed")), (gone, text("gone")))
    after = _view((same, text("same")), (changed, text("changed", 1)), (new, text("new")))

    assert after.differing(before) == {"changed", "gone", "new"}
    assert before.differing(before) == frozenset()
