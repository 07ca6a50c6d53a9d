"""Alarms of fraud: a grave one calls off what is not sent and freezes the account, others are kept."""

from __future__ import annotations

from itertools import product
from uuid import UUID

import pytest
from msgspec.structs import replace

from domain.accounts import Account, ChangeAccountStatus, OpenAccount, StatusChanged
from domain.bank_transfers import BankTransfer, RequestBankTransfer
from domain.fraud_alarms import SUBJECTS, FraudAlarm, Raised, RaiseFraudAlarm
from domain.funds import OpenFund
from domain.house import house_account
from domain.investments import HoldSource, Investment, RequestInvestment
from domain.movements import SendMovement, derived_id
from domain.refusals import Refusal
from domain.transfers import PostPending, PostTransfer, VoidPending
from tests.support.flow_world import Log
from tests.support.given import NOW

OWNER, ACCOUNT, OTHER, FUND_ACCOUNT, FUND = (UUID(int=n) for n in range(901, 906))
IDS: dict[str, UUID] = {kind: UUID(int=911 + n) for n, kind in enumerate(SUBJECTS)}
IDS["account"] = ACCOUNT
CASH = house_account("cash", "EUR")
STATES = ("unsent", "sent")


def world() -> Log:
    """A customer's account with 100.00, another's, and a fund."""
    log = Log()
    for command in (
        OpenAccount(CASH, "Bank EUR", "cash", "EUR"),
        OpenAccount(ACCOUNT, "mine", "checking", "EUR", OWNER),
        OpenAccount(OTHER, "another's", "checking", "EUR"),
        OpenAccount(FUND_ACCOUNT, "the fund's", "fund", "EUR"),
        OpenFund(FUND, "Forests", "EUR", FUND_ACCOUNT, 1_00, 50_00, 9),
        PostTransfer(UUID(int=921), CASH, ACCOUNT, 100_00, "EUR"),
    ):
        log.submit(command)
    return log


def begin(log: Log, kind: str, state: str = "unsent") -> None:
    """What an alarm may be about has begun, and with "sent" the bank was asked for it."""
    id_ = IDS[kind]
    movement_id = derived_id(id_, "movement")
    match kind:
        case "deposit" | "withdrawal":
            log.submit(RequestBankTransfer(id_, kind, ACCOUNT, "EUR", 10_00, "sealed:1:AA"))
        case "investment":
            log.submit(RequestInvestment(id_, ACCOUNT, FUND, 10_00, "EUR"))
            log.submit(HoldSource(id_))
            movement_id = derived_id(id_, "withdrawal", 0)
        case "transfer":
            log.submit(PostTransfer(id_, ACCOUNT, OTHER, 10_00, "EUR", pending=True))
    if state == "sent" and kind in ("deposit", "withdrawal", "investment"):
        log.submit(SendMovement(movement_id))


def alarm(kind: str, *, stops: bool = True, severity: str = "high") -> RaiseFraudAlarm:
    return RaiseFraudAlarm("F-1", severity, kind, IDS[kind], NOW, "a new payee", stops)


def raised(log: Log, command: RaiseFraudAlarm) -> Raised:
    log.submit(command)
    assert log.replayed() == log.states
    found = log.states[command.alarm_id]
    assert isinstance(found, FraudAlarm)
    return found.raised


def account(log: Log, id_: UUID = ACCOUNT) -> Account:
    found = log.states[id_]
    assert isinstance(found, Account)
    return found


@pytest.mark.parametrize(("kind", "state"), list(product(SUBJECTS, STATES)))
def test_a_grave_alarm_calls_off_what_is_not_sent_and_freezes_the_account(
    kind: str, state: str
) -> None:
    log = world()
    begin(log, kind, state)
    told = raised(log, alarm(kind))
    is_flow = kind in ("deposit", "withdrawal", "investment")
    assert (told.account_id, told.owner_id) == (ACCOUNT, OWNER)
    assert (told.is_called_off, told.is_frozen) == (is_flow and state == "unsent", True)
    assert told.left == ""
    assert account(log).status == "frozen"
    assert account(log, OTHER).status == account(log, FUND_ACCOUNT).status == "active"
    flow = log.states[IDS[kind]]
    if isinstance(flow, BankTransfer | Investment):
        assert (flow.status == "failed") == (state == "unsent")
    is_held = kind == "transfer" or (kind in ("withdrawal", "investment") and state == "sent")
    assert account(log).held == (10_00 if is_held else 0)
    changes = [event.data for event in log.events if isinstance(event.data, StatusChanged)]
    assert changes == [StatusChanged("frozen", "active", "fraud alarm F-1: a new payee")]
    again = log.events[:]
    with pytest.raises(Refusal, match="nothing_new"):
        log.submit(alarm(kind))
    assert log.events == again


@pytest.mark.parametrize("kind", SUBJECTS)
def test_a_lesser_alarm_is_kept_and_changes_nothing(kind: str) -> None:
    log = world()
    begin(log, kind)
    before = dict(log.states)
    told = raised(log, alarm(kind, stops=False, severity="low"))
    assert (told.is_called_off, told.is_frozen, told.left) == (False, False, "")
    del log.states[alarm(kind).alarm_id]
    assert log.states == before


def test_what_is_held_by_a_frozen_account_goes_nowhere_and_may_be_given_up() -> None:
    log = world()
    begin(log, "transfer")
    raised(log, alarm("transfer"))
    with pytest.raises(Refusal, match="account_frozen"):
        log.submit(PostPending(IDS["transfer"]))
    log.submit(VoidPending(IDS["transfer"]))
    assert account(log).held == 0


@pytest.mark.parametrize("status", ["inactive", "frozen", "suspended"])
def test_an_account_that_is_not_active_is_left_and_the_alarm_says_so(status: str) -> None:
    log = world()
    log.submit(ChangeAccountStatus(ACCOUNT, status))
    told = raised(log, alarm("account"))
    assert (told.is_frozen, told.left) == (False, f"account_{status}")
    assert account(log).status == status


def test_the_houses_accounts_are_never_frozen() -> None:
    log = world()
    told = raised(log, replace(alarm("account"), subject_id=CASH))
    assert (told.account_id, told.left) == (CASH, "reserved_account")
    paid_in = replace(alarm("transfer"), alert_id="F-2", subject_id=UUID(int=921))
    told = raised(log, paid_in)
    assert (told.account_id, told.is_frozen) == (ACCOUNT, True), "it is who was paid"
    assert account(log, CASH).status == "active"


@pytest.mark.parametrize(
    "changes",
    [
        {"severity": "critical"},
        {"subject_kind": "account", "subject_id": OTHER},
        {"reason": "another"},
    ],
)
def test_another_alarm_by_the_same_id_is_refused(changes: dict[str, object]) -> None:
    log = world()
    begin(log, "withdrawal")
    raised(log, alarm("withdrawal"))
    with pytest.raises(Refusal, match="id_reused"):
        log.submit(replace(alarm("withdrawal"), **changes))
    assert account(log, OTHER).status == "active"


@pytest.mark.parametrize("kind", SUBJECTS)
def test_what_is_not_there_under_that_name_is_not_found(kind: str) -> None:
    log = world()
    others = [other for other in SUBJECTS if other != kind]
    for other in others:
        begin(log, other)
    missing = "bank_transfer" if kind in ("deposit", "withdrawal") else kind
    for subject_id in (*(IDS[other] for other in others), UUID(int=999)):
        with pytest.raises(Refusal, match=f"{missing}_not_found"):
            log.submit(replace(alarm(kind), subject_id=subject_id))
