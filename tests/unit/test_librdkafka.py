"""What the client library's errors become."""

import traceback
from typing import Final

import pytest
from confluent_kafka import Producer

from streamhouse_connect.errors import FatalError
from streamhouse_connect.librdkafka import client, translated

SECRET: Final = 'hunter2" for configuration property "x'


def refused(properties: dict[str, str]) -> FatalError:
    with pytest.raises(FatalError) as raised, translated("use the broker's configuration"):
        Producer(client(properties))

    return raised.value


def test_refused_value_is_left_out() -> None:
    """The message names the property whose value is refused, and keeps the value, a misplaced password say, to itself."""
    error = refused({"security.protocol": SECRET})

    assert str(error) == (
        'cannot use the broker\'s configuration: Invalid value for configuration property "security.protocol" (_INVALID_ARG)'
    )


def test_refused_value_is_in_no_traceback() -> None:
    """Nor does the library's own exception show it, in a traceback that is logged or is part of a status."""
    shown = "".join(traceback.format_exception(refused({"security.protocol": SECRET})))

    assert "hunter2" not in shown
