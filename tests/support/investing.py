"""An investment in each situation that it comes into, and what its banks say then."""

from __future__ import annotations

from uuid import UUID

from application.ledger.outcomes import Command
from domain import accounts, funds, movements, transfers
from domain.accounts import Credited, Debited, Held
from domain.events import Event
from domain.funds import AllocationTaken, SeatReleased, SeatReserved
from domain.house import house_account, opening
from domain.investments import (
    BookLeg,
    Completed,
    Deposited,
    FailedEvent,
    FailLeg,
    Instructed,
    Investment,
    NeedsOperator,
    Refunded,
    Requested,
    RequestInvestment,
    Resumed,
    ReturnLeg,
    SetAside,
    SourceHeld,
    TakenBack,
    Undoing,
    Withdrawn,
)
from domain.movements import Failed, Returned, Sent, Settled, derived_id
from domain.transfers import Captured, Posted, Reserved, Reversed
from tests.support.flow_facts import Fact, outcome_of
from tests.support.flow_world import Log

OWNER, STRANGER = UUID(int=401), UUID(int=402)
INVESTOR, FUND_ACCOUNT, FUND, INVESTMENT = (UUID(int=n) for n in (411, 412, 413, 414))
CLEARING, SUSPENSE = house_account("clearing", "EUR"), house_account("suspense", "EUR")
HOLD = derived_id(INVESTMENT, "hold")
WITHDRAWAL = derived_id(INVESTMENT, "withdrawal", 0)
DEPOSIT = derived_id(INVESTMENT, "deposit", 1)
REFUND = derived_id(INVESTMENT, "refund", 2)
PAID, BACK, ASIDE, UP = (UUID(int=n) for n in (421, 422, 423, 424))
LEGS = {"withdrawal": WITHDRAWAL, "deposit": DEPOSIT, "refund": REFUND}

REQUEST = RequestInvestment(INVESTMENT, INVESTOR, FUND, 10, "EUR", OWNER)
REQUESTED = Requested(INVESTOR, FUND, FUND_ACCOUNT, "EUR", 10, OWNER)


def moved(transfer_id: UUID, source: UUID, destination: UUID) -> list[Fact]:
    """The amount was moved at once."""
    return [
        (transfer_id, Posted(source, destination, "EUR", 10)),
        (source, Debited(transfer_id, destination, 10, 0)),
        (destination, Credited(transfer_id, source, 10, 0)),
    ]


def asked(leg: str, movement_id: UUID | None = None) -> list[Fact]:
    """A bank is to move a leg."""
    movement_id = movement_id or LEGS[leg]
    direction = "in" if leg == "withdrawal" else "out"
    instructed = movements.Instructed("investment", INVESTMENT, leg, direction, "DE1", "EUR", 10)
    return [(movement_id, instructed), (INVESTMENT, Instructed(leg, movement_id))]


def said(leg: str, *what: str, movement_id: UUID | None = None) -> list[Fact]:
    """What a bank has said of a leg that it was asked for."""
    of = ("investment", INVESTMENT, leg)
    events: dict[str, Event] = {
        "sent": Sent(*of),
        "settled": Settled(*of),
        "failed": Failed(*of, reason="bank_failed"),
        "returned": Returned(*of, reason="bank_returned"),
    }
    return [(movement_id or LEGS[leg], events[word]) for word in what]


