"""`serve`: the REST API, the embedded broker and the connectors in one process. What serves is another distribution."""

from __future__ import annotations

import asyncio
import threading
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import click

from streamhouse_connect import StreamHouseError
from streamhouse_connect.cli.client import Client
from streamhouse_connect.cli.failures import USAGE, CommandError
from streamhouse_connect.cli.logs import LEVELS, configure_logging
from streamhouse_connect.cli.output import print_fields

__all__ = ["serve"]

_SERVER: Final = "streamhouse_connect_server"


@click.command
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="The address to listen at; there is no authentication."
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="The port; 0 takes a free one."
)
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("data"),
    show_default=True,
    help="Where topics, offsets and connectors are kept; made if missing.",
)
@click.option(
    "--shutdown-timeout",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    help="How many seconds connectors have to write what they hold when the process is stopped.",
)
@click.option(
    "--allowed-host",
    "allowed_hosts",
    multiple=True,
    metavar="NAME",
    help="A name under which the server may be called, besides localhost and IP addresses; * is any. May be repeated.",
)
@click.option(
    "--log-level",
    type=click.Choice(LEVELS),
    default="info",
    show_default=True,
    help="The least events that are logged.",
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How each event is written, as a line on standard error.",
)
def serve(
    *,
    host: str,
    port: int,
    data_dir: Path,
    shutdown_timeout: float,
    allowed_hosts: tuple[str, ...],
    log_level: str,
    log_format: str,
) -> None:
    """Run the REST API, the broker and the connectors.

    All of it is one process. Ctrl-C or SIGTERM lets the connectors write what they hold, and ends it.
    """
    server = _import_server()
    configure_logging(level=log_level, style=log_format)

    settings = server.Settings(
        host=host, port=port, data_dir=data_dir, shutdown_timeout=shutdown_timeout, allowed_hosts=allowed_hosts
    )
    asyncio.run(server.serve(settings, ready=lambda url: _announce_later(url, data_dir)))


def _import_server() -> Any:
    if find_spec(_SERVER) is None:
        message = 'serve needs the server: pip install "streamhouse-connect[server]"'
        raise CommandError(message, exit_code=USAGE)

    return import_module(_SERVER)


def _announce_later(url: str, data_dir: Path) -> None:
    """Ask the server itself what it runs, which must not wait for the answer."""
    threading.Thread(target=_announce, args=(url, data_dir), daemon=True).start()


def _announce(url: str, data_dir: Path) -> None:
    try:
        with Client(url) as client:
            found = client.connectors().value
    except (CommandError, StreamHouseError):  # stopped already
        return

    print_fields(
        [
            ("StreamHouse Connect", url),
            ("data directory", str(data_dir.absolute())),
            ("connectors", ", ".join(f"{each.name} ({each.state})" for each in found) or "none yet"),
        ]
    )
