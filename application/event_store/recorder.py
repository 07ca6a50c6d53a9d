"""The log behind the `eventsourcing` library's contract, so that its tools and test cases apply."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Thread
from typing import Any
from uuid import UUID

import psycopg
from eventsourcing.persistence import (
    ApplicationRecorder,
    IntegrityError,
    ListenNotifySubscription,
    Notification,
    OperationalError,
    StoredEvent,
    Subscription,
)
from psycopg import sql
from psycopg_pool import ConnectionPool, PoolTimeout

from application.event_store.appending import Appender, NewEvent, lock_head, move_head
from application.event_store.chain import field


class LogRecorder(ApplicationRecorder):
    """`ApplicationRecorder` over the `events` table. Positions are dense and in commit order.

    The ledger does not write through this class (its writer groups commits); what this class writes
    is in the same chain under the same lock.
    """

    def __init__(self, pool: ConnectionPool[Any]) -> None:
        self._pool = pool

    def insert_events(
        self, stored_events: Sequence[StoredEvent], *, metadata: bytes = b"{}", **kwargs: Any
    ) -> Sequence[int] | None:
        """Append all or nothing; answers their positions. Raises `IntegrityError` when a stream
        already has one of the versions."""
        if not stored_events:
            return []
        metadata_field = field(metadata)
        with _translated_errors(), self._pool.connection() as conn, conn.transaction():
            head = lock_head(conn)
            appender = Appender(conn, head)
            try:
                appender.add(_new_event(e, metadata_field) for e in stored_events)
                appender.finish()
            except BaseException:
                appender.abort()
                raise
            conn.execute(move_head(head, appender).encode())
        return list(range(head.position + 1, appender.position + 1))

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """The events of one stream by version."""
        query = sql.SQL(
            "SELECT originator_id, originator_version, topic, state FROM events"
            " WHERE originator_id = %(id)s"
            " AND (%(gt)s::bigint IS NULL OR originator_version > %(gt)s)"
            " AND (%(lte)s::bigint IS NULL OR originator_version <= %(lte)s)"
            " ORDER BY originator_version {} LIMIT %(limit)s"
        ).format(sql.SQL("DESC" if desc else "ASC"))
        with _translated_errors(), self._pool.connection() as conn:
            rows = conn.execute(
                query, {"id": _uuid(originator_id), "gt": gt, "lte": lte, "limit": limit}
            ).fetchall()
        return [StoredEvent(id_, version, topic, state) for id_, version, topic, state in rows]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """Events of the log by position."""
        first = 1 if start is None else start if inclusive_of_start else start + 1
        with _translated_errors(), self._pool.connection() as conn:
            rows = conn.execute(
                "SELECT originator_id, originator_version, topic, state, notification_id FROM events"
                " WHERE notification_id >= %(first)s"
                " AND (%(stop)s::bigint IS NULL OR notification_id <= %(stop)s)"
                " AND (%(topics)s::text[] IS NULL OR topic = ANY(%(topics)s))"
                " ORDER BY notification_id LIMIT %(limit)s",
                {"first": first, "stop": stop, "topics": list(topics) or None, "limit": limit},
            ).fetchall()
        return [
            Notification(
                originator_id=id_, originator_version=version, topic=topic, state=state, id=position
            )
            for id_, version, topic, state, position in rows
        ]

    def max_notification_id(self) -> int | None:
        """The position of the last event, None when there is none."""
        with _translated_errors(), self._pool.connection() as conn:
            row = conn.execute("SELECT position FROM ledger_head").fetchone()
        assert row is not None
        return row[0] or None

    def subscribe(
        self, gt: int | None = None, topics: Sequence[str] = ()
    ) -> Subscription[ApplicationRecorder]:
        """Events after a position, then those still to come; woken by the writer's NOTIFY."""
        return LogSubscription(self, gt, topics)

    def listen(self) -> Iterator[None]:
        """Yields once a commit that may have moved the head, and at least every half second."""
        with self._pool.connection() as conn:
            conn.autocommit = True
            try:
                conn.execute("LISTEN daybook_log")
                while True:
                    for _ in conn.notifies(timeout=0.5, stop_after=1):
                        pass
                    yield
            finally:
                conn.execute("UNLISTEN *")
                conn.autocommit = False


class LogSubscription(ListenNotifySubscription[LogRecorder]):
    """The library's subscription, woken by Postgres."""

    def __init__(
        self, recorder: LogRecorder, gt: int | None = None, topics: Sequence[str] = ()
    ) -> None:
        super().__init__(recorder=recorder, gt=gt, topics=topics)
        self._listening = Thread(target=self._wake, daemon=True)
        self._listening.start()

    def _wake(self) -> None:
        try:
            for _ in self._recorder.listen():
                if self._has_been_stopped:
                    return
                self._has_been_notified.set()
        except (psycopg.Error, PoolTimeout) as error:  # raised where the events are awaited
            self._thread_error = OperationalError(str(error))
            self.stop()

    def __exit__(self, *args: object, **kwargs: Any) -> None:
        super().__exit__(*args, **kwargs)
        self._listening.join()


@contextmanager
def _translated_errors() -> Iterator[None]:
    """The library's errors in place of the driver's."""
    try:
        yield
    except psycopg.IntegrityError as error:
        raise IntegrityError(str(error)) from error
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise OperationalError(str(error)) from error


def _new_event(event: StoredEvent, metadata: bytes) -> NewEvent:
    stream = _uuid(event.originator_id).bytes
    return (stream, event.originator_version, event.topic, metadata, event.state)


def _uuid(value: UUID | str) -> UUID:
    return value if isinstance(value, UUID) else UUID(value)