BEFORE: list[Fact] = [
    (INVESTOR, accounts.Opened("any", "investment", "EUR", OWNER)),
    (INVESTOR, Credited(UUID(int=1), UUID(int=2), 50, 50)),
    (FUND_ACCOUNT, accounts.Opened("any", "fund", "EUR")),
    (FUND, funds.Opened("Wind I", "EUR", FUND_ACCOUNT, 5, 20, 1)),
]
INITIATED = [*BEFORE, (INVESTMENT, REQUESTED), (FUND, SeatReserved(INVESTMENT, 10, 0))]
HELD: list[Fact] = [
    *INITIATED,
    (CLEARING, opening("clearing", "EUR")),
    (HOLD, Reserved(INVESTOR, CLEARING, "EUR", 10)),
    (INVESTOR, Held(HOLD, 10, 50, 10)),
    (INVESTMENT, SourceHeld(HOLD)),
    *asked("withdrawal"),
]
WITHDRAWING = [*HELD, *said("withdrawal", "sent")]
WITHDRAWN: list[Fact] = [
    *WITHDRAWING,
    *said("withdrawal", "settled"),
    (HOLD, Captured(10)),
    (INVESTOR, Debited(HOLD, CLEARING, 10, 40, 0, 10)),
    (CLEARING, Credited(HOLD, INVESTOR, 10, 10)),
    (INVESTMENT, Withdrawn(HOLD)),
    *asked("deposit"),
]
DEPOSITING = [*WITHDRAWN, *said("deposit", "sent")]
COMPLETED: list[Fact] = [
    *DEPOSITING,
    *said("deposit", "settled"),
    *moved(PAID, CLEARING, FUND_ACCOUNT),
    (INVESTMENT, Deposited(PAID)),
    (FUND, AllocationTaken(INVESTMENT, 10)),
    (INVESTMENT, Completed()),
]
REFUNDABLE: list[Fact] = [
    *DEPOSITING,
    *said("deposit", "failed"),
    (INVESTMENT, Undoing("deposit", "bank_failed")),
    *asked("refund"),
]
REFUNDING = [*REFUNDABLE, *said("refund", "sent")]
REFUNDED: list[Fact] = [
    *REFUNDING,
    *said("refund", "settled"),
    (BACK, Posted(CLEARING, INVESTOR, "EUR", 10, reverses=HOLD)),
    (HOLD, Reversed(BACK, 10)),
    (CLEARING, Debited(BACK, INVESTOR, 10, 0)),
    (INVESTOR, Credited(BACK, CLEARING, 10, 50)),
    (INVESTMENT, Refunded(BACK, REFUND)),
    (FUND, SeatReleased(INVESTMENT, 10, 1)),
    (INVESTMENT, FailedEvent("deposit", "bank_failed", "returned")),
]
FAILED: list[Fact] = [
    *WITHDRAWING,
    *said("withdrawal", "failed"),
    (HOLD, transfers.Voided("bank_failed")),
    (INVESTOR, accounts.Released(HOLD, 10, 50)),
    (FUND, SeatReleased(INVESTMENT, 10, 1)),
    (INVESTMENT, FailedEvent("withdrawal", "bank_failed", "source")),
]
SET_ASIDE: list[Fact] = [
    (SUSPENSE, opening("suspense", "EUR")),
    *moved(ASIDE, CLEARING, SUSPENSE),
    (INVESTMENT, SetAside(ASIDE)),
]
WITHDRAWAL_DOUBTED: list[Fact] = [
    *WITHDRAWING,
    (INVESTMENT, NeedsOperator("withdrawal", "bank_silent", "held")),
]
DEPOSIT_DOUBTED: list[Fact] = [
    *DEPOSITING,
    *SET_ASIDE,
    (INVESTMENT, NeedsOperator("deposit", "bank_silent", "suspense")),
]
REFUND_FAILED: list[Fact] = [
    *REFUNDING,
    *said("refund", "failed"),
    *SET_ASIDE,
    (INVESTMENT, NeedsOperator("refund", "bank_failed", "suspense")),
]

SITUATIONS: dict[str, list[Fact]] = {
    "initiated": INITIATED,
    "held": HELD,
    "withdrawing": WITHDRAWING,
    "withdrawn": WITHDRAWN,
    "depositing": DEPOSITING,
    "completed": COMPLETED,
    "refundable": REFUNDABLE,
    "refunding": REFUNDING,
    "refunded": REFUNDED,
    "failed": FAILED,
    "withdrawal doubted": WITHDRAWAL_DOUBTED,
    "deposit doubted": DEPOSIT_DOUBTED,
    "refund failed": REFUND_FAILED,
}


def there(log: Log) -> Investment:
    state = log.states[INVESTMENT]
    assert isinstance(state, Investment)
    return state


def outcome(log: Log, command: Command) -> str:
    """The investment's own events in short, or why the command is refused."""
    return outcome_of(log, command, INVESTMENT, _in_short)


def _in_short(event: Event) -> str:
    match event:
        case Instructed(leg=leg) | Resumed(leg=leg) | TakenBack(leg=leg):
            return f"{_name(event)} {leg}"
        case Undoing(step=step, reason=reason) | FailedEvent(step=step, reason=reason):
            return f"{_name(event)} {step}:{reason}"
        case NeedsOperator(step=step, reason=reason, place=place):
            return f"{_name(event)} {step}:{reason} in {place}"
    return _name(event)


def _name(event: Event) -> str:
    return event.topic.partition(".")[2]


WORD: dict[str, type] = {"settled": BookLeg, "failed": FailLeg, "returned": ReturnLeg}


def hear(log: Log, news: str, *, movement_id: UUID | None = None) -> str:
    """The bank says something, and the process passes it on. Said again, it is no news."""
    leg, _, word = news.partition(" ")
    log.append(said(leg, word, movement_id=movement_id))
    command = WORD[word](INVESTMENT, leg, *(() if word == "settled" else (f"bank_{word}",)))
    came_of_it = outcome(log, command)
    assert outcome(log, command) == "nothing_new"
    return came_of_it


def check(log: Log) -> None:
    """Money is where the investment says, the seat too, and the log tells the same story again."""
    i = there(log)
    accounts_ = {id_: s for id_, s in log.states.items() if isinstance(s, accounts.Account)}
    assert sum(a.balance for a in accounts_.values()) == 50  # from outside
    balances = {
        INVESTOR: 50 + 10 * (i.paid_back - i.paid_in),
        FUND_ACCOUNT: 10 * i.paid_fund,
        CLEARING: 10 * i.clearing,
        SUSPENSE: 10 * i.suspense,
    }
    for account_id, balance in balances.items():
        account = accounts_.get(account_id)
        assert (account.balance if account else 0) == balance
    assert accounts_[INVESTOR].held == 10 * i.is_held
    fund = log.states[FUND]
    assert isinstance(fund, funds.Fund)
    assert (fund.reserved, fund.taken) == (i.seat == "reserved", i.seat == "taken")
    assert log.replayed() == log.states
