"""Hides what is sealed in events from those who are shown them, and says what nobody can open any more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar, cast
from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import asdict, replace
from psycopg import AsyncConnection, Connection

from domain import bank_transfers, catalogue, credit_applications, movements
from domain.events import Event, Recorded
from domain.sealed import ERASED, SEALED, SEALED_PREFIX, is_sealed
from domain.security import Noticed, key_of, stream_of
from projections.log import LoggedEvent

_MARK = f'"{SEALED_PREFIX}'.encode()
"""In the JSON of whatever holds a sealed text."""

_FIRSTS = """
SELECT originator_id, topic, state FROM events
 WHERE originator_id = ANY(%s) AND originator_version = 1
"""

_LIVING = "SELECT person_id FROM person_keys WHERE person_id = ANY(%s)"

_PERSONAL = (bank_transfers.Requested, movements.Instructed, credit_applications.Submitted)
"""These name the person whose key it is."""

_HOUR = timedelta(hours=1)

_encode = msgspec.json.Encoder().encode
T = TypeVar("T")
E = TypeVar("E", Recorded, LoggedEvent)


class _Placed(Protocol):
    """An event, in whatever shape."""

    @property
    def stream_id(self) -> UUID: ...
    @property
    def recorded_at(self) -> datetime: ...
    @property
    def data(self) -> Event: ...


def key_id_of(event: _Placed) -> UUID:
    """Whose key opens what is sealed in an event: its person's, or a month's of the security log. Of a
    credit application's later events, which do not name the person, its stream's id."""
    if isinstance(event.data, _PERSONAL):
        return event.data.person_id or event.stream_id
    if not isinstance(event.data, Noticed):
        return event.stream_id
    # Noticed in one hour and recorded in the next, it is in the stream, and under the key, of the first.
    moment = event.recorded_at
    return key_of(moment - _HOUR if event.stream_id == stream_of(moment - _HOUR) else moment)


def hide(conn: Connection[Any], events: Sequence[Recorded]) -> Sequence[Recorded]:
    """The events with `SEALED` or `ERASED` for sealed texts. Asks the database only if there are any."""
    ids = _key_ids(events)
    if not ids:
        return events
    if streams := _streams_of(events, ids):
        ids = _named(ids, conn.execute(_FIRSTS, (streams,)).fetchall())
    found = conn.execute(_LIVING, (list(set(ids.values())),)).fetchall()
    return _hidden(events, ids, {id_ for (id_,) in found})


async def hide_logged(
    conn: AsyncConnection[Any], events: Sequence[LoggedEvent]
) -> Sequence[LoggedEvent]:
    """As `hide`."""
    ids = _key_ids(events)
    if not ids:
        return events
    return _hidden(events, *await _living(conn, events, ids))


async def hide_in(conn: AsyncConnection[Any], event: LoggedEvent, answer: T) -> T:
    """As `hide`, in all that is told of a stream with one of its events."""
    if _MARK not in _encode(answer):
        return answer
    ids, living = await _living(conn, [event], {event.position: key_id_of(event)})
    return _replaced(answer, SEALED if ids[event.position] in living else ERASED)


async def _living(
    conn: AsyncConnection[Any], events: Sequence[LoggedEvent], ids: dict[int, UUID]
) -> tuple[dict[int, UUID], set[UUID]]:
    """The keys by position, and those that are still there."""
    if streams := _streams_of(events, ids):
        cursor = await conn.execute(_FIRSTS, (streams,))
        ids = _named(ids, await cursor.fetchall())
    cursor = await conn.execute(_LIVING, (list(set(ids.values())),))
    return ids, {id_ for (id_,) in await cursor.fetchall()}


def _streams_of(
    events: Sequence[Recorded] | Sequence[LoggedEvent], ids: dict[int, UUID]
) -> list[UUID]:
    """The streams of events that hold something sealed and do not name the person."""
    return list(
        {
            e.stream_id
            for e in events
            if e.position in ids
            and isinstance(e.data, credit_applications.EVENTS)
            and not isinstance(e.data, _PERSONAL)
        }
    )


def _named(ids: dict[int, UUID], firsts: Iterable[tuple[UUID, str, bytes]]) -> dict[int, UUID]:
    """With persons in place of the streams whose first events name them."""
    persons = {id_: getattr(catalogue.decode(t, s), "person_id", None) for id_, t, s in firsts}
    return {position: persons.get(id_) or id_ for position, id_ in ids.items()}


def _key_ids(events: Sequence[Recorded] | Sequence[LoggedEvent]) -> dict[int, UUID]:
    """Position -> key, of the events that hold something sealed."""
    # One look at all of them together, since nearly always there is nothing.
    if _MARK not in _encode([event.data for event in events]):
        return {}
    return {e.position: key_id_of(e) for e in events if _MARK in _encode(e.data)}


def _hidden(events: Sequence[E], ids: dict[int, UUID], living: set[UUID]) -> list[E]:
    return [
        event
        if (id_ := ids.get(event.position)) is None
        else replace(event, data=_replaced(event.data, SEALED if id_ in living else ERASED))
        for event in events
    ]


def _replaced(value: T, instead: str) -> T:
    """A value with another text in place of the sealed ones, however deep inside of it they are."""
    new: object = value
    if is_sealed(value):
        new = instead
    elif isinstance(value, Struct):
        new = replace(value, **{n: _replaced(v, instead) for n, v in asdict(value).items()})
    elif isinstance(value, dict):
        new = {name: _replaced(inner, instead) for name, inner in value.items()}
    elif isinstance(value, list | tuple):
        new = type(value)(_replaced(inner, instead) for inner in value)
    return cast(T, new)
