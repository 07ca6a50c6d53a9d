"""Fraud alarm: what somebody who watches for fraud says of an account, or of what moves its money.

A grave one stops things: what it is about is called off if the bank has not been asked for it yet, and the
account is frozen, so that what is held there goes nowhere and what else waits is not sent. Whatever cannot
be stopped is told, and the alarm is kept: nobody is to lose one because something else was done before.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar, Literal, get_args
from uuid import UUID, uuid5

from msgspec import Struct

from domain import accounts, bank_transfers, investments
from domain.accounts import Account, ChangeAccountStatus, StatusChanged
from domain.bank_transfers import BankTransfer, CancelBankTransfer
from domain.events import Event
from domain.house import check_status_may_change
from domain.investments import CancelInvestment, Investment
from domain.refusals import Refusal
from domain.sheets import Lookup
from domain.transfers import Decided, Transfer

Severity = Literal["low", "medium", "high", "critical"]
SubjectKind = Literal["account", "deposit", "withdrawal", "investment", "transfer"]

SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""From the least on."""
SUBJECTS: tuple[SubjectKind, ...] = get_args(SubjectKind)

_NAMESPACE = UUID("da4b0000-0000-4000-8000-00000000f4a0")


# Events. Stored for ever: add a field with a default, or a new event; never edit one.
class Raised(Event, frozen=True):
    """Somebody has raised an alarm, under an id of his own. `account_id` is whose money it is about, and
    `owner_id` whose account; `told_at` is when the other noticed it. `is_called_off`: its subject was, and
    `is_frozen`: the account was, by this alarm; else `left` says why not, empty for one that was to stop
    nothing."""

    topic: ClassVar[str] = "fraud_alarm.raised"
    alert_id: str
    severity: str
    subject_kind: str
    subject_id: UUID
    account_id: UUID
    told_at: datetime
    reason: str = ""
    owner_id: UUID | None = None
    is_called_off: bool = False
    is_frozen: bool = False
    left: str = ""


EVENTS: tuple[type[Event], ...] = (Raised,)


# State.
class FraudAlarm(Struct, frozen=True):
    id: UUID
    version: int
    raised: Raised


def evolve(alarm: FraudAlarm | None, event: Event, stream_id: UUID) -> FraudAlarm:
    """The alarm after its one event."""
    assert isinstance(event, Raised), event
    return FraudAlarm(stream_id, 1, event)


# Commands.
class RaiseFraudAlarm(Struct, frozen=True):
    """Keep an alarm; with `stops` also stop what it is about."""

    alert_id: str
    severity: str
    subject_kind: str
    subject_id: UUID
    told_at: datetime
    reason: str = ""
    stops: bool = False

    @property
    def alarm_id(self) -> UUID:
        """The alarm's stream: there is one for each id of the other's."""
        return uuid5(_NAMESPACE, self.alert_id)


Command = RaiseFraudAlarm


# Decisions.
def needs(command: RaiseFraudAlarm, lookup: Lookup) -> Iterator[UUID]:
    """The streams that must be known to decide."""
    yield command.alarm_id
    yield command.subject_id
    match lookup(command.subject_id):
        case BankTransfer(id=id_):
            yield from bank_transfers.needs(CancelBankTransfer(id_), lookup)
        case Investment(id=id_):
            yield from investments.needs(CancelInvestment(id_), lookup)
        case Transfer(request=request):
            yield request.source_id
            yield request.destination_id


def raise_alarm(
    there: FraudAlarm | None, command: RaiseFraudAlarm, lookup: Lookup, now: datetime
) -> Decided:
    """Refuses: `nothing_new` of an alarm that is there, `id_reused` of one that says something else, and
    `account_not_found`, `bank_transfer_not_found`, `investment_not_found`, `transfer_not_found`."""
    if there is not None:
        if _is_same(there.raised, command):
            raise Refusal("nothing_new", alarm_id=there.id)
        raise Refusal("id_reused", id=command.alert_id)
    account = _account_of(command, lookup)
    called_off: Decided = ()
    frozen, left = None, ""
    if command.stops:
        called_off = _call_off(command, lookup, now)
        frozen, left = _freeze(account, command)
    raised = Raised(
        command.alert_id, command.severity, command.subject_kind, command.subject_id, account.id,
        command.told_at, command.reason, account.owner_id, bool(called_off), frozen is not None, left,
    )  # fmt: skip
    stopped = () if frozen is None else ((account.id, frozen),)
    return ((command.alarm_id, raised), *called_off, *stopped)


def _is_same(raised: Raised, command: RaiseFraudAlarm) -> bool:
    return (
        raised.severity, raised.subject_kind, raised.subject_id, raised.told_at, raised.reason,
    ) == (
        command.severity, command.subject_kind, command.subject_id, command.told_at, command.reason,
    )  # fmt: skip


def _account_of(command: RaiseFraudAlarm, lookup: Lookup) -> Account:
    """Whose money it is about: of a transfer that of the payer, or of the payee where the house pays."""
    there, kind = lookup(command.subject_id), command.subject_kind
    account: object = None
    match there:
        case Account() if kind == "account":
            account = there
        case BankTransfer(requested=asked) if kind == asked.kind:
            account = lookup(asked.account_id)
        case Investment(requested=invested) if kind == "investment":
            account = lookup(invested.investor_account_id)
        case Transfer(request=request) if kind == "transfer":
            both = (lookup(request.source_id), lookup(request.destination_id))
            account = next(filter(_is_a_customers, both), both[0])
    if not isinstance(account, Account):
        missing = "bank_transfer" if kind in ("deposit", "withdrawal") else kind
        raise Refusal(f"{missing}_not_found", **{f"{missing}_id": command.subject_id})
    return account


def _is_a_customers(account: object) -> bool:
    return isinstance(account, Account) and account.has_floor and not _is_kept_open(account)


def _is_kept_open(account: Account) -> bool:
    """Whether others depend on an account's money moving: the house's, and a loan's."""
    try:
        check_status_may_change(account)
    except Refusal:
        return True
    return not account.has_floor


def _call_off(command: RaiseFraudAlarm, lookup: Lookup, now: datetime) -> Decided:
    """Nothing when there is nothing that the bank has not been asked for."""
    id_ = command.subject_id
    try:
        if command.subject_kind in ("deposit", "withdrawal"):
            return bank_transfers.decide(CancelBankTransfer(id_), lookup, now)
        if command.subject_kind == "investment":
            return investments.decide(CancelInvestment(id_), lookup, now)
    except Refusal:
        pass  # it is sent, or over: the account is frozen all the same
    return ()


def _freeze(account: Account, command: RaiseFraudAlarm) -> tuple[StatusChanged | None, str]:
    """What freezes the account, or why nothing does. One that is not active lets no money out as it is."""
    if _is_kept_open(account):
        return None, "reserved_account"
    if account.status != "active":
        return None, f"account_{account.status}"
    why = f"fraud alarm {command.alert_id}"
    change = ChangeAccountStatus(account.id, "frozen", f"{why}: {command.reason}".rstrip(": "))
    return accounts.change_status(account, change), ""
