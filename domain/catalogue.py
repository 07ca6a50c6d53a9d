"""Every event that may be stored, by stored name: the allow-list of readers and the place of upcasters.

Registered by value: an event that is missing here can be neither written nor read.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import msgspec

from domain import (
    accounts,
    approvals,
    bank_transfers,
    credit_applicants,
    credit_applications,
    fraud_alarms,
    funds,
    investments,
    loans,
    movements,
    reconciliations,
    security,
    statements,
    transfers,
    users,
)
from domain.accounts import Account
from domain.approvals import Approval
from domain.bank_transfers import BankTransfer
from domain.credit_applicants import CreditApplicant
from domain.credit_applications import CreditApplication
from domain.events import Event
from domain.fraud_alarms import FraudAlarm
from domain.funds import Fund
from domain.investments import Investment
from domain.loans import Loan
from domain.movements import Movement
from domain.reconciliations import Reconciliation
from domain.security import SecurityLog
from domain.statements import Statement
from domain.transfers import Transfer
from domain.users import User

AggregateState = (
    Account
    | Transfer
    | Statement
    | User
    | Approval
    | SecurityLog
    | Fund
    | Investment
    | BankTransfer
    | Movement
    | Reconciliation
    | CreditApplication
    | CreditApplicant
    | Loan
    | FraudAlarm
)

AGGREGATES: dict[str, tuple[tuple[type[Event], ...], Callable[..., AggregateState]]] = {
    "account": (accounts.EVENTS, accounts.evolve),
    "transfer": (transfers.EVENTS, transfers.evolve),
    "statement": (statements.EVENTS, statements.evolve),
    "user": (users.EVENTS, users.evolve),
    "approval": (approvals.EVENTS, approvals.evolve),
    "security": (security.EVENTS, security.evolve),
    "fund": (funds.EVENTS, funds.evolve),
    "investment": (investments.EVENTS, investments.evolve),
    "bank_transfer": (bank_transfers.EVENTS, bank_transfers.evolve),
    "movement": (movements.EVENTS, movements.evolve),
    "reconciliation": (reconciliations.EVENTS, reconciliations.evolve),
    "credit_application": (credit_applications.EVENTS, credit_applications.evolve),
    "credit_applicant": (credit_applicants.EVENTS, credit_applicants.evolve),
    "loan": (loans.EVENTS, loans.evolve),
    "fraud_alarm": (fraud_alarms.EVENTS, fraud_alarms.evolve),
}

EVENT_TYPES: dict[str, type[Event]] = {
    event.topic: event for events, _ in AGGREGATES.values() for event in events
}

_EVOLVERS = {event.topic: evolver for events, evolver in AGGREGATES.values() for event in events}

Upcaster = Callable[[bytes], tuple[str, bytes]]
"""Turns the stored bytes of an old shape into a newer topic and its bytes."""

UPCASTERS: dict[str, Upcaster] = {}
"""Old stored name -> upcaster. A changed meaning is a new name (`account.opened.v2`): the old name
leaves its aggregate's EVENTS and comes here. Upcasters may chain."""


class UnknownEventError(Exception):
    """A stored event has a name that this version does not know.

    Written by a newer version, or tampered with. Deploy the version that wrote it; a reader never
    skips an event that it can't read.
    """

    def __init__(self, topic: str) -> None:
        super().__init__(
            f"event type {topic!r} is not in the catalogue: deploy the version that wrote it"
        )
        self.topic = topic


_DECODERS: dict[str, Callable[[bytes], Event]] = {
    topic: msgspec.json.Decoder(type_).decode for topic, type_ in EVENT_TYPES.items()
}

_encode = msgspec.json.Encoder().encode


def encode(event: Event) -> bytes:
    """The bytes that are stored and hashed."""
    return _encode(event)


def decode(topic: str, state: bytes) -> Event:
    """The event behind stored bytes. Raises `UnknownEventError`; never skips, never guesses."""
    try:
        return _DECODERS[topic](state)
    except KeyError:
        upcaster = UPCASTERS.get(topic)
        if upcaster is None:
            raise UnknownEventError(topic) from None
    return decode(*upcaster(state))


def evolve(state: AggregateState | None, event: Event, stream_id: UUID) -> AggregateState:
    """The aggregate after one more event, whatever its kind."""
    return _EVOLVERS[event.topic](state, event, stream_id)
