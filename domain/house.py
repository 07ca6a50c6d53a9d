"""The house's own accounts, one of a type and currency: what outside money passes through or waits in.

`clearing` holds what is on its way between two banks, and is zero at rest. `suspense` holds what somebody
has to look at. `cash` is the other side of money that comes from outside or leaves: its balance is what
the bank has of ours, with the sign turned. `lending` is what there is to lend, `loans` what customers owe
of what was lent, and `interest` what they have paid for it.
"""

from __future__ import annotations

from functools import cache
from typing import Literal, get_args
from uuid import UUID, uuid5

from domain import accounts
from domain.accounts import Account, OpenAccount
from domain.refusals import Refusal

HouseType = Literal["clearing", "suspense", "cash", "lending", "loans", "interest"]

HOUSE_TYPES: tuple[HouseType, ...] = get_args(HouseType)

FLOWS_ONLY: tuple[HouseType, ...] = ("clearing", "loans")
"""Whatever else moved money there would be missing from a flow, or from what a loan says is owed."""

_NAMESPACE = UUID("da4b0000-0000-4000-8000-00000000acc7")

_NAMES = {
    "clearing": "Clearing",
    "suspense": "Suspense",
    "cash": "Bank",
    "lending": "Lending",
    "loans": "Loans",
    "interest": "Interest",
}


def house_account(type_: HouseType, currency: str) -> UUID:
    """The id of the house's account of a type in a currency. Derived, so that no customer can have it."""
    return _derived(type_, currency)


@cache  # each transfer of the house's asks for it, and a hash costs as much as all its rules
def _derived(type_: str, currency: str) -> UUID:
    return uuid5(_NAMESPACE, f"{type_}:{currency}")


def opening(type_: HouseType, currency: str) -> accounts.Opened:
    """What opens the account, when it is needed for the first time."""
    command = OpenAccount(
        house_account(type_, currency), f"{_NAMES[type_]} {currency}", type_, currency
    )
    return accounts.open_account(command)


def is_house(account: Account, *types: HouseType) -> bool:
    """Whether an account is the house's own of one of the types."""
    return account.type in types and account.id in {
        house_account(type_, account.currency) for type_ in types
    }


def check_is_free(account: Account | None, owner_id: UUID | None = None) -> None:
    """Refuses `reserved_account` for an account that only flows move money through, and for a loan's; for
    customers for all accounts of the house."""
    if account is None:
        return
    if account.reserved_for is None:
        if account.type not in _NAMES:
            return
        if not is_house(account, *(FLOWS_ONLY if owner_id is None else HOUSE_TYPES)):
            return
    raise Refusal("reserved_account", account_id=account.id)


def check_may_be_reversed(*accounts_: Account) -> None:
    """Refuses `reserved_account` for a transfer from or to the house's money to lend, or what it earns by
    that: a loan's money does not go back without what is owed."""
    for account in accounts_:
        if is_house(account, "lending", "interest"):
            raise Refusal("reserved_account", account_id=account.id)


def check_status_may_change(account: Account) -> None:
    """Refuses `reserved_account` for the house's accounts, and for a loan's: what banks have done must
    always book, and so must what is repaid."""
    is_reserved = account.reserved_for is not None
    if is_reserved or (account.type in _NAMES and is_house(account, *HOUSE_TYPES)):
        raise Refusal("reserved_account", account_id=account.id)


def check_is_house(account: Account, type_: HouseType) -> None:
    """Refuses `id_reused` when somebody else's account has the id."""
    if account.type != type_ or account.owner_id is not None:
        raise Refusal("id_reused", id=account.id)
