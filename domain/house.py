"""The house's own accounts, one of a type and currency: what outside money passes through or waits in.

`clearing` holds what is on its way between two banks, and is zero at rest. `suspense` holds what somebody
has to look at. `cash` is the other side of money that comes from outside or leaves: its balance is what
the bank has of ours, with the sign turned.
"""

from __future__ import annotations

from typing import Literal
from uuid import UUID, uuid5

from domain import accounts
from domain.accounts import Account, OpenAccount
from domain.refusals import Refusal

HouseType = Literal["clearing", "suspense", "cash"]

_NAMESPACE = UUID("da4b0000-0000-4000-8000-00000000acc7")

_NAMES = {"clearing": "Clearing", "suspense": "Suspense", "cash": "Bank"}


def house_account(type_: HouseType, currency: str) -> UUID:
    """The id of the house's account of a type in a currency. Derived, so that no customer can have it."""
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
    """Refuses `reserved_account` for an account that only flows move money through, since whatever else
    did would be missing from one of them; for customers for all accounts of the house."""
    if account is None or account.type not in _NAMES:
        return
    types: tuple[HouseType, ...] = ("clearing",)
    if is_house(account, *(types if owner_id is None else (*types, "suspense", "cash"))):
        raise Refusal("reserved_account", account_id=account.id)


def check_status_may_change(account: Account) -> None:
    """Refuses `reserved_account` for the house's accounts: what banks have done must always book."""
    if account.type in _NAMES and is_house(account, "clearing", "suspense", "cash"):
        raise Refusal("reserved_account", account_id=account.id)


def check_is_house(account: Account, type_: HouseType) -> None:
    """Refuses `id_reused` when somebody else's account has the id."""
    if account.type != type_ or account.owner_id is not None:
        raise Refusal("id_reused", id=account.id)
