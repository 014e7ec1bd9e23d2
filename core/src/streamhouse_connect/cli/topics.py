"""`topics`: what topics there are, with a server or in a data directory."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from streamhouse_connect.cli import views
from streamhouse_connect.cli.access import data_dir_option, open_access, url_option
from streamhouse_connect.cli.output import output_option, print_fields, print_json, print_table, say

__all__ = ["topics"]


@click.group
def topics() -> None:
    """List, make, look at and delete topics."""


@topics.command("list")
@url_option
@data_dir_option
@output_option
def list_topics(*, url: str, data_dir: Path | None, output: str) -> None:
    """List all topics."""
    with open_access(url=url, data_dir=data_dir) as access:
        found = access.topics()

    if output == "json":
        print_json(msgspec.json.encode(found))
        return

    if not found:
        say("no topics yet; make one with: streamhouse-connect topics create NAME")
        return

    rows = [[topic.name, str(topic.partition_count), f"{_count(topic):,}", _retention(topic)] for topic in found]
    print_table(["topic", "partitions", "records", "retention"], rows)


@topics.command("create")
@click.argument("name")
@click.option(
    "--partitions",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="How many partitions it gets, for good.",
)
@click.option(
    "--retention-ms",
    type=click.IntRange(min=1),
    help="Records may be removed when they are older than this, in milliseconds.  [default: never]",
)
@click.option(
    "--retention-bytes",
    type=click.IntRange(min=1),
    help="The oldest records of a partition may be removed when it is larger than this.  [default: never]",
)
@url_option
@data_dir_option
@output_option
def create_topic(
    *,
    name: str,
    partitions: int,
    retention_ms: int | None,
    retention_bytes: int | None,
    url: str,
    data_dir: Path | None,
    output: str,
) -> None:
    """Make the topic NAME."""
    wanted = views.NewTopic(name, partitions, retention_ms, retention_bytes)

    with open_access(url=url, data_dir=data_dir, create=True) as access:
        made = access.create(wanted)

    if output == "json":
        print_json(msgspec.json.encode(made))
        return

    say(f"created topic {made.name} with {made.partition_count} {_partitions(made.partition_count)}")


@topics.command("describe")
@click.argument("name")
@url_option
@data_dir_option
@output_option
def describe_topic(*, name: str, url: str, data_dir: Path | None, output: str) -> None:
    """Show the topic NAME and what is in its partitions."""
    with open_access(url=url, data_dir=data_dir) as access:
        topic = access.topic(name)

    if output == "json":
        print_json(msgspec.json.encode(topic))
        return

    print_fields([("topic", topic.name), ("retention", _retention(topic)), ("records", f"{_count(topic):,}")])
    rows = [
        [
            str(each.partition),
            f"{each.start_offset:,}",
            f"{each.end_offset:,}",
            f"{each.end_offset - each.start_offset:,}",
        ]
        for each in topic.partitions
    ]
    print_table(["partition", "first offset", "next offset", "records"], rows)


@topics.command("delete")
@click.argument("name")
@url_option
@data_dir_option
def delete_topic(*, name: str, url: str, data_dir: Path | None) -> None:
    """Delete the topic NAME with its records.

    A topic that a connector reads, or puts dead letters into, is not deleted.
    """
    with open_access(url=url, data_dir=data_dir) as access:
        access.delete(name)

    say(f"deleted topic {name}")


def _count(topic: views.Topic) -> int:
    """Count the offsets in use; a broker with transactions or compaction has fewer records than that."""
    return sum(each.end_offset - each.start_offset for each in topic.partitions)


def _partitions(count: int) -> str:
    return "partition" if count == 1 else "partitions"


def _retention(topic: views.Topic) -> str:
    limits = []

    if topic.retention_ms is not None:
        limits.append(f"{topic.retention_ms:,} ms")

    if topic.retention_bytes is not None:
        limits.append(f"{topic.retention_bytes:,} bytes")

    return ", ".join(limits) or "for ever"
