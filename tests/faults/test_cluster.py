"""Workers that come, go, die and stand still, on a real Kafka: every record is in S3 and in PostgreSQL, once.

`FAULT_ROUNDS` says how often each fault is repeated, `SEED` repeats a run.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster import Cluster, Load, cluster, eventually
from repeats import rounds, seeded
from services import Bucket, Database, Topics

pytestmark = pytest.mark.timeout(120 + 60 * rounds())


TWO_AND_THREE = pytest.mark.parametrize("workers", [2, 3], indirect=True)


@pytest.fixture
def workers(
    request: pytest.FixtureRequest, kafka: Topics, tmp_path: Path, s3: Bucket, postgres: Database
) -> Iterator[Cluster]:
    """Two workers, or as many as @pytest.mark.parametrize("workers", [3], indirect=True) says."""
    with cluster(kafka, tmp_path, s3, postgres, workers=getattr(request, "param", 2)) as made:
        yield made


def pause(rng: random.Random, low: float, high: float) -> None:
    time.sleep(rng.uniform(low, high))


def finish(made: Cluster, load: Load) -> None:
    """Stop producing, wait for the last records, and check all of them."""
    count = load.stop()
    made.settle()
    made.check(count)


@TWO_AND_THREE
def test_a_rolling_restart_doubles_nothing(workers: Cluster):
    """Each worker is asked to end, and replaced, while records come."""
    rng = seeded()
    load = Load(workers.kafka.bootstrap, workers.topic, 6).start()

    for _ in range(rounds(2)):
        oldest = workers.members[0]
        workers.ready(workers.add())
        pause(rng, 0.0, 2.0)
        workers.terminate(oldest)

    finish(workers, load)


@TWO_AND_THREE
def test_workers_that_are_killed_lose_and_double_nothing(workers: Cluster):
    """Kill -9 at random moments; the others carry on."""
    rng = seeded()
    load = Load(workers.kafka.bootstrap, workers.topic, 6).start()

    for _ in range(rounds(2)):
        pause(rng, 0.5, 4.0)
        workers.kill(rng.choice(workers.members))
        workers.ready(workers.add())

    finish(workers, load)


def test_a_worker_that_stood_still_does_no_harm(workers: Cluster):
    """SIGSTOP past the session's end, in the middle of work; then it goes on as if nothing had happened."""
    rng = seeded()
    load = Load(workers.kafka.bootstrap, workers.topic, 6).start()

    for _ in range(rounds(2)):
        pause(rng, 0.5, 2.0)
        victim = rng.choice(workers.members)
        workers.freeze(victim)
        time.sleep(14)  # the session ends after 10 s, and the other one takes over
        workers.thaw(victim)
        pause(rng, 0.5, 2.0)

    finish(workers, load)


def test_partitions_that_are_added_are_delivered_too(workers: Cluster):
    """While records come."""
    load = Load(workers.kafka.bootstrap, workers.topic, 6).start()
    time.sleep(2)
    workers.kafka.server.add_partitions(workers.topic, 9)
    time.sleep(1)
    count = load.stop()
    more = Load(workers.kafka.bootstrap, workers.topic, 9, count=count).start()
    time.sleep(3)
    total = more.stop(first=count)
    workers.settle()
    workers.check(total)


@pytest.mark.parametrize("fault", ["killed", "frozen"])
def test_brokers_that_go_away_are_waited_for(workers: Cluster, fault: str):
    """Killed, or standing still for longer than a session; nothing has to be restarted."""
    server = workers.kafka.server
    load = Load(workers.kafka.bootstrap, workers.topic, 6).start()
    time.sleep(2)

    if fault == "killed":
        server.kill()
        time.sleep(30)
        server.start()
    else:
        server.suspend()
        time.sleep(30)
        server.wake()

    time.sleep(3)
    finish(workers, load)


def test_a_topic_that_is_made_again_is_delivered_from_its_first_record(workers: Cluster):
    """Its records come after those of the old one, whatever their offsets."""
    load = Load(workers.kafka.bootstrap, workers.topic, 6).start()
    time.sleep(2)
    count = load.stop()
    workers.settle()
    workers.kafka.server.delete_topics(workers.topic)
    workers.kafka.server.create_topic(workers.topic, partitions=6)
    again = Load(workers.kafka.bootstrap, workers.topic, 6, count=count).start()
    time.sleep(3)
    total = again.stop(first=count)
    eventually(lambda: all(set(range(total)) <= set(found) for found in workers.delivered()))
