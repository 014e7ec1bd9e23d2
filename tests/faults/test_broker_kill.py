"""The embedded broker under kill -9: whatever was acknowledged is there afterwards."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import attrs

from repeats import rounds, seeded
from streamhouse_connect import SqliteBroker, TopicPartition

ROUNDS = rounds(5)
PARTITIONS = 3

# Appends from several tasks, as fast as it goes; prints a line for each append once it is acknowledged.
APPENDER = """
import asyncio, itertools, random, sys
from streamhouse_connect import Committed, NewRecords, SqliteBroker, Subscription, TopicPartition
from streamhouse_connect.testing.brokers import RecordingListener

async def append(broker, name, numbers, rng):
    for number in numbers:
        values = [f"{name} {number} {each} ".encode() * rng.choice([1, 1, 1, 2000]) for each in range(rng.randint(1, 20))]
        appended = await broker.append("t", NewRecords(values=values))
        print("appended", appended.partitions[0], appended.offsets[0], len(values), name, number, flush=True)

async def commit(broker, rng):
    consumer = broker.consumer("g", Subscription(["t"]), RecordingListener())

    for offset in itertools.count(1):
        await consumer.commit({TopicPartition("t", 0): Committed(offset)})
        print("committed", offset, flush=True)

async def main(directory, seed, name):
    rng = random.Random(seed)

    async with SqliteBroker(directory) as broker:
        if not await broker.topics():
            await broker.create_topic("t", partitions=3)

        tasks = [append(broker, f"{name}-{task}", itertools.count(), rng) for task in range(4)]
        await asyncio.gather(commit(broker, rng), *tasks)

asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
"""


@attrs.define
class Acknowledged:
    """What one life of the appender has told."""

    appends: list[tuple[int, int, int, str, int]] = attrs.field(factory=list)
    """Partition, first offset, number of records, name and number of the append."""
    committed: int = 0

    def read(self, output: str) -> None:
        # The last line may have been cut off by the kill.
        for line in output.split("\n")[:-1]:
            kind, *rest = line.split()

            if kind == "committed":
                self.committed = int(rest[0])
            else:
                partition, offset, count, name, number = rest
                self.appends.append((int(partition), int(offset), int(count), name, int(number)))


def _live(directory: Path, seed: int, name: str, seconds: float) -> Acknowledged:
    process = subprocess.Popen(
        [sys.executable, "-c", APPENDER, str(directory), str(seed), name], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    killer = threading.Timer(seconds, process.send_signal, [signal.SIGKILL])
    killer.start()

    with process:
        rest = process.stdout.read()

    killer.join()
    assert process.returncode == -signal.SIGKILL, "it ended by itself"
    acknowledged = Acknowledged()
    acknowledged.read(first + rest)
    return acknowledged


async def test_whatever_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    """Killed at random, again and again: every acknowledged record is at its offset, and the next ones go on behind it."""
    rng = seeded()
    lives: list[Acknowledged] = []
    ends = dict.fromkeys(range(PARTITIONS), 0)

    for life in range(ROUNDS):
        acknowledged = _live(tmp_path, rng.randrange(10**6), f"life{life}", rng.uniform(0.0, 0.4))
        lives.append(acknowledged)
        assert acknowledged.appends or acknowledged.committed

        # Nobody's offset is given away again.
        for partition, offset, _, _, _ in acknowledged.appends:
            assert offset >= ends[partition]

        async with SqliteBroker(tmp_path) as broker:
            watermarks = await broker.watermarks("t")
            commits = await broker.committed("g")
            assert (
                commits.get(TopicPartition("t", 0)) is None
                or commits[TopicPartition("t", 0)].offset >= acknowledged.committed
            )

            for partition in ends:
                tp = TopicPartition("t", partition)
                start, end = watermarks[tp]
                assert (start, end >= ends[partition]) == (0, True)
                ends[partition] = end
                stored: list[bytes | None] = []

                while len(stored) < end:
                    stored += (await broker.read(tp, len(stored), max_records=100_000)).values

                for each in lives:
                    for where, offset, count, name, number in each.appends:
                        if where == partition:
                            found = stored[offset : offset + count]
                            wanted = [f"{name} {number} {index} ".encode() for index in range(count)]
                            assert [(value or b"")[: len(w)] for value, w in zip(found, wanted, strict=True)] == wanted
