"""What a person is told of while it happens: balances, and payments with what becomes of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from fastapi import Request
from fastapi.sse import ServerSentEvent
from psycopg import AsyncConnection

from api.following import LOOK_UP_S, goes_on, told, until
from api.state import State
from domain import accounts, catalogue
from domain.bank_transfers import BankTransfer
from domain.investments import Investment
from domain.money import format_amount
from domain.transfers import Transfer
from projections import log
from projections.balances.queries import accounts_of
from projections.flows.queries import flows_since, state_of
from projections.log import LoggedEvent

Json = dict[str, Any]

_AT_ONCE = 500
_MOST = 10_000
"""More events than any payment has."""
SHOWN_IN = ("balances", "transfers", "flows")
"""The read models that show what is told here."""
_READ_MODELS = ("balances", "flows")
"""They know what is whose."""

_Balances = accounts.Debited | accounts.Credited | accounts.Held | accounts.Released
_Paid = Transfer | Investment | BankTransfer
_PAYMENTS = ("transfer", "investment", "bank_transfer")


class _Notice(NamedTuple):
    name: str
    data: Json


async def all_notices(
    request: Request, state: State, position: int
) -> AsyncIterator[ServerSentEvent]:
    """Everybody's, after a position of the log."""
    while goes_on(request, state):
        async with state.pool.connection() as conn:
            found = await log.read_events(conn, position, _AT_ONCE)
            notices = await _notices(conn, found.events)
        for at, notice in notices:
            yield told(notice.name, notice.data, at)
        position = found.read_to
        if position >= found.head:
            moved = partial(state.freshness.log_moved, position, LOOK_UP_S)
            async for comment in until(request, state, moved):
                yield comment


async def own_notices(
    request: Request, state: State, owner_id: UUID, position: int
) -> AsyncIterator[ServerSentEvent]:
    """A person's own, after a position of the log. Nothing is read while nothing happens."""
    own = _Own(state, owner_id, position)
    while goes_on(request, state):
        async for comment in until(request, state, own.knows_whose):
            yield comment
        if not goes_on(request, state):
            return
        for at, notice in await own.read():
            yield told(notice.name, notice.data, at)
        async for comment in until(request, state, own.has_more):
            yield comment


class _Own:
    """One person's part of the log, read from a position on."""

    def __init__(self, state: State, owner_id: UUID, position: int) -> None:
        self._state = state
        self._owner_id = owner_id
        self._position = position
        self._to = max(position, state.freshness.head)
        self._interest: Collection[UUID] = ()

    async def knows_whose(self) -> bool:
        """Wait until the read models know what is the person's up to where the log is to be read."""
        for name in _READ_MODELS:
            if not await self._state.freshness.wait_for(name, self._to, LOOK_UP_S):
                return False
        return True

    async def read(self) -> list[tuple[int, _Notice]]:
        """What there is to tell up to there, or a part of it."""
        async with self._state.pool.connection() as conn:
            own = await accounts_of(conn, self._owner_id)
            flows = await flows_since(conn, self._owner_id, self._position)
            after, streams = self._position, [*own, *flows]
            page = await log.events_of(conn, streams, after, self._to, _AT_ONCE)
            paid = {
                event.data.transfer_id for event in page.events if isinstance(event.data, _Balances)
            }
            more = await log.events_of(conn, paid, after, page.read_to, _AT_ONCE)
            events = sorted([*page.events, *more.events], key=lambda event: event.position)
            notices = await _notices(conn, events)
        self._interest = [self._owner_id, *streams]
        self._position = page.read_to
        return notices

    async def has_more(self) -> bool:
        """Wait until there is something of the person's that was not read yet."""
        if self._position < self._to:
            return True
        seen = await self._state.watch.look(self._interest, self._position, LOOK_UP_S)
        if seen.last is None:
            self._position = self._to = seen.to
            return False
        self._to = seen.to
        return True


async def _notices(
    conn: AsyncConnection[Any], events: Sequence[LoggedEvent]
) -> list[tuple[int, _Notice]]:
    """What is told of events, with their positions."""
    changed = {event.stream_id for event in events if isinstance(event.data, _Balances)}
    opened = await log.first_events(conn, changed) if changed else {}
    paid = {event.stream_id for event in events if _aggregate(event) in _PAYMENTS}
    states = await _states(conn, paid, events[-1].position) if paid else {}
    found: list[tuple[int, _Notice]] = []
    for event in events:
        if event.stream_id in paid:
            payment = _payment(event, states)
            if payment is not None:
                found.append((event.position, payment))
        elif isinstance(event.data, _Balances):
            account = opened[event.stream_id]
            assert isinstance(account, accounts.Opened), "what an account begins with"
            notice = _Notice("balance_changed", _balance(event, event.data, account))
            found.append((event.position, notice))
    return found


async def _states(
    conn: AsyncConnection[Any], stream_ids: Collection[UUID], to: int
) -> dict[tuple[UUID, int], _Paid]:
    """Payments as each of their versions left them, up to a position: their streams are short."""
    states: dict[tuple[UUID, int], _Paid] = {}
    for event in (await log.events_of(conn, stream_ids, 0, to, _MOST)).events:
        id_, version = event.stream_id, event.version
        state = catalogue.evolve(states.get((id_, version - 1)), event.data, id_)
        assert isinstance(state, _Paid), "what the streams of payments are"
        states[id_, version] = state
    return states


def _aggregate(event: LoggedEvent) -> str:
    return event.data.topic.partition(".")[0]


def _balance(event: LoggedEvent, data: _Balances, opened: accounts.Opened) -> Json:
    currency = opened.currency
    available = None
    if opened.type not in accounts.INTERNAL_TYPES:
        free = data.balance + opened.credit_limit - data.held
        available = format_amount(free, currency)
    return {
        "account_id": event.stream_id,
        "currency": currency,
        "balance": format_amount(data.balance, currency),
        "held": format_amount(data.held, currency),
        "available": available,
        "transfer_id": data.transfer_id,
        "version": event.version,
        "at": event.recorded_at,
    }


def _payment(event: LoggedEvent, states: Mapping[tuple[UUID, int], _Paid]) -> _Notice | None:
    """A payment that an event made, or whose status it changed."""
    state = states[event.stream_id, event.version]
    before = states.get((event.stream_id, event.version - 1))
    if before is not None and before.status == state.status:
        return None
    kind, amount, currency = _what(state)
    body = {
        "id": state.id,
        "kind": kind,
        "status": state.status,
        "state": state_of(kind, state.status),
        "amount": format_amount(amount, currency),
        "currency": currency,
        "version": event.version,
        "at": event.recorded_at,
    }
    return _Notice("payment_created" if before is None else "payment_status_changed", body)


def _what(state: _Paid) -> tuple[str, int, str]:
    """Kind, amount in minor units, and currency."""
    if isinstance(state, Transfer):
        return "transfer", state.amount, state.request.currency
    asked = state.requested
    kind = "investment" if isinstance(state, Investment) else state.requested.kind
    return kind, asked.amount, asked.currency
