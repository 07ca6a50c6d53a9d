"""Account: holds money of one currency and says no before it goes below its floor.

Sign convention: an account's balance is its credits minus its debits, in minor units. What it may
spend (`available`) is its balance and credit limit less what is held for pending transfers.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal, get_args
from uuid import UUID

from msgspec import Struct

from domain.events import Event
from domain.money import MAX_BALANCE_MINOR, exponent_of
from domain.refusals import Refusal
from domain.versions import Expected, check_version

AccountType = Literal[
    "checking", "savings", "credit", "investment", "merchant", "loan", "fund",
    "clearing", "fee", "suspense", "cash", "lending", "loans", "interest",
]  # fmt: skip
AccountStatus = Literal["active", "inactive", "frozen", "suspended", "closed"]

TYPES: tuple[str, ...] = get_args(AccountType)

INTERNAL_TYPES = frozenset({"clearing", "fee", "suspense", "cash", "loans", "interest"})
"""The house's own accounts: no floor, since the other side of an outside movement must always book. What
there is to lend (`lending`) is the house's own too, and has one."""

CREDIT_TYPES = frozenset({"credit", "loan"})
"""Types that may have a credit limit."""

CUSTOMER_TYPES = frozenset({"checking", "savings", "investment"})
"""Types that people open for themselves."""

TRANSITIONS: dict[str, tuple[str, ...]] = {
    "active": ("inactive", "frozen", "suspended", "closed"),
    "inactive": ("active", "suspended", "closed"),
    "frozen": ("active", "suspended", "closed"),
    "suspended": ("active", "closed"),
    "closed": (),
}
"""Status -> what may follow. Only an active account is frozen, so that unfreezing restores what was."""

TAKES_DEBITS = frozenset({"active"})
TAKES_CREDITS = frozenset({"active", "frozen"})

_REFUSAL_OF_STATUS = {
    "inactive": "account_inactive",
    "frozen": "account_frozen",
    "suspended": "account_suspended",
    "closed": "account_closed",
}


# Events. Stored for ever: add a field with a default, or a new event; never edit one.
class Opened(Event, frozen=True):
    topic: ClassVar[str] = "account.opened"
    name: str
    type: str
    currency: str
    owner_id: UUID | None = None
    credit_limit: int = 0
    reserved_for: UUID | None = None
    """The only stream that moves its money, as a loan does that of its account."""


class StatusChanged(Event, frozen=True):
    topic: ClassVar[str] = "account.status_changed"
    status: str
    previous: str
    reason: str = ""


class Debited(Event, frozen=True):
    """Money left. `balance` and `held` are what the account has afterwards, so that each entry can
    be read by itself. `released` is the part of a hold that this debit used up or set free."""

    topic: ClassVar[str] = "account.debited"
    transfer_id: UUID
    counterparty_id: UUID
    amount: int
    balance: int
    held: int = 0
    released: int = 0
    effective_at: datetime | None = None
    description: str = ""
    reference: str = ""


class Credited(Event, frozen=True):
    """Money came in. `balance` and `held` are what the account has afterwards."""

    topic: ClassVar[str] = "account.credited"
    transfer_id: UUID
    counterparty_id: UUID
    amount: int
    balance: int
    held: int = 0
    effective_at: datetime | None = None
    description: str = ""
    reference: str = ""


class Held(Event, frozen=True):
    """Money was reserved for a pending transfer: it still counts in the balance, not in available."""

    topic: ClassVar[str] = "account.held"
    transfer_id: UUID
    amount: int
    balance: int
    held: int


class Released(Event, frozen=True):
    """A hold ended without a debit: the pending transfer was voided or expired."""

    topic: ClassVar[str] = "account.released"
    transfer_id: UUID
    amount: int
    balance: int
    held: int = 0


EVENTS: tuple[type[Event], ...] = (Opened, StatusChanged, Debited, Credited, Held, Released)


# State. Runs again at every replay: no rule, no clock, no exception.
class Account(Struct, frozen=True, gc=False):
    """What the rules need to know of an account. `version` counts its events."""

    id: UUID
    version: int
    type: str
    currency: str
    status: str
    balance: int
    held: int
    credit_limit: int
    name: str
    owner_id: UUID | None
    reserved_for: UUID | None = None

    @property
    def has_floor(self) -> bool:
        return self.type not in INTERNAL_TYPES

    @property
    def available(self) -> int | None:
        """Minor units that may leave the account; None when nothing limits it (internal accounts)."""
        if self.type in INTERNAL_TYPES:
            return None
        return self.balance + self.credit_limit - self.held


def evolve(account: Account | None, event: Event, stream_id: UUID) -> Account:
    """The account after one more event."""
    if isinstance(event, Opened):
        return Account(
            stream_id, 1, event.type, event.currency, "active", 0, 0, event.credit_limit,
            event.name, event.owner_id, event.reserved_for,
        )  # fmt: skip
    assert account is not None, "an account's first event is account.opened"
    if isinstance(event, Debited):
        return _moved(account, -event.amount, -event.released)
    if isinstance(event, Credited):
        return _moved(account, event.amount, 0)
    if isinstance(event, Held):
        return _moved(account, 0, event.amount)
    if isinstance(event, Released):
        return _moved(account, 0, -event.amount)
    assert isinstance(event, StatusChanged), event
    return _moved(account, 0, 0, event.status)


