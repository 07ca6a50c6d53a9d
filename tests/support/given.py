"""Given-when-then for decisions: aggregates come from their events, never from commands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from domain import accounts, transfers
from domain.accounts import Account, Credited, Held, Opened, StatusChanged
from domain.events import Event
from domain.refusals import Refusal
from domain.transfers import Transfer

HOUSE, ALICE, BOB = UUID(int=1), UUID(int=2), UUID(int=3)
TRANSFER, REVERSAL, EARLIER = UUID(int=101), UUID(int=102), UUID(int=103)
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
AN_HOUR = timedelta(hours=1)


def account(
    id_: UUID,
    *then: Event,
    type: str = "checking",
    currency: str = "EUR",
    credit_limit: int = 0,
    balance: int = 0,
    held: int = 0,
    status: str = "active",
) -> Account:
    """An account with such a history: opened, funded, part of it held, its status changed, `then`."""
    history: list[Event] = [
        Opened(name="any", type=type, currency=currency, credit_limit=credit_limit)
    ]
    if balance:
        history.append(Credited(EARLIER, HOUSE, balance, balance))
    if held:
        history.append(Held(EARLIER, held, balance, held))
    if status != "active":
        history.append(StatusChanged(status, "active"))
    state: Account | None = None
    for event in [*history, *then]:
        state = accounts.evolve(state, event, id_)
    assert state is not None
    return state


def transfer(*history: Event, id_: UUID = TRANSFER) -> Transfer:
    """A transfer with this history."""
    state: Transfer | None = None
    for event in history:
        state = transfers.evolve(state, event, id_)
    assert state is not None
    return state


@contextmanager
def refused(reason: str, **details: object) -> Iterator[None]:
    """The block's decision says no, for this reason and with at least these details."""
    with pytest.raises(Refusal) as caught:
        yield
    assert caught.value.reason == reason
    assert details.items() <= caught.value.details.items()
