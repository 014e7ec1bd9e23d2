"""PgBouncer, which no wheel has: the system's, where there is one."""

import os
import shutil
import socket
from pathlib import Path
from typing import ClassVar

from services.base import Service, ServiceUnavailableError

_PROGRAM = "pgbouncer"
_SBIN = "/usr/sbin:/usr/local/sbin"  # where an ordinary user's PATH does not lead


class PgBouncer(Service):
    """Gives each transaction of its clients one of two connections to a PostgreSQL server."""

    name: ClassVar[str] = _PROGRAM
    refuses_root: ClassVar[bool] = True

    def __init__(self, port: int) -> None:
        super().__init__()
        self._server_port = port
        self._configuration = self.directory / "pgbouncer.ini"

    @staticmethod
    def program() -> str | None:
        """Where it is installed; None if it is not."""
        return shutil.which(_PROGRAM, path=f"{os.environ.get('PATH', '')}:{_SBIN}")

    def url_of(self, database: str) -> str:
        """The connection URL of one of the server's databases."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def prepare(self) -> None:
        users = self.directory / "users.txt"
        users.write_text('"postgres" ""\n')
        settings = {
            "listen_addr": "127.0.0.1",
            "listen_port": self.port,
            "unix_socket_dir": "",
            "auth_type": "trust",
            "auth_file": users,
            "pool_mode": "transaction",
            "default_pool_size": 2,
            "server_round_robin": 1,
        }
        lines = ["[databases]", f"* = host=127.0.0.1 port={self._server_port}", "[pgbouncer]"]
        lines += [f"{name} = {value}" for name, value in settings.items()]
        self._configuration.write_text("\n".join(lines) + "\n")

    def command(self) -> list[str]:
        program = self.program()

        if program is None:
            raise ServiceUnavailableError("pgbouncer is not installed: apt-get install pgbouncer")

        return [str(Path(program)), str(self._configuration)]

    def is_ready(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False

        return True
