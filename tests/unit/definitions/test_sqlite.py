"""What only the durable store does: files, restarts and damage."""

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import attrs
import pytest

from streamhouse_connect import ConflictError, FatalError, SqliteDefinitionStore
from streamhouse_connect.definitions import codec
from streamhouse_connect.testing.definitions import make_definition


@contextmanager
def _umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)

    try:
        yield
    finally:
        os.umask(before)


def _database(directory: Path) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(directory / "definitions.db", isolation_level=None))


async def test_definitions_and_states_survive_a_restart(tmp_path: Path) -> None:
    """What was put into the store is there when it is opened again."""
    async with SqliteDefinitionStore(tmp_path) as store:
        await store.create(make_definition())
        version = await store.put_state("uid-1", "schema", b"1", expected=None)

    async with SqliteDefinitionStore(tmp_path) as store:
        assert await store.all() == [attrs.evolve(make_definition(), version=1)]
        assert await store.get_state("uid-1", "schema") == (b"1", version)

    assert SqliteDefinitionStore.durable


@pytest.mark.parametrize("mask", [0o000, 0o777])
async def test_secrets_are_in_private_files(tmp_path: Path, mask: int) -> None:
    """Whatever the umask, only the owner can read the files."""
    directory = tmp_path / "data"

    with _umask(mask):
        async with SqliteDefinitionStore(directory) as store:
            await store.create(make_definition())
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}

    assert modes == dict.fromkeys(("definitions.db", "definitions.db-wal", "definitions.db-shm"), 0o600)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


async def test_two_stores_see_each_other(tmp_path: Path) -> None:
    """The file may be open twice: the command line looks at it while no server runs, or after."""
    async with SqliteDefinitionStore(tmp_path) as one, SqliteDefinitionStore(tmp_path) as other:
        await one.create(make_definition())

        assert await other.all() == [attrs.evolve(make_definition(), version=1)]


@pytest.mark.parametrize("text", [b'{"config": {"password": "hunter2"', "hunter2", codec.encode(make_definition("c"))])
async def test_a_damaged_definition_is_left_out_and_named(tmp_path: Path, text: bytes | str) -> None:
    """The others can be read; what is said of it shows nothing of its text."""
    async with SqliteDefinitionStore(tmp_path) as store:
        sound = await store.create(make_definition("a"))
        await store.create(make_definition("b", uid="uid-b"))
        assert await store.damaged() == {}

    with _database(tmp_path) as connection:
        connection.execute("UPDATE definitions SET definition = ? WHERE name = 'b'", (text,))

    async with SqliteDefinitionStore(tmp_path) as store:
        assert await store.all() == [sound]
        ((name, reason),) = (await store.damaged()).items()

    assert name == "b"
    assert "'b' is damaged, or of a later version" in reason
    assert "hunter2" not in reason


async def test_a_damaged_definition_can_only_be_deleted(tmp_path: Path) -> None:
    """It may be a later version's: it is not overwritten unless somebody wants it gone, with its states."""
    async with SqliteDefinitionStore(tmp_path) as store:
        await store.create(make_definition())
        await store.put_state("uid-1", "schema", b"1", expected=None)

        with _database(tmp_path) as connection:
            connection.execute("UPDATE definitions SET definition = 'cut sho'")

        for refused in (
            store.create(make_definition()),
            store.replace(make_definition()),
            store.delete("orders-to-files", expected=1),
        ):
            with pytest.raises(ConflictError, match="delete the connector") as raised:
                await refused

            assert raised.value.code == "definition_damaged"

        await store.delete("orders-to-files")
        assert await store.damaged() == {}
        assert await store.get_state("uid-1", "schema") is None
        await store.create(make_definition())


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """Something else under the store's name is neither read nor overwritten."""
    (tmp_path / "definitions.db").write_bytes(b"hello, this is no database\n" * 1000)

    with pytest.raises(FatalError, match="restore it from a backup"):
        await SqliteDefinitionStore(tmp_path).open()

    assert (tmp_path / "definitions.db").read_bytes().startswith(b"hello")


@pytest.mark.parametrize(
    ("statement", "message"),
    [("PRAGMA user_version = 99", "format 99"), ("PRAGMA application_id = 7", "another application")],
)
async def test_a_foreign_file_is_refused(tmp_path: Path, statement: str, message: str) -> None:
    """What a later version or somebody else wrote is not guessed at."""
    async with SqliteDefinitionStore(tmp_path):
        pass

    with _database(tmp_path) as connection:
        connection.execute(statement)

    with pytest.raises(FatalError, match=message):
        await SqliteDefinitionStore(tmp_path).open()


async def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """Where a file lies in the way, the error says so."""
    (tmp_path / "file").write_text("here first")

    with pytest.raises(FatalError, match="choose another place"):
        await SqliteDefinitionStore(tmp_path / "file" / "data").open()


async def test_what_is_closed_says_so(tmp_path: Path) -> None:
    """A store that is not open refuses to work, in words."""
    with pytest.raises(FatalError, match="is not open"):
        await SqliteDefinitionStore(tmp_path).all()
