"""Measure the speed of each path to a destination: from the embedded broker, beside bare loops, and from Kafka beside a peer; and the memory.

python -m benchmarks [embedded | files | kafka | memory | postgres] [--records N] [--rounds N] [--only NAME …]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # has the servers

from benchmarks import embedded, files, footprint, kafka, postgres

SOURCES = {
    "embedded": embedded.run,
    "files": files.run,
    "kafka": kafka.run,
    "memory": footprint.run,
    "postgres": postgres.run,
}


def main() -> None:
    """Measure from the sources that are named, or from all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("source", nargs="?", choices=SOURCES)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", default=[""], help="the beginnings of the names of the paths to measure")
    arguments = parser.parse_args()

    for source, run in SOURCES.items():
        if arguments.source in (None, source):
            run(records=arguments.records, rounds=arguments.rounds, only=tuple(arguments.only))


if __name__ == "__main__":
    main()
