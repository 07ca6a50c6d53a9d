"""What happened, in words: one function for each type of event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from domain.accounts import Credited, Debited, Held, Opened, Released, StatusChanged
from domain.events import Event
from domain.reconciliations import Made
from domain.statements import Imported
from domain.transfers import Captured, Expired, Posted, Reserved, Reversed, Voided
from projections.audit.credit_words import WORDS as CREDIT
from projections.audit.flow_words import WORDS as FLOWS
from projections.audit.people_words import WORDS as PEOPLE
from projections.audit.phrases import amount, because, figure


def describe(event: Event, currency: str) -> str:
    """The event as a clause without a subject: `debited 12.50 EUR for transfer ...; balance 87.50`.

    `currency` is that of the event's stream; without one, amounts are in minor units and say so.
    """
    return _WORDS[type(event)](event, currency)


def _left(balance: int, held: int, currency: str) -> str:
    """What the account has afterwards."""
    text = f"; balance {figure(balance, currency)}"
    return f"{text}, held {figure(held, currency)}" if held else text


def _opened(event: Opened, currency: str) -> str:
    text = f'opened "{event.name}" ({event.type}, {event.currency})'
    if event.credit_limit:
        text += f" with a credit limit of {figure(event.credit_limit, event.currency)}"
    return f"{text} for owner {event.owner_id}" if event.owner_id else text


def _status_changed(event: StatusChanged, currency: str) -> str:
    return f"status from {event.previous} to {event.status}{because(event.reason)}"


def _debited(event: Debited, currency: str) -> str:
    return (
        f"debited {amount(event.amount, currency)} for transfer {event.transfer_id} to"
        f" {event.counterparty_id}{_left(event.balance, event.held, currency)}"
    )


def _credited(event: Credited, currency: str) -> str:
    return (
        f"credited {amount(event.amount, currency)} by transfer {event.transfer_id} from"
        f" {event.counterparty_id}{_left(event.balance, event.held, currency)}"
    )


def _held(event: Held, currency: str) -> str:
    return (
        f"held {amount(event.amount, currency)} for transfer {event.transfer_id}"
        f"{_left(event.balance, event.held, currency)}"
    )


def _released(event: Released, currency: str) -> str:
    return (
        f"set {amount(event.amount, currency)} free that was held for transfer"
        f" {event.transfer_id}{_left(event.balance, event.held, currency)}"
    )


def _movement(event: Posted | Reserved) -> str:
    text = f"{amount(event.amount, event.currency)} from {event.source_id}"
    text += f" to {event.destination_id}"
    if event.requested and event.requested != event.amount:
        text += f" (asked for up to {figure(event.requested, event.currency)})"
    if event.reference:
        text += f", reference {event.reference}"
    return f'{text}, "{event.description}"' if event.description else text


def _posted(event: Posted, currency: str) -> str:
    text = f"posted {_movement(event)}"
    if event.reverses is not None:
        text += f", reversing transfer {event.reverses}"
    return text + because(event.reason)


def _reserved(event: Reserved, currency: str) -> str:
    text = f"reserved {_movement(event)}"
    if event.expires_at is not None:
        text += f", until {event.expires_at.isoformat()}"
    return text


def _captured(event: Captured, currency: str) -> str:
    text = f"posted {amount(event.amount, currency)} of what was reserved"
    if event.released:
        text += f", {figure(event.released, currency)} set free"
    return text + because(event.reason)


def _voided(event: Voided, currency: str) -> str:
    return f"voided{because(event.reason)}"


def _expired(event: Expired, currency: str) -> str:
    return "expired"


def _reversed(event: Reversed, currency: str) -> str:
    return f"{amount(event.amount, currency)} went back by transfer {event.reversal_id}"


def _imported(event: Imported, currency: str) -> str:
    return (
        f"booked statement {event.number} ({event.reference}) of {event.bank_account},"
        f" {event.opened_on} to {event.closed_on}: lines {event.lines}, opening"
        f" {figure(event.opening, event.currency)}, closing"
        f" {amount(event.closing, event.currency)}"
    )


def _reconciled(event: Made, currency: str) -> str:
    return (
        f"held statement {event.number} ({event.statement_reference}) of {event.account},"
        f" {event.opened_on} to {event.closed_on}, against {event.movements} movements: matched"
        f" {event.matched_total}, missing {event.missing_total}, unexpected"
        f" {event.unexpected_total}, mismatched {event.mismatched_total}"
    )


_WORDS: dict[type[Event], Callable[[Any, str], str]] = {
    Opened: _opened,
    StatusChanged: _status_changed,
    Debited: _debited,
    Credited: _credited,
    Held: _held,
    Released: _released,
    Posted: _posted,
    Reserved: _reserved,
    Captured: _captured,
    Voided: _voided,
    Expired: _expired,
    Reversed: _reversed,
    Imported: _imported,
    Made: _reconciled,
    **PEOPLE,
    **FLOWS,
    **CREDIT,
}
