"""What libpq reads in the worker's environment never decides where a connector writes, or what."""

from __future__ import annotations

from pathlib import Path

import pytest

from integration.postgres_sink.conftest import OpenSink, Sql
from services.ports import free_port
from streamhouse_connect import FatalError

SERVICE = """
[other]
host=127.0.0.1
hostaddr=127.0.0.9
port={port}
dbname=other
user=other
options=-c synchronous_commit=off -c TimeZone=Asia/Tokyo
"""


@pytest.fixture(autouse=True)
def orders(sql: Sql) -> None:
    sql.run("CREATE TABLE orders (id int PRIMARY KEY, t timestamptz)")


@pytest.mark.parametrize(
    "environment",
    [
        {"PGHOSTADDR": "127.0.0.9"},
        {"PGHOST": "127.0.0.9", "PGPORT": "1", "PGUSER": "nobody", "PGDATABASE": "none", "PGPASSWORD": "x"},
        {"PGTARGETSESSIONATTRS": "read-only"},
        {"PGOPTIONS": "-c synchronous_commit=off -c TimeZone=Asia/Tokyo -c DateStyle=SQL,DMY"},
        {"PGTZ": "Asia/Tokyo", "PGDATESTYLE": "SQL, DMY", "PGCLIENTENCODING": "LATIN1"},
        {"PGSERVICE": "other"},
        {"PGPASSFILE": "/nowhere", "PGCONNECT_TIMEOUT": "0", "PGAPPNAME": "other"},
    ],
    ids=lambda environment: next(iter(environment)),
)
async def test_the_url_decides(
    sql: Sql, open_sink: OpenSink, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """Whatever libpq would add to it."""
    (tmp_path / "service.conf").write_text(SERVICE.format(port=free_port()))
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "service.conf"))

    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    sink = await open_sink()
    await sink.write({"id": 1, "t": "01/02/2026"})

    for name in environment:
        monkeypatch.delenv(name)

    assert sql.run("SELECT t = '2026-01-02 00:00+00' FROM orders") == [(True,)]
    assert sql.run("SELECT next_offset FROM streamhouse_offsets") == [(1,)]


@pytest.mark.parametrize(
    "environment", [{"PGSERVICE": "missing"}, {"PGSSLMODE": "bogus"}], ids=["PGSERVICE", "PGSSLMODE"]
)
async def test_an_environment_that_makes_no_sense_is_said(
    open_sink: OpenSink, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    """Waiting does not mend it."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(FatalError, match="correct the worker's environment"):
        await open_sink()
