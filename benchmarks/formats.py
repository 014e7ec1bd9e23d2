"""Records a second: each formatter beside a loop that uses nothing but its library, on the same bytes, in the same run.

python -m benchmarks.formats [--records N] [--rounds N]
"""

from __future__ import annotations

import argparse
import functools
import io
import statistics
import time
from typing import TYPE_CHECKING

from benchmarks.bare import BARE
from benchmarks.orders import order
from streamhouse_connect import Registry
from streamhouse_connect.testing import make_batch

if TYPE_CHECKING:
    from collections.abc import Callable


def speed(count: int, write: Callable[[io.BytesIO], None]) -> float:
    """Return records a second of CPU: the machine may have other work."""
    start = time.process_time()
    write(io.BytesIO())
    return count / (time.process_time() - start)


def main() -> None:
    """Print records a second, and the ratio of ours to the bare library's."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.formats", description=__doc__)
    parser.add_argument("--records", type=int, default=10_000, help="of a file")
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    values = [order(number) for number in range(arguments.records)]
    batch = make_batch(values)
    registry = Registry(entry_points=False)
    print(
        f"files of {len(values):,} records of {sum(map(len, values)) // len(values)} bytes, median of {arguments.rounds} rounds"
    )

    for name, bare in BARE.items():
        formatter_class = registry.formatter(name)
        formatter = formatter_class(formatter_class.config_class())
        ours_writes = functools.partial(formatter.format, batch)
        first = speed(len(values), ours_writes)
        pairs = [
            (speed(len(values), functools.partial(bare, values)), speed(len(values), ours_writes))
            for _ in range(arguments.rounds)
        ]
        theirs, ours = (statistics.median(each) for each in zip(*pairs, strict=True))
        ratio = statistics.median(own / other for other, own in pairs)
        print(
            f"{name:8} bare {theirs:>11,.0f}   ours {ours:>11,.0f}   {ratio:4.0%}   first file {first:>9,.0f} records/s"
        )


if __name__ == "__main__":
    main()
