"""Puts money where loans are paid out from: the house's money to lend."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from domain.house import check_is_free, house_account
from domain.ownership import Owner, is_within_reach
from domain.refusals import Refusal
from domain.sheets import Lookup, Sheet
from domain.transfers import Decided, PostTransfer

_TEXT = "Money to lend"


class FundLending(Struct, frozen=True):
    """Put `amount` minor units into the house's money to lend of a currency, which is opened when this is
    the first. With `owner_id` only from this person's account."""

    transfer_id: UUID
    source_id: UUID
    amount: int
    currency: str
    owner_id: Owner = None


def transfer_of(command: FundLending) -> PostTransfer:
    """The transfer that it is."""
    return PostTransfer(
        command.transfer_id,
        command.source_id,
        house_account("lending", command.currency),
        command.amount,
        command.currency,
        description=_TEXT,
    )


def needs(command: FundLending) -> Iterator[UUID]:
    """The streams that must be known to decide."""
    yield command.source_id
    yield house_account("lending", command.currency)


def fund_lending(command: FundLending, lookup: Lookup, now: datetime) -> Decided:
    """The events, of a transfer that is not there yet. Refuses `account_not_found`, `reserved_account`,
    and as `transfers.post_transfer`."""
    sheet = Sheet(lookup, now)
    source = sheet.account(command.source_id)
    if not is_within_reach(source, command.owner_id):
        raise Refusal("account_not_found", account_id=command.source_id)
    check_is_free(source, command.owner_id)
    if source.currency != command.currency:
        raise Refusal("currency_mismatch", requested=command.currency, account=source.currency)
    sheet.house("lending", command.currency)
    sheet.post(transfer_of(command))
    return sheet.decided
