"""From an approval to money: an offer, its answer, and the loan."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID, uuid5

from domain import accounts, loans
from domain.accounts import Account
from domain.credit_applications.commands import AcceptOffer, DeclineOffer
from domain.credit_applications.events import (
    Accepted,
    Declined,
    Disbursed,
    DisbursementFailed,
    Offered,
    OfferExpired,
)
from domain.credit_applications.state import CreditApplication
from domain.credit_applications.work import Work, nothing_new, owner_of
from domain.house import check_is_free, is_house
from domain.ownership import Owner, is_within_reach
from domain.refusals import Refusal
from domain.sheets import Lookup, Sheet

_NAMESPACE = UUID("da4b0000-0000-4000-8000-00000000c4ed")


def loan_id_of(application_id: UUID) -> UUID:
    """The id of the loan that an application leads to: there is one at most."""
    return uuid5(_NAMESPACE, f"loan:{application_id}")


def needs(there: CreditApplication) -> Iterator[UUID]:
    """The streams that must be known to pay out."""
    if there.account_id is not None:
        yield from loans.needs_to_open(loan_id_of(there.id), there.account_id, there.asked.currency)


def check_account(lookup: Lookup, account_id: UUID, currency: str, owner_id: Owner) -> None:
    """Refuses `account_not_found`, also for another's, `reserved_account`, `invalid_account_type` (the
    house's own) and `currency_mismatch`."""
    account = _account(lookup, account_id)
    if not is_within_reach(account, owner_id):
        raise Refusal("account_not_found", account_id=account_id)
    check_is_free(account, owner_id)
    if not account.has_floor or is_house(account, "lending"):
        raise Refusal("invalid_account_type", type=account.type)
    if account.currency != currency:
        raise Refusal("currency_mismatch", account=account.currency, requested=currency)


def make(work: Work) -> None:
    there = work.application
    if there.status != "approved" or there.offer is not None:
        nothing_new()
    asked = there.asked
    amount = asked.amount_requested
    if there.approved_amount is not None:
        amount = min(amount, there.approved_amount)
    if amount <= 0:
        nothing_new()
    expires_at = work.now + timedelta(days=asked.offer_days)
    work.add(Offered(amount, asked.annual_rate_bps, asked.months, expires_at))


def accept(work: Work, command: AcceptOffer) -> None:
    """Refuses `no_open_offer`, `offer_expired`, `account_required`, `own_application` to an officer who has
    approved it, as `check_account`, and what the account refuses to take."""
    there = work.application
    account_id = command.account_id or there.account_id
    if there.status == "approved" and there.offer_status == "accepted" and there.attempts:
        if account_id == there.account_id:
            nothing_new()  # it is tried there again by itself
    else:
        _check_open(work)
    if account_id is None:
        raise Refusal("account_required", application_id=there.id)
    check_account(work.lookup, account_id, there.asked.currency, there.owner_id)
    approved_by = {there.officer_id, there.second_id} - {None}
    if approved_by & {command.by, owner_of(work.lookup, account_id)}:
        raise Refusal("own_application", application_id=there.id)
    account = _account(work.lookup, account_id)
    assert account is not None, "checked just now"
    assert there.offer is not None, "what is accepted was offered"
    accounts.check_credit(account, there.offer.amount)
    work.add(Accepted(account_id))


def decline(work: Work, command: DeclineOffer) -> None:
    """Refuses `no_open_offer` and `offer_expired`."""
    _check_open(work)
    work.add(Declined(command.reason))


def expire(work: Work) -> None:
    there = work.application
    if there.status != "approved" or there.offer_status != "made" or there.offer is None:
        nothing_new()
    if work.now < there.offer.expires_at:
        nothing_new()
    work.add(OfferExpired())


def disburse(work: Work) -> None:
    """The loan is opened and paid out, or it is noted why not; then it is tried again."""
    there = work.application
    if there.status != "approved" or there.offer_status != "accepted":
        nothing_new()
    assert there.offer is not None, "what is accepted was offered"
    assert there.account_id is not None, "an offer is accepted with an account"
    loan_id, asked = loan_id_of(there.id), there.asked
    sheet = Sheet(work.lookup, work.now)
    opened = loans.opening(
        loan_id,
        application_id=there.id,
        owner_id=there.owner_id,
        currency=asked.currency,
        principal=there.offer.amount,
        annual_rate_bps=there.offer.annual_rate_bps,
        months=there.offer.months,
        method=asked.method,
        day_count=asked.day_count,
        started_on=work.now.date(),
        customer_account_id=there.account_id,
    )
    try:
        loans.open_loan(sheet, opened, loan_id)
    except Refusal as refusal:
        work.add(DisbursementFailed(refusal.reason, there.attempts + 1))
        return
    for stream_id, event in sheet.decided:
        work.add_to(stream_id, event)
    work.add(Disbursed(loan_id))


def _account(lookup: Lookup, account_id: UUID) -> Account | None:
    state = lookup(account_id)
    return state if isinstance(state, Account) else None


def _check_open(work: Work) -> None:
    """Refuses `no_open_offer` and `offer_expired`."""
    there = work.application
    if there.status != "approved" or there.offer_status != "made" or there.offer is None:
        raise Refusal(
            "no_open_offer", application_id=there.id, status=there.offer_status or there.status
        )
    if work.now >= there.offer.expires_at:
        at = there.offer.expires_at.isoformat()
        raise Refusal("offer_expired", application_id=there.id, at=at)
