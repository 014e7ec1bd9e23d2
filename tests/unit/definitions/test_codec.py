"""Definitions as text: what later versions added, and what nobody wrote."""

import attrs
import msgspec
import pytest

from streamhouse_connect.definitions import codec
from streamhouse_connect.testing.definitions import make_definition


def test_what_an_older_version_wrote_is_read() -> None:
    """Fields that were added later have what they meant before: the first version, never restarted."""
    fields = msgspec.json.decode(codec.encode(attrs.evolve(make_definition(), version=5)))
    del fields["version"], fields["restarts"]

    found = codec.decode(msgspec.json.encode(fields))

    assert found == attrs.evolve(make_definition(), version=1, restarts=0)


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b'{"password": "hunter2"}', b'{"config": {"a": "hunter2"'])
def test_what_is_no_definition_is_not_shown(text: bytes) -> None:
    """The error says nothing of the text, which may hold secrets."""
    with pytest.raises(ValueError, match=r".") as raised:
        codec.decode(text)

    assert "hunter2" not in str(raised.value)
