"""A task at work: a thread with an event loop of its own, in which a supervisor runs the task again and again.

The thread is what keeps trouble apart: a plugin that blocks its loop, hangs or leaks holds up itself and nobody else.
From outside a runner is told what is wanted of it, and looked at through immutable snapshots:

    RUNNING: run the task → it failed → wait (backoff) → run it again …
    PAUSED, STOPPED: nothing runs; reading goes on later from the committed offsets
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import attrs

from streamhouse_connect.definitions import TargetState
from streamhouse_connect.errors import RetriableError
from streamhouse_connect.runtime.faults import Fault
from streamhouse_connect.runtime.observer import TaskObserver
from streamhouse_connect.runtime.snapshots import Snapshot
from streamhouse_connect.runtime.states import State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from streamhouse_connect.metrics import ConnectorMetrics
    from streamhouse_connect.records import Batch, TopicPartition
    from streamhouse_connect.runtime.journal import Journal
    from streamhouse_connect.runtime.progress import PartitionProgress, Unsettled
    from streamhouse_connect.runtime.retries import Backoff
    from streamhouse_connect.runtime.task import Task

__all__ = ["TaskRunner"]

_CANCEL_SECONDS: Final = 0.3


class TaskRunner(TaskObserver):
    """Runs what `make_task` makes, one run after the other; its public methods may be called from any thread."""

    def __init__(
        self,
        name: str,
        make_task: Callable[[TaskObserver], Task],
        *,
        target: TargetState,
        backoff: Backoff,
        restart_backoff: Backoff,
        redact: Callable[[str], str],
        metrics: ConnectorMetrics,
        journal: Journal,
        before: Snapshot,
    ) -> None:
        self.snapshot = attrs.evolve(before, state=State.STARTING)
        self._make_task = make_task
        self._target = target
        self._backoff = backoff
        self._restart_backoff = restart_backoff
        self._redact = redact
        self._metrics = metrics
        self._journal = journal
        self._state = State.STARTING
        self._fault: Fault | None = None
        self._attempt = 0
        self._opened = False
        self._closing = False
        self._within = 0.0
        self._task: Task | None = None
        self._changed: asyncio.Event
        self._loop: asyncio.AbstractEventLoop
        self._ready = threading.Event()
        self._waiting: list[Future[None]] = []
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to do what is wanted."""
        self._thread.start()
        self._ready.wait()

    async def apply(self, target: TargetState, *, within: float) -> None:
        """Want something else; return when it is so, or when the time (in seconds) is over."""
        await self._ask(target, within=within)

    async def restart(self, *, within: float) -> None:
        """Run the task anew, if it is wanted to run at all."""
        await self._ask(None, within=within)

    async def close(self, *, within: float) -> bool:
        """Stop for good; return whether the thread has ended, or is stuck in a plugin and left alone."""
        self._closing = True
        await self._ask(TargetState.STOPPED, within=within)
        await asyncio.to_thread(self._thread.join, max(within, 1.0))
        return not self._thread.is_alive()

    def drain(self, ends: Mapping[TopicPartition, int]) -> None:
        """See `Task.drain`."""
        self._call(lambda: self._task.drain(ends) if self._task else None)

    async def _ask(self, target: TargetState | None, *, within: float) -> None:
        done: Future[None] = Future()
        self._call(lambda: self._take(target, within, done))

        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.wrap_future(done), within + 2 * _CANCEL_SECONDS)

    def _call(self, act: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # the loop is closed: there is nothing left to tell
            self._loop.call_soon_threadsafe(act)

    # What follows runs on the runner's own loop.

    def _run(self) -> None:
        asyncio.run(self._supervise())

    async def _supervise(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._ready.set()

        while not self._closing:
            if self._target is TargetState.RUNNING:
                if self._state in (State.PAUSED, State.STOPPED):
                    self._fault = None  # until now it said why it had failed

                await self._run_task()
            else:
                self._report(State(self._target.value))
                self._settle()
                await self._changed.wait()

            self._changed.clear()

        self._report(State.STOPPED)
        self._settle()

    def _take(self, target: TargetState | None, within: float, done: Future[None]) -> None:
        if target is self._target and not self._closing and target is TargetState.RUNNING and self._fault is None:
            done.set_result(None)
            return

        self._within = within
        self._target = target or self._target
        self._waiting.append(done)
        self._attempt = 0
        self._changed.set()

    def _settle(self) -> None:
        waiting, self._waiting = self._waiting, []

        for done in waiting:
            if not done.cancelled():
                done.set_result(None)

    async def _run_task(self) -> None:
        self._opened = False
        self._report(State.STARTING)
        self._settle()

        try:
            task = self._make_task(self)
            self._task = task
            await self._until_changed(task)
        except asyncio.CancelledError:
            raise
        except (RetriableError, ConnectionError, TimeoutError) as error:
            await self._rest(State.RETRYING, error, self._backoff)
        except BaseException as error:  # noqa: BLE001 - a plugin may raise anything; the process lives on
            await self._rest(State.FAILED, error, self._restart_backoff)
        finally:
            self._task = None

    async def _until_changed(self, task: Task) -> None:
        running = asyncio.create_task(task.run())
        changed = asyncio.create_task(self._changed.wait())
        await asyncio.wait({running, changed}, return_when=asyncio.FIRST_COMPLETED)
        changed.cancel()

        if not running.done():
            self._report(State.STOPPING)
            task.stop(self._within)
            await asyncio.wait({running}, timeout=self._within if self._opened else 0.0)

        if not running.done():
            running.cancel()
            await asyncio.wait({running}, timeout=_CANCEL_SECONDS)

        if running.done() and not running.cancelled():
            running.result()

    async def _rest(self, state: State, error: BaseException, backoff: Backoff) -> None:
        """Show what went wrong and wait, unless something else is wanted, before the next run."""
        self._metrics.errors.inc()
        self._fault = self._fault_of(error, state)
        self._report(state)
        delay = backoff.delay(self._attempt)
        self._attempt += 1

        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), delay)

    def _fault_of(self, error: BaseException, state: State) -> Fault:
        return Fault.of(error, state, opening=not self._opened, redact=self._redact)

    def _report(self, state: State) -> None:
        self._state = state
        self._show()

    def _show(self) -> None:
        fault = self._fault
        shown = fault.state if fault and self._state in (State.STARTING, State.RUNNING) else self._state

        self.snapshot = attrs.evolve(
            self.snapshot, state=shown, error=fault.error if fault else None, trace=fault.trace if fault else None
        )
        self._journal.became(shown, self.snapshot.error, self.snapshot.trace)

    def _recovered(self) -> None:
        self._fault = None
        self._attempt = 0
        self._show()

    def opened(self, weakened: str | None) -> None:
        self._opened = True
        self.snapshot = attrs.evolve(self.snapshot, weakened=weakened, unsettled=self.snapshot.unsettled or {})
        self._report(State.RUNNING)

        if self._fault is None or self._fault.opening or self._fault.state is State.RETRYING:
            self._recovered()

    def delivering(self, error: Exception | None) -> None:
        if error is None:
            if self._fault is not None and self._fault.state is State.RETRYING:
                self._recovered()

            return

        self._metrics.errors.inc()

        if self._fault is None or self._fault.state is State.RETRYING:
            self._fault = self._fault_of(error, State.RETRYING)
            self._show()

    def wrote(self, records: int) -> None:  # noqa: ARG002 - that anything was written is the news
        if self._fault is not None and self._fault.state is State.FAILED:
            self._recovered()

    def progressed(self, progress: Mapping[TopicPartition, PartitionProgress]) -> None:
        commits = {tp: known.committed for tp, known in progress.items() if known.committed is not None}

        self.snapshot = attrs.evolve(
            self.snapshot,
            assigned=tuple(sorted(progress)),
            committed={**self.snapshot.committed, **commits},
            unsettled={tp: left for tp, left in (self.snapshot.unsettled or {}).items() if tp not in progress},
        )

    def left(self, unsettled: Mapping[TopicPartition, Unsettled]) -> None:
        self.snapshot = attrs.evolve(self.snapshot, unsettled={**(self.snapshot.unsettled or {}), **unsettled})

    def committed(self, records: int) -> None:
        self._metrics.processed.inc(records)

    def noted(self, note: str) -> None:
        if note not in self.snapshot.notes:
            self.snapshot = attrs.evolve(self.snapshot, notes=(*self.snapshot.notes, note))

    def missed(self, tp: TopicPartition, first: int, next_offset: int) -> None:
        records = next_offset - first
        self._metrics.missed.inc(records)
        known = self.snapshot.missed
        self.snapshot = attrs.evolve(self.snapshot, missed={**known, tp: known.get(tp, 0) + records})

    def skipped(self, records: int) -> None:
        self._metrics.tombstones.inc(records)

    def dead_lettered(self, batch: Batch, reasons: Mapping[int, str]) -> None:
        self._metrics.dead_letters.inc(len(reasons))
        first = min(reasons)
        self._journal.made_dead_letters(batch, first, self._redact(reasons[first]), records=len(reasons))
