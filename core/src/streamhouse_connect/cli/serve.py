"""`serve`: the REST API and the connectors in one process, with the embedded broker or with Kafka. What serves is another distribution."""

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
from streamhouse_connect.cli.properties import read_properties

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
    "--broker",
    type=click.Choice(["embedded", "kafka"]),
    default="embedded",
    show_default=True,
    help="Where topics are: in the data directory, or in Kafka.",
)
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("data"),
    show_default=True,
    help="Where topics, offsets and connectors are kept, unless they are in Kafka; made if missing.",
)
@click.option(
    "--bootstrap-servers",
    metavar="HOST:PORT,…",
    help="Where Kafka is. May be bootstrap.servers in --broker-config instead.",
)
@click.option(
    "--broker-config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A file of properties, name=value, for all clients of Kafka: security.protocol, sasl.password and all the others "
    "of librdkafka.",
)
@click.option(
    "--group",
    default="streamhouse-connect",
    show_default=True,
    help="Workers with the same group share their connectors, kept in the topics GROUP-configs and GROUP-status of Kafka.",
)
@click.option(
    "--definitions",
    type=click.Choice(["kafka", "sqlite"]),
    help="Where connectors are kept: in Kafka, or in the data directory, for one worker alone.  "
    "[default: where the topics are]",
)
@click.option(
    "--worker-id",
    metavar="NAME",
    help="Tells this worker from the others of its group.  [default: the name of the host, and something random]",
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
    broker: str,
    data_dir: Path,
    bootstrap_servers: str | None,
    broker_config: Path | None,
    group: str,
    definitions: str | None,
    worker_id: str | None,
    shutdown_timeout: float,
    allowed_hosts: tuple[str, ...],
    log_level: str,
    log_format: str,
) -> None:
    """Run the REST API and the connectors.

    All of it is one process, the broker included, unless that is Kafka: then the same command on another machine adds a worker,
    and they share the work. Ctrl-C or SIGTERM lets the connectors write what they hold, and ends it.
    """
    server = _import_server()
    properties = read_properties(broker_config) if broker_config else {}
    servers = properties.pop("bootstrap.servers", None) if bootstrap_servers is None else bootstrap_servers
    configure_logging(level=log_level, style=log_format)

    settings = server.Settings(
        broker=broker,
        bootstrap_servers=servers,
        broker_properties=properties,
        group=group,
        definitions=definitions,
        worker_id=worker_id,
        host=host,
        port=port,
        data_dir=data_dir,
        shutdown_timeout=shutdown_timeout,
        allowed_hosts=allowed_hosts,
    )
    asyncio.run(server.serve(settings, ready=lambda url: _announce_later(url, _places(settings))))


def _places(settings: Any) -> list[tuple[str, str]]:
    """Say where topics and connectors are."""
    directory = ("data directory", str(settings.data_dir.absolute()))

    if settings.broker == "embedded":
        return [("broker", "embedded"), directory]

    kept = ("group", settings.group) if settings.shares_definitions else directory
    return [("broker", f"Kafka at {settings.bootstrap_servers}"), kept]


def _import_server() -> Any:
    if find_spec(_SERVER) is None:
        message = 'serve needs the server: pip install "streamhouse-connect[server]"'
        raise CommandError(message, exit_code=USAGE)

    return import_module(_SERVER)


def _announce_later(url: str, places: list[tuple[str, str]]) -> None:
    """Ask the server itself what it runs, which must not wait for the answer."""
    threading.Thread(target=_announce, args=(url, places), daemon=True).start()


def _announce(url: str, places: list[tuple[str, str]]) -> None:
    try:
        with Client(url) as client:
            found = client.connectors().value
    except (CommandError, StreamHouseError):  # stopped already
        return

    print_fields(
        [
            ("StreamHouse Connect", url),
            *places,
            ("connectors", ", ".join(f"{each.name} ({each.state})" for each in found) or "none yet"),
        ]
    )
