"""A deposit and a withdrawal in each situation that they come into, and what the bank says then."""

from __future__ import annotations

from uuid import UUID

from application.ledger.outcomes import Command
from domain import accounts, movements, transfers
from domain.accounts import Credited, Debited, Held
from domain.bank_transfers import (
    BankTransfer,
    BookBankTransfer,
    Booked,
    Completed,
    FailBankTransfer,
    FailedEvent,
    Instructed,
    NeedsOperator,
    RequestBankTransfer,
    Requested,
    ReturnBankTransfer,
    ReturnedEvent,
    SourceHeld,
    TakenBack,
)
from domain.events import Event
from domain.house import house_account, opening
from domain.movements import Failed, Returned, Sent, Settled, derived_id
from domain.transfers import Captured, Posted, Reserved, Reversed
from tests.support.flow_facts import Fact, outcome_of
from tests.support.flow_world import Log

OWNER, STRANGER, PERSON = (UUID(int=n) for n in (501, 502, 503))
CUSTOMER, TRANSFER = UUID(int=511), UUID(int=512)
CASH, CLEARING, SUSPENSE = (house_account(t, "EUR") for t in ("cash", "clearing", "suspense"))
HOLD, MOVEMENT = derived_id(TRANSFER, "hold"), derived_id(TRANSFER, "movement")
FIRST, SECOND, THIRD, FOURTH = (UUID(int=n) for n in (521, 522, 523, 524))

ASKED = {
    kind: RequestBankTransfer(
        TRANSFER, kind, CUSTOMER, "EUR", 10, "sealed:1:AA", "*3000", PERSON, "rent", OWNER
    )
    for kind in ("deposit", "withdrawal")
}


def entries(transfer_id: UUID, source: UUID, destination: UUID, *, released: int = 0) -> list[Fact]:
    return [
        (source, Debited(transfer_id, destination, 10, 0, released=released)),
        (destination, Credited(transfer_id, source, 10, 0)),
    ]


def moved(transfer_id: UUID, source: UUID, destination: UUID) -> list[Fact]:
    posted = Posted(source, destination, "EUR", 10)
    return [(transfer_id, posted), *entries(transfer_id, source, destination)]


def back(reversal_id: UUID, of: UUID, source: UUID, destination: UUID) -> list[Fact]:
    return [
        (reversal_id, Posted(source, destination, "EUR", 10, reverses=of)),
        (of, Reversed(reversal_id, 10)),
        *entries(reversal_id, source, destination),
    ]


def requested(kind: str) -> list[Fact]:
    leg, direction = ("collection", "in") if kind == "deposit" else ("payout", "out")
    held: list[Fact] = [
        (CLEARING, opening("clearing", "EUR")),
        (HOLD, Reserved(CUSTOMER, CLEARING, "EUR", 10)),
        (CUSTOMER, Held(HOLD, 10, 50, 10)),
        (TRANSFER, SourceHeld(HOLD)),
    ]
    return [
        *BEFORE,
        (TRANSFER, Requested(
            kind, CUSTOMER, "EUR", 10, "sealed:1:AA", "*3000", PERSON, OWNER, "rent"
        )),
        *(held if kind == "withdrawal" else []),
        (MOVEMENT, movements.Instructed(
            kind, TRANSFER, leg, direction, "sealed:1:AA", "EUR", 10, PERSON
        )),
        (TRANSFER, Instructed(MOVEMENT)),
    ]  # fmt: skip


def said(kind: str, *what: str) -> list[Fact]:
    """What the bank has said."""
    of = (kind, TRANSFER, "collection" if kind == "deposit" else "payout")
    events: dict[str, Event] = {
        "sent": Sent(*of),
        "settled": Settled(*of),
        "failed": Failed(*of, reason="bank_failed"),
        "returned": Returned(*of, reason="bank_returned"),
    }
    return [(MOVEMENT, events[word]) for word in what]


