"""Hides what is sealed in events from those who are shown them, and says what nobody can open any more."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar, cast
from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import asdict, replace
from psycopg import AsyncConnection, Connection

from domain import approvals, bank_transfers, catalogue, credit_applications, movements
from domain.asked import BankTransferAsked
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

_LATER = (*credit_applications.EVENTS, *approvals.EVENTS)
"""Of these only the first of a stream names the person."""

_IN_OWN_WORDS = (
    credit_applications.Withdrawn,
    credit_applications.Declined,
    approvals.Withdrawn,
)
"""Their reasons are whatever the person says."""

_TRACES = frozenset({"document_hint", "document_number", "bank_account_hint", "bank_account"})
"""What is shown in the clear of something sealed, as long as the person is known."""
_WORDS = frozenset({"reason", "reasons", "decision_reasons"})

_WITHDRAWN = b'"status":"withdrawn"'
"""In the JSON of a state whose reasons are the person's own words."""

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
    if person_id := _person_of(event.data):
        return person_id
    if not isinstance(event.data, Noticed):
        return event.stream_id
    # Noticed in one hour and recorded in the next, it is in the stream, and under the key, of the first.
    moment = event.recorded_at
    return key_of(moment - _HOUR if event.stream_id == stream_of(moment - _HOUR) else moment)


def _person_of(data: Event) -> UUID | None:
    """Who is named with what is sealed; of an approval else the customer who asks."""
    if isinstance(data, approvals.Requested):
        if isinstance(data.asked, BankTransferAsked):
            return data.asked.person_id
        owner_id: UUID | None = getattr(data.what, "owner_id", None)
        return owner_id
    return data.person_id if isinstance(data, _PERSONAL) else None


def hide(conn: Connection[Any], events: Sequence[Recorded]) -> Sequence[Recorded]:
    """The events with `SEALED` or `ERASED` for sealed texts; of who is erased, also for what shows a part of
    them, and for what was said in the person's own words. Asks the database only if there are any."""
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
    # A state may show a part of a document or an account, and have nothing that is sealed.
    encoded = _encode(answer)
    if _MARK not in encoded and not isinstance(event.data, _LATER):
        return answer
    ids, living = await _living(conn, [event], {event.position: key_id_of(event)})
    key_id = ids.get(event.position)
    if key_id is None:
        return answer
    if key_id in living:
        return _replaced(answer, SEALED)
    own = isinstance(event.data, _IN_OWN_WORDS) or _WITHDRAWN in encoded
    return _replaced(answer, ERASED, _TRACES | _WORDS if own else _TRACES)


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
            if e.position in ids and isinstance(e.data, _LATER) and _person_of(e.data) is None
        }
    )


def _named(ids: dict[int, UUID], firsts: Iterable[tuple[UUID, str, bytes]]) -> dict[int, UUID]:
    """With persons in place of the streams whose first events name them, and without approvals that are
    about nobody: in those nothing is sealed, and what staff say stays."""
    named = dict(ids)
    data = {id_: catalogue.decode(topic, state) for id_, topic, state in firsts}
    for position, id_ in ids.items():
        first = data.get(id_)
        person_id = None if first is None else _person_of(first)
        if person_id is not None:
            named[position] = person_id
        elif isinstance(first, approvals.Requested) and not isinstance(
            first.asked, BankTransferAsked
        ):
            del named[position]
    return named


def _key_ids(events: Sequence[Recorded] | Sequence[LoggedEvent]) -> dict[int, UUID]:
    """Position -> key, of the events that hold something sealed, or what the person said."""
    said = {
        e.position: e.stream_id
        for e in events
        if isinstance(e.data, _IN_OWN_WORDS) and e.data.reason
    }
    # One look at all of them together, since nearly always there is nothing.
    if _MARK not in _encode([event.data for event in events]):
        return said
    return said | {e.position: key_id_of(e) for e in events if _MARK in _encode(e.data)}


def _hidden(events: Sequence[E], ids: dict[int, UUID], living: set[UUID]) -> list[E]:
    return [
        event
        if (id_ := ids.get(event.position)) is None
        else replace(event, data=_known(event.data) if id_ in living else _forgotten(event.data))
        for event in events
    ]


def _known(data: Event) -> Event:
    return _replaced(data, SEALED)


def _forgotten(data: Event) -> Event:
    own = isinstance(data, _IN_OWN_WORDS)
    return _replaced(data, ERASED, _TRACES | _WORDS if own else _TRACES)


def _replaced(value: T, instead: str, names: Collection[str] = (), *, whole: bool = False) -> T:
    """A value with another text in place of the sealed ones, however deep inside of it they are, and of
    whatever there is in what has one of the `names`."""
    new: object = value

    def of_field(name: Any, inner: object) -> object:
        return _replaced(inner, instead, names, whole=whole or name in names)

    if is_sealed(value) or (whole and isinstance(value, str) and value):
        new = instead
    elif isinstance(value, Struct):
        new = replace(value, **{name: of_field(name, v) for name, v in asdict(value).items()})
    elif isinstance(value, dict):
        new = {name: of_field(name, inner) for name, inner in value.items()}
    elif isinstance(value, list | tuple):
        new = type(value)(_replaced(inner, instead, names, whole=whole) for inner in value)
    return cast(T, new)
