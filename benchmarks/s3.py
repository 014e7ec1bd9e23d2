"""Objects a second: the S3 sink beside bare s3fs, on the same store, in the same run.

python -m benchmarks.s3 [objects] [bytes of an object]
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import s3fs

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from services import Ministack, S3Server, SeaweedFS
from streamhouse_connect import Registry, Secret, SecretUrl
from streamhouse_connect.testing import make_batch, make_context
from streamhouse_s3_sink import S3Config, S3Sink

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

AT_ONCE = 4


async def timed(count: int, write: Callable[[int], Awaitable[object]]) -> float:
    """Return how many writes a second, with as many at once as the sink has in flight."""
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await write(number)

    start = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    return count / (time.perf_counter() - start)


async def bare(server: S3Server, count: int, body: bytes, prefix: str) -> float:
    filesystem = s3fs.S3FileSystem(
        asynchronous=True,
        skip_instance_cache=True,
        endpoint_url=server.url,
        key=server.access_key,
        secret=server.secret_key,
        client_kwargs={"region_name": server.region},
    )
    session = await filesystem.set_session()

    try:
        return await timed(count, lambda n: filesystem._pipe_file(f"bench/{prefix}/{n}", body, mode="create"))  # noqa: SLF001 - fsspec's convention for coroutines
    finally:
        await session.close()


async def sink(server: S3Server, count: int, values: list[bytes], prefix: str) -> float:
    registry = Registry(entry_points=False)
    formatter, partitioner = registry.formatter("json"), registry.partitioner("none")
    config = S3Config(
        bucket="bench",
        prefix=prefix,
        endpoint=SecretUrl(server.url),
        access_key=Secret(server.access_key),
        secret_key=Secret(server.secret_key),
    )
    s3_sink = S3Sink(
        config,
        formatter=formatter(formatter.config_class()),
        partitioner=partitioner(partitioner.config_class()),
    )

    async def write(number: int) -> None:
        batch = make_batch(values, first_offset=number * len(values), path="orders")
        assert await s3_sink.write(batch) is None

    try:
        await s3_sink.open(make_context())
        return await timed(count, write)
    finally:
        await s3_sink.close()


async def main(count: int, size: int) -> None:
    values = [b'{"n":%d,"pad":"%s"}' % (n, b"x" * 180) for n in range(max(1, size // 200))]
    body = b"\n".join([*values, b""])

    for kind in (SeaweedFS, Ministack):
        with kind() as server:
            server.create_bucket("bench")
            await bare(server, 20, body, "warm-up")

            for run in range(2):
                plain = await bare(server, count, body, f"bare-{run}")
                ours = await sink(server, count, values, f"sink-{run}")
                rate = ours * len(body) / (1 << 20)
                print(
                    f"{server.name:10} {len(body):>9,} bytes: bare s3fs {plain:5.0f}/s, sink {ours:5.0f}/s "
                    f"({ours / plain:4.0%}, {rate:,.1f} MiB/s)"
                )


if __name__ == "__main__":
    arguments = [int(argument) for argument in sys.argv[1:]]
    asyncio.run(main(*arguments, *(1000, 1000)[len(arguments) :]))
