from __future__ import annotations

import pytest

from streamhouse_connect.cli.demo_view import PlainView, Snapshot
from streamhouse_connect.cli.progress import PlainProgress, human_bytes


class Clock:
    """Tells the time it is given."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_line_every_few_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    """Short work says nothing on its way, long work does not fill the log."""
    clock = Clock()

    with PlainProgress("orders", clock=clock) as progress:
        for _ in range(96):
            clock.now += 0.125
            progress.advance(1000, 200_000)

    assert capsys.readouterr().err.splitlines() == [
        "orders: 40,000 records, 8.0 MB, 8,000 records/s",
        "orders: 80,000 records, 16.0 MB, 8,000 records/s",
    ]


def snapshot(delivered: int, trouble: str = "") -> Snapshot:
    return Snapshot(appended=5000, delivered=delivered, lag=5000 - delivered, files=2, trouble=trouble)


def test_the_demo_ends_with_the_last_line(capsys: pytest.CaptureFixture[str]) -> None:
    """However soon after the one before, and once."""
    clock = Clock()

    with PlainView(clock=clock) as view:
        clock.now += 1
        view.show(snapshot(1000, "retrying: disk full"))
        clock.now += 1
        view.show(snapshot(4000))
        view.show(snapshot(5000))

    assert capsys.readouterr().out.splitlines() == [
        "appended 5,000, delivered 1,000 (1,000 records/s), lag 4,000, files 2; retrying: disk full",
        "appended 5,000, delivered 4,000 (2,000 records/s), lag 1,000, files 2",
        "appended 5,000, delivered 5,000 (2,500 records/s), lag 0, files 2",
    ]


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (10_200_000, "10.2 MB"), (5e15, "5000.0 TB")]
)
def test_sizes_are_readable(number: float, text: str) -> None:
    """In the units of disks."""
    assert human_bytes(number) == text