def _moved(a: Account, balance: int, held: int, status: str | None = None) -> Account:
    return Account(
        a.id, a.version + 1, a.type, a.currency, status or a.status, a.balance + balance,
        a.held + held, a.credit_limit, a.name, a.owner_id, a.reserved_for,
    )  # fmt: skip


# Commands.
class OpenAccount(Struct, frozen=True):
    """Open an account. `credit_limit` is in minor units of `currency`."""

    account_id: UUID
    name: str
    type: str
    currency: str
    owner_id: UUID | None = None
    credit_limit: int = 0


class ChangeAccountStatus(Struct, frozen=True):
    """Move an account to `status`; with `only_from` only when it is in one of those now, with
    `expected_versions` only when it has one of those, and with `owner_id` only when it is this person's."""

    account_id: UUID
    status: str
    reason: str = ""
    only_from: tuple[str, ...] = ()
    expected_versions: Expected = None
    owner_id: UUID | None = None


# Decisions. A "no" is raised as a Refusal and leaves nothing behind.
def open_account(command: OpenAccount) -> Opened:
    """Refuses: `invalid_currency_format`, `invalid_account_type`, `negative_amount` (a credit limit),
    `credit_limit_not_allowed`."""
    exponent_of(command.currency)
    if command.type not in TYPES:
        raise Refusal("invalid_account_type", type=command.type, allowed=list(TYPES))
    if command.credit_limit < 0:
        raise Refusal("negative_amount")
    if command.credit_limit and command.type not in CREDIT_TYPES:
        raise Refusal("credit_limit_not_allowed", type=command.type, allowed=sorted(CREDIT_TYPES))
    return Opened(
        name=command.name,
        type=command.type,
        currency=command.currency,
        owner_id=command.owner_id,
        credit_limit=command.credit_limit,
    )


def is_same_opening(account: Account, command: OpenAccount) -> bool:
    """Whether an open account is what the command asks for, so that a repeat answers as the first."""
    return (
        account.name == command.name
        and account.type == command.type
        and account.currency == command.currency
        and account.owner_id == command.owner_id
        and account.credit_limit == command.credit_limit
        and account.reserved_for is None
    )


def change_status(account: Account, command: ChangeAccountStatus) -> StatusChanged:
    """Refuses: `precondition_failed`, `invalid_transition`, `balance_not_zero` and `holds_remain`
    (closing)."""
    check_version(account.id, account.version, command.expected_versions)
    barred = command.only_from and account.status not in command.only_from
    if barred or command.status not in TRANSITIONS[account.status]:
        raise Refusal(
            "invalid_transition",
            account_id=account.id,
            current=account.status,
            requested=command.status,
            allowed=TRANSITIONS[account.status],
        )
    if command.status == "closed":
        if account.held:
            raise Refusal(
                "holds_remain",
                account_id=account.id,
                currency=account.currency,
                held_minor=account.held,
            )
        if account.balance:
            raise Refusal(
                "balance_not_zero",
                account_id=account.id,
                currency=account.currency,
                balance_minor=account.balance,
            )
    return StatusChanged(status=command.status, previous=account.status, reason=command.reason)


def check_debit(account: Account, amount: int) -> None:
    """Refuses a debit of `amount` minor units: by status, `insufficient_funds`, `balance_limit_exceeded`."""
    if account.status not in TAKES_DEBITS:
        raise _status_refusal(account)
    if account.type in INTERNAL_TYPES:
        held = account.held + amount
        if held > MAX_BALANCE_MINOR or account.balance - held < -MAX_BALANCE_MINOR:
            raise Refusal("balance_limit_exceeded", account_id=account.id)
    elif amount > account.balance + account.credit_limit - account.held:
        raise Refusal(
            "insufficient_funds",
            account_id=account.id,
            currency=account.currency,
            available_minor=account.balance + account.credit_limit - account.held,
            requested_minor=amount,
        )


def check_credit(account: Account, amount: int) -> None:
    """Refuses a credit of `amount` minor units: by status, `balance_limit_exceeded`."""
    if account.status not in TAKES_CREDITS:
        raise _status_refusal(account)
    if account.balance + amount > MAX_BALANCE_MINOR:
        raise Refusal("balance_limit_exceeded", account_id=account.id)


def check_status_for_debit(account: Account) -> None:
    """Refuses when the account's status lets no money out, whatever the amount."""
    if account.status not in TAKES_DEBITS:
        raise _status_refusal(account)


def _status_refusal(account: Account) -> Refusal:
    return Refusal(_REFUSAL_OF_STATUS[account.status], account_id=account.id, status=account.status)
