"""`connectors`: a client of a server's connectors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from streamhouse_connect.cli.access import url_option
from streamhouse_connect.cli.bodies import json_file, read_body
from streamhouse_connect.cli.client import Client
from streamhouse_connect.cli.output import output_option, print_fields, print_json, print_table, say, warning

if TYPE_CHECKING:
    from streamhouse_connect.cli import views
    from streamhouse_connect.cli.client import Answer

__all__ = ["connectors"]


@click.group
def connectors() -> None:
    """Make, watch and steer the connectors of a server."""


@connectors.command("list")
@url_option
@output_option
def list_connectors(*, url: str, output: str) -> None:
    """List all connectors."""
    with Client(url) as client:
        answer = client.connectors()

    if output == "json":
        print_json(answer.raw)
        return

    if not answer.value:
        say("no connectors yet; make one with: streamhouse-connect connectors create -f connector.json")
        return

    rows = [
        [
            each.name,
            each.connector_class,
            each.state,
            f"{each.records_processed:,}",
            f"{_lag(each):,}",
            ", ".join(each.topics),
        ]
        for each in answer.value
    ]
    print_table(["connector", "class", "state", "processed", "lag", "topics"], rows)


@connectors.command("get")
@click.argument("name")
@url_option
@output_option
def get_connector(*, name: str, url: str, output: str) -> None:
    """Show the connector NAME and how far it is."""
    with Client(url) as client:
        answer = client.connector(name)

    if output == "json":
        print_json(answer.raw)
        return

    _describe(answer.value)


@connectors.command("create")
@click.option(
    "-f", "--file", required=True, type=json_file, help="The definition, a JSON object; - reads standard input."
)
@url_option
@output_option
def create_connector(*, file: Path, url: str, output: str) -> None:
    """Make a connector from a definition.

    It starts by itself unless the definition says otherwise.
    """
    body = read_body(file)

    with Client(url) as client:
        _told("created", client.create_connector(body.raw), output)


@connectors.command("update")
@click.option("-f", "--file", required=True, type=json_file, help="The new definition; - reads standard input.")
@url_option
@output_option
def update_connector(*, file: Path, url: str, output: str) -> None:
    """Replace the configuration of a connector.

    The definition names it. What `connectors get -o json` prints can be changed and given back: a masked secret stays as it is.
    """
    body = read_body(file)

    with Client(url) as client:
        _told("updated", client.update_connector(body.name, body.raw), output)


@connectors.command("pause")
@click.argument("name")
@url_option
@output_option
def pause_connector(*, name: str, url: str, output: str) -> None:
    """Pause the connector NAME.

    It writes what it holds and keeps its place.
    """
    _act(name, "pause", url=url, output=output)


@connectors.command("resume")
@click.argument("name")
@url_option
@output_option
def resume_connector(*, name: str, url: str, output: str) -> None:
    """Let the connector NAME go on.

    It goes on exactly where it was; a failed one is started again.
    """
    _act(name, "resume", url=url, output=output)


@connectors.command("restart")
@click.argument("name")
@url_option
@output_option
def restart_connector(*, name: str, url: str, output: str) -> None:
    """Stop and start the connector NAME.

    A paused one stays paused.
    """
    _act(name, "restart", url=url, output=output)


@connectors.command("stop")
@click.argument("name")
@url_option
@output_option
def stop_connector(*, name: str, url: str, output: str) -> None:
    """Take the connector NAME out of service.

    It writes what it holds and keeps its place; resume lets it go on.
    """
    _act(name, "stop", url=url, output=output)


@connectors.command("delete")
@click.argument("name")
@url_option
def delete_connector(*, name: str, url: str) -> None:
    """Delete the connector NAME and its offsets.

    What it has written stays.
    """
    with Client(url) as client:
        client.delete_connector(name)

    say(f"deleted connector {name}")


def _act(name: str, action: str, *, url: str, output: str) -> None:
    with Client(url) as client:
        _told(f"asked to {action}", client.act_on_connector(name, action), output)


def _told(what: str, answer: Answer[views.Connector], output: str) -> None:
    for text in answer.value.warnings:
        warning(text)

    if output == "json":
        print_json(answer.raw)
        return

    say(f"{what}: connector {answer.value.name} is {answer.value.state}")

    if answer.value.error_message:
        warning(answer.value.error_message)


def _describe(connector: views.Connector) -> None:
    status = connector.status
    state = connector.state

    if connector.target_state != state:
        state += f" (wanted: {connector.target_state})"

    fields = [
        ("connector", connector.name),
        ("class", connector.connector_class),
        ("state", state),
        ("out of date", status.stale or ""),
        ("error", connector.error_message or ""),
        ("topics", ", ".join(connector.topics)),
        ("processed", f"{connector.records_processed:,} records"),
        ("lag", f"{_lag(connector):,} records"),
        ("missed", f"{missed:,} offsets" if (missed := sum(each.missed for each in status.partitions)) else ""),
        ("guarantee", f"{status.guarantee.level}: {status.guarantee.reason}" if status.guarantee else ""),
        ("created", connector.created_at),
        ("updated", connector.updated_at),
    ]
    fields += [(_name(task), _doing(task, told=connector.error_message)) for task in status.tasks]
    fields += [("warning", text) for text in connector.warnings]
    fields += [(f"config.{key}", _wire(value)) for key, value in connector.config.items()]
    print_fields(fields)

    if status.partitions:
        columns = ["topic", "partition", "committed", "end", "lag", "processed"]
        print_table(columns, [_progress(each) for each in status.partitions])


def _name(task: views.Task) -> str:
    return f"task {task.id} of {task.worker}" if task.worker else f"task {task.id}"


def _doing(task: views.Task, *, told: str | None) -> str:
    """Say what a task does, and its error unless that has been told as the connector's."""
    count = len(task.partitions)
    doing = f"{task.state}, {count:,} {'partition' if count == 1 else 'partitions'}"
    return f"{doing}: {task.error}" if task.error not in (None, "", told) else doing


def _progress(partition: views.Partition) -> list[str]:
    committed = "-" if partition.committed_offset is None else f"{partition.committed_offset:,}"

    return [
        partition.topic,
        str(partition.partition),
        committed,
        f"{partition.end_offset:,}",
        f"{partition.lag:,}",
        f"{partition.records_processed:,}",
    ]


def _lag(connector: views.Connector) -> int:
    return sum(partition.lag for partition in connector.status.partitions)


def _wire(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
