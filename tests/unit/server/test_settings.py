from __future__ import annotations

from pathlib import Path

import pytest

from streamhouse_connect import ConfigError
from streamhouse_connect_server import Settings


def test_the_documented_defaults() -> None:
    """This machine only, port 8080."""
    settings = Settings()

    assert (settings.host, settings.port, settings.data_dir) == ("127.0.0.1", 8080, Path("data"))


def test_all_that_is_out_of_range_is_named() -> None:
    """Every problem at once."""
    with pytest.raises(ConfigError) as caught:
        Settings(port=65_536, shutdown_timeout=float("nan"), host="")

    assert [problem.field for problem in caught.value.problems] == ["port", "shutdown_timeout", "host"]