BEFORE: list[Fact] = [
    (CUSTOMER, accounts.Opened("any", "checking", "EUR", OWNER)),
    (CUSTOMER, Credited(UUID(int=1), UUID(int=2), 50, 50)),
    (CASH, opening("cash", "EUR")),
]
VOIDED: list[Fact] = [
    (HOLD, transfers.Voided("bank_failed")),
    (CUSTOMER, accounts.Released(HOLD, 10, 50)),
]
BOOKED: dict[str, list[Fact]] = {
    "deposit": [
        (CLEARING, opening("clearing", "EUR")),
        *moved(FIRST, CASH, CLEARING),
        (TRANSFER, Booked("bank", FIRST)),
        *moved(SECOND, CLEARING, CUSTOMER),
        (TRANSFER, Booked("customer", SECOND)),
        (TRANSFER, Completed(SECOND, FIRST)),
    ],
    "withdrawal": [
        (HOLD, Captured(10)),
        *entries(HOLD, CUSTOMER, CLEARING, released=10),
        (TRANSFER, Booked("customer", HOLD)),
        *moved(SECOND, CLEARING, CASH),
        (TRANSFER, Booked("bank", SECOND)),
        (TRANSFER, Completed(SECOND, HOLD)),
    ],
}
BACK: dict[str, list[Fact]] = {
    "deposit": [
        *back(THIRD, SECOND, CUSTOMER, CLEARING),
        (TRANSFER, TakenBack("customer", THIRD)),
        *back(FOURTH, FIRST, CLEARING, CASH),
        (TRANSFER, TakenBack("bank", FOURTH)),
        (TRANSFER, ReturnedEvent("bank_returned", FOURTH)),
    ],
    "withdrawal": [
        *back(THIRD, SECOND, CASH, CLEARING),
        (TRANSFER, TakenBack("bank", THIRD)),
        *back(FOURTH, HOLD, CLEARING, CUSTOMER),
        (TRANSFER, TakenBack("customer", FOURTH)),
        (TRANSFER, ReturnedEvent("bank_returned", FOURTH)),
    ],
}


def situations(kind: str) -> dict[str, list[Fact]]:
    new = requested(kind)
    sent = [*new, *said(kind, "sent")]
    completed = [*sent, *said(kind, "settled"), *BOOKED[kind]]
    freed = VOIDED if kind == "withdrawal" else []
    doubted: Fact = (
        TRANSFER,
        NeedsOperator(kind, "bank_silent", "held" if kind == "withdrawal" else "outside"),
    )
    return {
        "new": new,
        "sent": sent,
        "completed": completed,
        "returned": [*completed, *said(kind, "returned"), *BACK[kind]],
        "failed": [
            *sent, *said(kind, "failed"), *freed, (TRANSFER, FailedEvent(kind, "bank_failed")),
        ],
        "doubted": [*sent, doubted],
        "doubted before": [*new, doubted],
    }  # fmt: skip


SITUATIONS = {kind: situations(kind) for kind in ASKED}
KINDS = [*ASKED]
NAMES = [*SITUATIONS["deposit"]]


def there(log: Log) -> BankTransfer:
    state = log.states[TRANSFER]
    assert isinstance(state, BankTransfer)
    return state


def outcome(log: Log, command: Command) -> str:
    """The bank transfer's own events in short, or why the command is refused."""
    return outcome_of(log, command, TRANSFER, _in_short)


def _in_short(event: Event) -> str:
    name = event.topic.partition(".")[2]
    match event:
        case Booked(side=side) | TakenBack(side=side):
            return f"{name} {side}"
        case FailedEvent(step=step, reason=reason):
            return f"{name} {step}:{reason}"
        case ReturnedEvent(reason=reason):
            return f"{name} {reason}"
        case NeedsOperator(step=step, reason=reason, place=place):
            return f"{name} {step}:{reason} in {place}"
    return name


def check(log: Log) -> None:
    """The bank's side is always booked, the clearing account is zero, and the log tells the same again."""
    t = there(log)
    movement = log.states[MOVEMENT]
    assert isinstance(movement, movements.Movement)
    into = 1 if t.requested.kind == "deposit" else -1
    expected = {
        CUSTOMER: 50 + (10 * into if t.customer_id else 0),
        CASH: -10 * into if movement.status == "completed" else 0,
        CLEARING: 0,
        SUSPENSE: 10 * t.suspense,
    }
    for account_id, balance in expected.items():
        account = log.states.get(account_id)
        assert (account.balance if isinstance(account, accounts.Account) else 0) == balance
    customer = log.states[CUSTOMER]
    assert isinstance(customer, accounts.Account)
    assert customer.held == 10 * t.is_held
    assert log.replayed() == log.states


WORD: dict[str, Command] = {
    "settled": BookBankTransfer(TRANSFER),
    "failed": FailBankTransfer(TRANSFER, "bank_failed"),
    "returned": ReturnBankTransfer(TRANSFER, "bank_returned"),
}


def hear(log: Log, word: str) -> str:
    """The bank says something, and the process passes it on. Said again, it is no news."""
    log.append(said(there(log).requested.kind, word))
    came_of_it = outcome(log, WORD[word])
    assert outcome(log, WORD[word]) == "nothing_new"
    return came_of_it
