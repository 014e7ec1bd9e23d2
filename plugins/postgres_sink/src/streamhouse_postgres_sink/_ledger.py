"""The table of offsets, over one connection: made, claimed, locked, moved. What the rows mean is decided elsewhere.

What belongs together goes to the server in one piece, so that it waits for nobody with a row locked, and costs one round trip:

    claim   BEGIN, claim, COMMIT
    load    BEGIN, lock, compare and move │ … │ COMMIT

A task that was stopped in the middle of a load, or whose machine has vanished, would hold its rows for ever: who claims them
waits a moment, and then ends that connection.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import errors, sql

from streamhouse_connect import FatalError, RetriableError, Superseded
from streamhouse_postgres_sink._catalogue import find_table
from streamhouse_postgres_sink._offset_statements import FORGET_MOVE, MOVE_PREPARED, OffsetStatements, lacks
from streamhouse_postgres_sink._offsets import Row, compare

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from streamhouse_connect import SinkContext, TopicPartition
    from streamhouse_postgres_sink._connection import Connection
    from streamhouse_postgres_sink._offsets import Key, Move

__all__ = ["Ledger"]

_FEW: Final = 8
"""Up to so many rows are moved faster by a statement each than by one for all."""

_CLAIM_PATIENCE: Final = "3s"
_SET_PATIENCE: Final = "SELECT set_config('lock_timeout', %s, true)"


class Ledger:
    """The rows of one connector in the table of a schema."""

    def __init__(self, connection: Connection, schema: str | None, context: SinkContext) -> None:
        self._connection = connection
        self._context = context
        self._statements = OffsetStatements(schema)
        self._literals: dict[str, bytes] = {}
        self._has_prepared = False

    async def prepare(self) -> None:
        """Verify that there is the table, and that it may be used; make it if it is missing.

        :raises FatalError: with the statements to run.
        """
        name = self._statements.table
        found = await find_table(self._connection, name)

        if found is None:
            await self._create()
            found = await find_table(self._connection, name)

        if found is None:
            raise FatalError(f"{name} is a type, so that no table of offsets can be made; rename it")

        if why := self._statements.unfit(found, self._connection.info.user):
            raise FatalError(why)

    async def claim(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, Row]:
        """Make partitions ours: whoever had them can't move their rows any more.

        :raises RetriableError: if a task with a newer definition of the connector has them.
        """
        parameters = self._parameters(partitions)

        try:
            found = await self._transact(self._statements.claim, parameters)
        except errors.LockNotAvailable:
            ended = await (await self._connection.execute(self._statements.end_holders, parameters)).fetchall()

            if not ended:
                raise

            self._context.log.warning("blocker_terminated pids=%s", ",".join(str(pid) for (pid,) in ended))
            found = await self._transact(self._statements.claim, parameters)

        return self._ours(partitions, _rows(found))

    async def begin(self, moves: Sequence[Move]) -> None:
        """Begin a transaction with its rows locked, found as they were left, and moved.

        :raises Superseded: see `compare`; and if somebody holds the rows for too long, be it a lost connection of our own,
            for then only a claim gets on.
        :raises Moved: see `compare`.
        """
        try:
            if len(moves) > _FEW or not await self._move_each(moves):
                await self._move_all(moves)
        except (errors.LockNotAvailable, errors.QueryCanceled):
            raise Superseded([move.tp for move in moves]) from None

    async def set(self, offsets: Mapping[TopicPartition, int | None]) -> None:
        """Begin new generations at these offsets; None: where the broker says.

        A row is not deleted: a task that has slept through it all would find a new one with the generation that it knows.

        :raises RetriableError: as for `claim`.
        """
        parameters = {**self._parameters(offsets), "next_offsets": list(offsets.values())}
        self._ours(offsets, _rows(await self._transact(self._statements.set, parameters)))

    async def abandon(self) -> None:
        """Leave all that follows to the broker's commits, if offsets were ever kept here."""
        found = await find_table(self._connection, self._statements.table)

        if found is not None and lacks(found) is None and not found.lacking:
            await self._connection.execute(self._statements.abandon, {"uid": self._context.uid})

    async def _create(self) -> None:
        try:
            await self._connection.execute(self._statements.create)
        except (errors.DuplicateTable, errors.DuplicateObject, errors.UniqueViolation):
            return  # somebody else was faster, which IF NOT EXISTS does not always see
        except errors.InsufficientPrivilege:
            raise FatalError(self._statements.not_made(self._connection.info.user)) from None

    async def _prepare_moves(self) -> None:
        with contextlib.suppress(errors.InvalidSqlStatementName):
            await self._connection.execute(FORGET_MOVE)  # another ledger's, whose table may have been another

        await self._connection.execute(self._statements.prepare_move)
        self._has_prepared = True

    async def _move_each(self, moves: Sequence[Move]) -> bool:
        """Begin as `begin` does, a row after the other; False if one is not as it was left, and nothing is begun.

        All of it is one text, which psycopg sends with less work than it has with parameters and a pipeline.
        """
        if not (self._connection.is_pooled or self._has_prepared):
            await self._prepare_moves()

        one = self._statements.move_one if self._connection.is_pooled else MOVE_PREPARED
        statements = [self._connection.opening, *(one % self._values(move) for move in moves)]

        try:
            cursor = await self._connection.execute(b"; ".join(statements), prepare=False)
        except errors.InvalidSqlStatementName:  # psycopg lets all that is prepared go after a rollback
            self._has_prepared = False
            await self._connection.rollback()
            return False

        counts = [cursor.rowcount]

        while cursor.nextset():
            counts.append(cursor.rowcount)

        if 0 not in counts:
            return True

        await self._connection.rollback()
        return False

    def _values(self, move: Move) -> tuple[bytes, ...]:
        """Write a move as SQL does."""
        before = move.before.next_offset

        return (
            b"%d" % move.next_offset,
            self._literal(self._context.uid),
            self._literal(move.topic_id),
            b"%d" % move.tp.partition,
            b"%d" % move.before.generation,
            b"NULL" if before is None else b"%d" % before,
        )

    def _literal(self, text: str) -> bytes:
        if text not in self._literals:
            self._literals[text] = sql.Literal(text).as_bytes(self._connection)

        return self._literals[text]

    async def _move_all(self, moves: Sequence[Move]) -> None:
        keys = [self._context.uid, [move.topic_id for move in moves], [move.tp.partition for move in moves]]

        async with self._connection.pipeline():
            await self._connection.begin()
            cursor = await self._connection.execute(self._statements.lock, keys)
            await self._connection.execute(self._statements.move, [*keys, [move.next_offset for move in moves]])

        compare(moves, _rows(await cursor.fetchall()))

    async def _transact(self, statement: sql.Composed, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
        try:
            async with self._connection.pipeline():
                await self._connection.begin()
                await self._connection.execute(_SET_PATIENCE, [_CLAIM_PATIENCE])
                cursor = await self._connection.execute(statement, parameters)
                await self._connection.execute("COMMIT")
        except psycopg.Error:
            await self._connection.undo()
            raise

        return await cursor.fetchall()

    def _ours(self, partitions: Iterable[TopicPartition], rows: Mapping[Key, Row]) -> dict[TopicPartition, Row]:
        """Return the partitions' rows, all of which have to be there."""
        keys = {(self._context.topic_ids[tp.topic], tp.partition): tp for tp in partitions}

        if newer := sorted(tp for key, tp in keys.items() if key not in rows):
            raise RetriableError(
                f"a newer definition of connector {self._context.connector} is at work on {', '.join(map(str, newer))}: "
                f"the rows in {self._statements.table} are of a later epoch than {self._context.epoch}"
            )

        return {keys[key]: row for key, row in rows.items()}

    def _parameters(self, partitions: Iterable[TopicPartition]) -> dict[str, object]:
        partitions = list(partitions)

        return {
            "uid": self._context.uid,
            "epoch": self._context.epoch,
            "connector": self._context.connector,
            "topic_ids": [self._context.topic_ids[tp.topic] for tp in partitions],
            "partitions": [tp.partition for tp in partitions],
            "topics": [tp.topic for tp in partitions],
        }


def _rows(found: Iterable[tuple[Any, ...]]) -> dict[Key, Row]:
    return {(topic_id, partition): Row(generation, offset) for topic_id, partition, generation, offset in found}
