"""Files of a wanted size, from a topic to a directory: the runtime's part in it, and the sinks'."""

from __future__ import annotations

import json
import random
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from fakes import until
from streamhouse_connect import MemoryBroker, NewRecords, Registry, State, Worker

HOUR_MS: Final = 3_600_000
NOON_MS: Final = 1_770_724_800_000
CITIES: Final = ("London", "Warsaw", "Lima", "Osaka", "Nairobi", "Quito", "Perth", "Oslo")
FORMATS: Final[dict[str, dict[str, str]]] = {
    "json": {"format": "json"},
    "json in envelopes": {"format": "json", "json.envelope": "true"},
    "json.gz": {"format": "json", "compression": "gzip"},
    "json.zst": {"format": "json", "compression": "zstd"},
    "parquet": {"format": "parquet"},
    "avro": {"format": "avro"},
}


def order(number: int, source: random.Random) -> bytes:
    """Return a record as shops make them; what is in it repeats itself as it does there."""
    items = [
        {
            "sku": f"SKU-{source.randrange(5_000):05}",
            "quantity": source.randrange(1, 5),
            "price": source.randrange(9_999) / 100,
        }
        for _ in range(source.choice((1, 1, 1, 2, 3)))
    ]
    value = {
        "order_id": 10_000_000 + number,
        "customer": f"customer-{source.randrange(100_000)}",
        "city": source.choice(CITIES),
        "created_at": f"2026-02-10T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}.{source.randrange(1000):03}Z",
        "items": items,
        "note": " ".join(source.choices(CITIES, k=source.randrange(4))) or None,
    }
    return json.dumps(value).encode()


async def files_of(directory: Path, records: Sequence[tuple[bytes | None, int]], **config: Any) -> dict[str, list[int]]:
    """Have records of these values and times written and return the sizes of the files of each path, oldest first."""
    broker = MemoryBroker()
    await broker.create_topic("orders")

    async with Worker(broker, registry=Registry(entry_points=False)) as worker:
        options = {"file.path": str(directory), "batch.interval_ms": HOUR_MS, **config}
        await worker.create(
            {
                "name": "c",
                "connectorClass": "file-sink",
                "connectorType": "sink",
                "topics": ["orders"],
                "config": options,
            }
        )

        for start in range(0, len(records), 2_000):
            part = records[start : start + 2_000]
            await broker.append("orders", NewRecords(values=[v for v, _ in part], timestamps=[t for _, t in part]))

        await worker.drained("c", timeout=60)
        assert (await worker.get("c")).state is State.RUNNING

    sizes = defaultdict(list)

    for file in sorted(directory.rglob("batch-*"), key=lambda file: file.stat().st_mtime_ns):
        sizes[str(file.parent.relative_to(directory))].append(file.stat().st_size)

    return sizes


@pytest.mark.parametrize("options", FORMATS.values(), ids=FORMATS.keys())
async def test_all_files_but_the_last_have_the_wanted_size(tmp_path: Path, options: dict[str, str]) -> None:
    """Give or take a tenth, the first one included, whatever the format makes of the records."""
    source = random.Random(7)
    records = [(order(number, source), NOON_MS) for number in range(30_000)]
    raw = sum(len(value) for value, _ in records)
    wanted = 100_000 if "compression" in options or options["format"] != "json" else 600_000
    (sizes,) = (await files_of(tmp_path, records, **{"file.bytes": wanted}, **options)).values()

    assert len(sizes) > 4, (raw, sizes)
    assert all(0.9 * wanted <= size <= 1.1 * wanted for size in sizes[:-1]), sizes
    assert sizes[-1] <= 1.1 * wanted


async def test_each_path_has_files_of_the_wanted_size(tmp_path: Path) -> None:
    """Though one path has much larger records than the other."""
    source = random.Random(7)
    records: list[tuple[bytes | None, int]] = []

    for number in range(20_000):
        value = order(number, source)
        records += [
            (value, NOON_MS),
            (b'{"note":"%s","order":%s}' % (source.randbytes(400).hex().encode(), value), NOON_MS + HOUR_MS),
        ]

    paths = await files_of(
        tmp_path, records, **{"file.bytes": 200_000, "compression": "gzip", "partitioning": "hourly"}
    )

    assert len(paths) == 2

    for sizes in paths.values():
        assert len(sizes) > 2
        assert all(180_000 <= size <= 220_000 for size in sizes[:-1]), sizes


async def test_the_limits_of_batches_hold_where_they_are_given(tmp_path: Path) -> None:
    """What the user says of batch.size goes before the wish for larger files; its default does not."""
    records = [(b'{"n":%d}' % (100_000 + number), NOON_MS) for number in range(25_000)]
    (sizes,) = (await files_of(tmp_path / "a", records, **{"file.bytes": "1 MiB"})).values()
    assert len(sizes) == 1

    (sizes,) = (await files_of(tmp_path / "b", records, **{"file.bytes": "1 MiB", "batch.size": 5_000})).values()
    assert len(sizes) == 5

    (sizes,) = (await files_of(tmp_path / "c", records, **{"file.bytes": "1 MiB", "batch.bytes": 120_000})).values()
    assert len(sizes) == 3


async def test_records_do_not_wait_for_a_full_file_for_ever(tmp_path: Path) -> None:
    """A file far below its size is written when its oldest record has waited long enough."""
    broker = MemoryBroker()
    await broker.create_topic("orders")

    async with Worker(broker, registry=Registry(entry_points=False)) as worker:
        options = {"file.path": str(tmp_path), "file.bytes": "1 GiB", "batch.interval_ms": 20}
        await worker.create({"name": "c", "connectorClass": "file-sink", "topics": ["orders"], "config": options})
        await broker.append("orders", NewRecords(values=[b"1", b"2"]))
        await until(lambda: any(tmp_path.rglob("batch-*.json")))

    assert [file.read_bytes() for file in tmp_path.rglob("batch-*.json")] == [b"1\n2\n"]


async def test_the_status_says_that_memory_does_not_suffice(tmp_path: Path) -> None:
    """And how much would: files are smaller than they should be until it is raised."""
    broker = MemoryBroker()
    await broker.create_topic("orders")

    async with Worker(broker, registry=Registry(entry_points=False)) as worker:
        options = {"file.path": str(tmp_path), "file.bytes": "1 MiB", "buffer.memory": "1 MiB"}
        await worker.create({"name": "c", "connectorClass": "file-sink", "topics": ["orders"], "config": options})
        await broker.append("orders", NewRecords(values=[b'"%s"' % (b"x" * 318)] * 10_000))
        await worker.drained("c", timeout=20)
        (note,) = (await worker.get("c")).warnings

    found = re.search(r"take (\d+) bytes of memory, more than the 1048576 that there are", note)
    assert found is not None
    assert 2_160_000 <= int(found[1]) <= 2_500_000  # 320 bytes a record, and as much besides
    assert "raise config.buffer.memory" in note
