"""Drives processes by hand: nothing happens between two steps of a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

import psycopg
from psycopg import Connection

from application.jobs import NewJob
from application.ledger import Ledger
from application.processes import deadlines
from application.processes.definitions import Process, Reaction, job_id
from application.processes.follower import Follower
from domain.accounts import OpenAccount
from domain.events import Recorded

MADE_UP = "made_up"


def made_up(
    react: Callable[[Recorded], Reaction | None],
    on_deadline: Callable[[UUID, str], Reaction] | None = None,
) -> Process:
    """A process that hears of what is paid into accounts: each account is a flow of its own."""
    topics = frozenset({"account.credited"})
    return Process(MADE_UP, topics, lambda event: event.stream_id, react, on_deadline)


def respond(event: Recorded) -> Reaction:
    """A command, a job and a deadline: all that can follow from an event."""
    follows = uuid5(event.stream_id, str(event.position))
    return Reaction(
        OpenAccount(follows, "Follows", "checking", "EUR"),
        jobs=(NewJob(id=job_id(MADE_UP, event.position), kind="thing", payload={}),),
        deadlines={str(event.position): event.recorded_at + timedelta(days=1)},
    )


class Steps:
    """Followers of processes and their clock, which move when they are told to."""

    def __init__(self, conn: Connection[Any], ledger: Ledger, conninfo: str) -> None:
        self.conn = conn
        self._ledger = ledger
        self._conninfo = conninfo
        self._processes: dict[str, Process] = {}
        self.followers: list[Follower] = []

    def follow(self, process: Process) -> Follower:
        """Another follower, which stands at the checkpoint; it works when it is told to or all are."""
        follower = Follower(self._conninfo, self._ledger, process)
        follower.resume(self.conn)
        self._processes[process.name] = process
        self.followers.append(follower)
        return follower

    def work(self) -> None:
        """React to all that there is, and to what follows from it."""
        while any(follower.work(self.conn) for follower in self.followers):
            pass

    def fire(self) -> int:
        """Do what each deadline that is over asks for; how many there were."""
        found = deadlines.due(self.conn, self._processes)
        for one in found:
            deadlines.fire(self._ledger, self._processes[one.process], one)
        return len(found)

    def make_due(self, *deadlines: str) -> None:
        """These deadlines are over, or all of them."""
        self.conn.execute(
            "UPDATE process_deadlines SET due_at = clock_timestamp()"
            " WHERE deadline = ANY(%s) OR %s",
            (list(deadlines), not deadlines),
        )

    def row(self, key: UUID) -> tuple[str, str, str | None]:
        """What is kept of a flow: its status, its last step, and why it is stuck."""
        (row,) = self.conn.execute(
            "SELECT status, step, error FROM processes WHERE key = %s", (key,)
        ).fetchall()
        status, step, error = row
        return status, step, error

    def inbox(self, key: UUID) -> list[int]:
        """Positions of events that wait."""
        return self._column("SELECT position FROM process_inbox WHERE key = %s ORDER BY 1", key)

    def history(self, key: UUID) -> list[int]:
        """Positions of events that were tried, in the order in which that happened."""
        return self._column(
            "SELECT position FROM process_history WHERE key = %s ORDER BY number", key
        )

    def jobs(self) -> list[UUID]:
        return self._column("SELECT id FROM jobs ORDER BY created_at, id")

    def deadlines(self) -> list[str]:
        return self._column("SELECT deadline FROM process_deadlines ORDER BY 1")

    def checkpoint(self, name: str = MADE_UP) -> int:
        (position,) = self._column("SELECT position FROM process_checkpoints WHERE name = %s", name)
        return int(position)

    def head(self) -> int:
        (position,) = self._column("SELECT position FROM ledger_head")
        return int(position)

    def _column(self, query: str, *given: object) -> list[Any]:
        return [value for (value,) in self.conn.execute(query.encode(), given).fetchall()]


@contextmanager
def stepping(ledger: Ledger, conninfo: str, *processes: Process) -> Iterator[Steps]:
    """The steps of these processes."""
    with psycopg.connect(conninfo, autocommit=True) as conn:
        steps = Steps(conn, ledger, conninfo)
        for process in processes:
            steps.follow(process)
        yield steps
