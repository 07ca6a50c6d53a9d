"""Keeps read models up to date: reads each batch of the log once, for all of them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from typing import Any, Literal
from uuid import UUID

import psycopg
from psycopg import Connection

from domain.events import Recorded
from projections import checkpoints, parking, schemas
from projections.catalogue import READ_MODELS, ReadModel
from projections.connecting import connect
from projections.garbage import gc_paused
from projections.log import LOG_CHANNEL, UnreadableEventError, read_batch

_log = logging.getLogger("daybook.projections")

MAX_BATCH_EVENTS = 5_000
"""Events that share a transaction when catching up. Live, a batch is whatever has come meanwhile."""

_TICK_S = 0.25
"""How often a runner without news looks for what nobody notified it of: a stop, a runner that went
away, a finished rebuild."""

_MAX_RETRY_S = 30.0
_MAX_RECONNECT_S = 5.0


class _Follower:
    """What the runner knows of one read model."""

    def __init__(self, model: ReadModel) -> None:
        self.model = model
        self.is_ours = False
        self.is_stale = False
        self.position = 0
        self.failures = 0
        self.retry_at = 0.0
        self.epoch = 0
        self.parked: frozenset[UUID] = frozenset()

    def key_of(self, event: Recorded) -> UUID:
        """What an event is about, for this read model."""
        key_of = self.model.key_of
        return event.stream_id if key_of is None else key_of(event)

    def shown(self, events: Sequence[Recorded]) -> list[Recorded]:
        """Those of the events that go into the read model now."""
        topics = self.model.topics
        if not self.parked:
            return [event for event in events if event.topic in topics]
        return [e for e in events if e.topic in topics and self.key_of(e) not in self.parked]

    @property
    def is_due(self) -> bool:
        return self.is_ours and self.retry_at <= time.monotonic()


class Runner:
    """Drives read models from one thread, over one connection as the application's role.

    Any number may run, on any number of machines: each read model is driven by one of them, and
    another takes over within a second when that one goes.
    """

    def __init__(self, conninfo: str, models: Sequence[ReadModel] = READ_MODELS) -> None:
        self._conninfo = conninfo
        self._models = models
        self._followers: list[_Follower] = []

    def run(self, stop: threading.Event) -> None:
        """Run until `stop` is set, whatever happens to the database or in a read model."""
        wait_s = 0.0
        while not stop.wait(wait_s):
            started = time.monotonic()
            try:
                with connect(self._conninfo, "daybook runner") as conn:
                    self._run_connected(conn, stop)
            except psycopg.Error as error:
                if time.monotonic() - started > _MAX_RECONNECT_S:
                    wait_s = 0.0
                wait_s = min(max(2 * wait_s, 0.05), _MAX_RECONNECT_S)
                _log.warning("read models wait %.2f s for the database: %s", wait_s, error)

    def _run_connected(self, conn: Connection[Any], stop: threading.Event) -> None:
        # Listening comes before the first read: what is committed after that read wakes the runner.
        conn.execute(f"LISTEN {LOG_CHANNEL}".encode())
        self._followers = [_Follower(model) for model in self._models]
        next_tick = 0.0
        while not stop.is_set():
            if time.monotonic() >= next_tick:
                self._tick(conn)
                next_tick = time.monotonic() + _TICK_S
            with gc_paused():
                has_worked = self._work(conn)
            for _ in conn.notifies(timeout=0 if has_worked else _TICK_S, stop_after=1):
                pass

    def _tick(self, conn: Connection[Any]) -> None:
        """Take over what nobody runs, and notice what was moved: a rollback tells nobody else."""
        for follower in self._followers:
            if follower.retry_at > time.monotonic():
                continue
            name = follower.model.name
            if follower.is_ours:
                checkpoint = checkpoints.read(conn, name)
                if checkpoint is not None and checkpoint.position == follower.position:
                    continue
            elif not schemas.try_lock(conn, schemas.RUNNER_LOCKS, name):
                continue
            try:
                self._look_again(conn, follower)
            except Exception as error:  # noqa: BLE001 - one that can't be set up leaves others going
                _raise_if_away(conn, error)
                schemas.unlock(conn, schemas.RUNNER_LOCKS, name)
                follower.is_ours = False
                self._fail(conn, follower, error, "can't be set up")

    def _look_again(self, conn: Connection[Any], follower: _Follower) -> None:
        """Read a checkpoint, after making what is missing."""
        model = follower.model
        schemas.ensure(conn, model)
        # Read first: whatever of the rest is changed meanwhile, the next move notices by it.
        follower.epoch = checkpoints.epoch(conn, model.name)
        checkpoint = checkpoints.read(conn, model.name)
        assert checkpoint is not None, "ensured just now"
        follower.position = checkpoint.position
        follower.parked = parking.keys(conn, model.name)
        follower.is_ours = checkpoint.code_version == model.version
        if follower.is_ours:
            follower.is_stale = False
            return
        # Left to a runner with the code that fits, and looked at again at the next tick.
        schemas.unlock(conn, schemas.RUNNER_LOCKS, model.name)
        if not follower.is_stale:
            follower.is_stale = True
            _log.error(
                "%s stands still: built by version %d, code is version %d: rebuild it",
                model.name, checkpoint.code_version, model.version,
            )  # fmt: skip

    def _work(self, conn: Connection[Any]) -> bool:
        """Apply one batch to every read model that is behind; answers whether there was any."""
        due = sorted((f for f in self._followers if f.is_due), key=lambda f: f.position)
        has_worked = False
        while due:
            after = due[0].position
            try:
                batch = read_batch(conn, after, MAX_BATCH_EVENTS)
            except UnreadableEventError as error:
                stuck = [f for f in due if f.position == after]
                for follower in stuck:
                    self._fail(conn, follower, error, "stands still")
                due = due[len(stuck) :]
                continue
            if not batch:
                break
            # Those in step share the batch. A read model that is far behind does not hold up those
            # that are near the head: they get a batch of their own in the same round.
            end = batch[-1].position
            while due and due[0].position < end:
                follower = due.pop(0)
                self._apply(conn, follower, batch[follower.position - after :])
            has_worked = True
        return has_worked

    def _apply(
        self, conn: Connection[Any], follower: _Follower, events: Sequence[Recorded]
    ) -> None:
        """Bring one read model through some events, up to the first one that it fails on."""
        if follower.failures:
            events = events[:1]
        while True:
            try:
                moved = _project(conn, follower, events)
            except Exception as error:  # noqa: BLE001 - one that fails leaves others going
                _raise_if_away(conn, error)
                conn.execute("ROLLBACK")
                if len(events) == 1:
                    self._park_or_fail(conn, follower, events[0], error)
                    return
                # Close in on the event that fails, so that all before it is still applied.
                events = events[: len(events) // 2]
            else:
                if not moved:
                    self._look_again(conn, follower)
                elif follower.failures:
                    _log.info("%s works again", follower.model.name)
                    follower.failures = 0
                return

    def _park_or_fail(
        self, conn: Connection[Any], follower: _Follower, event: Recorded, error: Exception
    ) -> None:
        try:
            what = _park(conn, follower, event, error)
        except Exception as again:  # noqa: BLE001 - then it stands still, and says why
            _raise_if_away(conn, again)
            conn.execute("ROLLBACK")
            _log.error("%s can't be parked: %s", follower.model.name, again)
            what = "failed"
        if what == "moved":
            self._look_again(conn, follower)
        elif what == "failed":
            self._fail(conn, follower, error, f"fails at {event.position} ({event.topic})")

    def _fail(
        self, conn: Connection[Any], follower: _Follower, error: Exception, what: str
    ) -> None:
        """Note a failure where operators see it, and leave the read model alone for a while."""
        follower.failures += 1
        wait_s = min(0.1 * 2 ** min(follower.failures, 20), _MAX_RETRY_S)
        follower.retry_at = time.monotonic() + wait_s
        model = follower.model
        text = f"{what}: {type(error).__name__}: {error}"
        _log.error("%s %s (tries again in %.1f s)", model.name, text, wait_s, exc_info=error)
        checkpoints.record_error(conn, model.name, text)


def _raise_if_away(conn: Connection[Any], error: Exception) -> None:
    """Without a connection nothing is known of the read model, and all of them need a new one."""
    if conn.closed:
        raise psycopg.OperationalError(f"the connection was lost: {error}") from error


def _project(conn: Connection[Any], follower: _Follower, events: Sequence[Recorded]) -> bool:
    """Apply events and move the checkpoint, in one transaction. False: the checkpoint is elsewhere."""
    to = events[-1].position
    if not _begin_move(conn, follower, to):
        return False
    relevant = follower.shown(events)
    if relevant:
        with conn.cursor() as cursor:
            follower.model.project(relevant, cursor)
    changed_in = follower.epoch if relevant else None
    checkpoints.commit_move(conn, follower.model.name, to, changed_in=changed_in)
    follower.position = to
    return True


def _begin_move(conn: Connection[Any], follower: _Follower, to: int) -> bool:
    model = follower.model
    if checkpoints.begin_move(
        conn, model.name, old=follower.position, new=to, code_version=model.version,
        epoch=follower.epoch,
    ):  # fmt: skip
        return True
    conn.execute("ROLLBACK")
    return False


def _park(
    conn: Connection[Any], follower: _Follower, event: Recorded, error: Exception
) -> Literal["parked", "moved", "failed"]:
    """Park the key of an event that fails, and go on after it. `moved`: the checkpoint is elsewhere;
    `failed`: no key is at fault, or too many are."""
    if not parking.is_of_key(error):
        return "failed"
    model, text = follower.model, f"{type(error).__name__}: {error}"
    key = follower.key_of(event)
    if not _begin_move(conn, follower, event.position):
        return "moved"
    if not parking.park(conn, model.name, key, event.position, text):
        conn.execute("ROLLBACK")
        return "failed"
    checkpoints.commit_move(conn, model.name, event.position)
    follower.position = event.position
    follower.parked |= {key}
    follower.failures = 0
    _log.error(
        "%s parks %s, whose event %d (%s) it fails on: %s; after a fix:"
        " daybook projections retry %s %s",
        model.name, key, event.position, event.topic, text, model.name, key, exc_info=error,
    )  # fmt: skip
    return "parked"
