"""Decides what becomes of a loan: its events, and with them the money's.

Every movement of money has a twin, the claim's: what the customer owes is the balance of an account of
his, below zero, and the house's account `loans` is the other side of all of them. Only loans move it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from uuid import UUID

from msgspec.structs import replace

from domain import accounts
from domain.accounts import Account, OpenAccount
from domain.house import check_is_free, check_is_house, house_account
from domain.loans import owing
from domain.loans.commands import Command, MarkInstalmentOverdue, RepayLoan
from domain.loans.owing import Owed
from domain.loans.schedule import schedule
from domain.loans.state import (
    Disbursed,
    InstalmentOverdue,
    Loan,
    Opened,
    Part,
    Repaid,
    Settled,
)
from domain.movements import derived_id
from domain.ownership import is_within_reach
from domain.refusals import Refusal
from domain.sheets import Lookup, Sheet
from domain.transfers import Decided, PostTransfer

_TEXTS = {
    "disbursement": "Loan paid out",
    "claim": "Loan principal",
    "principal": "Loan repaid",
    "interest": "Loan interest",
}


def loan_account(loan_id: UUID) -> UUID:
    """The id of the account whose balance is what a loan's customer owes."""
    return derived_id(loan_id, "account")


def opening(
    loan_id: UUID,
    *,
    application_id: UUID,
    owner_id: UUID | None,
    currency: str,
    principal: int,
    annual_rate_bps: int,
    months: int,
    method: str,
    day_count: str,
    started_on: date,
    customer_account_id: UUID,
) -> Opened:
    """A loan of `principal` minor units from the house's money to lend."""
    return Opened(
        application_id, owner_id, currency, principal, annual_rate_bps, months, method, day_count,
        started_on, customer_account_id, loan_account(loan_id), house_account("lending", currency),
    )  # fmt: skip


def needs_to_open(loan_id: UUID, account_id: UUID, currency: str) -> Iterator[UUID]:
    """The streams that must be known to open a loan that is paid out to an account."""
    yield loan_id
    yield account_id
    yield loan_account(loan_id)
    yield house_account("lending", currency)
    yield house_account("loans", currency)


def open_loan(sheet: Sheet, opened: Opened, loan_id: UUID) -> None:
    """Pay a loan out. What is refused leaves nothing on the sheet.

    Refuses: as `schedule.check_terms`, `id_reused`, `account_not_found`, `reserved_account`,
    `invalid_account_type` (the house's own), `currency_mismatch`, what the customer's account refuses,
    and `insufficient_funds` of the house's money to lend.
    """
    instalments = schedule(opened.terms)
    _check_disbursement(sheet, opened)
    amount, currency = opened.principal, opened.currency
    claims, lending = sheet.house("loans", currency), sheet.house("lending", currency)
    sheet.add(loan_id, opened)
    owing_account = accounts.open_account(
        OpenAccount(opened.loan_account_id, "Loan", "loan", currency, opened.owner_id, amount)
    )
    sheet.open(opened.loan_account_id, replace(owing_account, reserved_for=loan_id))
    paid = _move(sheet, loan_id, "disbursement", lending, opened.customer_account_id, amount)
    claimed = _move(sheet, loan_id, "claim", opened.loan_account_id, claims, amount)
    sheet.add(loan_id, Disbursed((paid, claimed), instalments))


def needs(command: Command, lookup: Lookup) -> Iterator[UUID]:
    """The streams that must be known to decide."""
    yield command.loan_id
    loan = lookup(command.loan_id)
    if isinstance(command, RepayLoan) and isinstance(loan, Loan):
        yield command.account_id
        yield loan.opened.loan_account_id
        yield loan.opened.funding_account_id
        yield house_account("loans", loan.opened.currency)
        yield house_account("interest", loan.opened.currency)


def decide(command: Command, lookup: Lookup, now: datetime) -> Decided:
    """Events with their streams. Refuses: `loan_not_found`, also for another's, and what the functions
    below say."""
    loan = lookup(command.loan_id)
    if not isinstance(loan, Loan):
        raise Refusal("loan_not_found", loan_id=command.loan_id)
    if isinstance(command, MarkInstalmentOverdue):
        return _mark_overdue(loan, command, now)
    if command.owner_id not in (None, loan.owner_id):
        raise Refusal("loan_not_found", loan_id=command.loan_id)
    return _repay(loan, command, lookup, now)


def is_same_repayment(loan: Loan, command: RepayLoan) -> bool:
    """Whether a repayment of the loan is what the command asks for, so that a repeat answers as the first
    time. The day is not part of it."""
    there = loan.repayments.get(command.repayment_id)
    return (
        there is not None
        and (there.account_id, there.amount) == (command.account_id, command.amount)
        and command.owner_id in (None, loan.owner_id)
    )


def _check_disbursement(sheet: Sheet, opened: Opened) -> None:
    """All that the postings could refuse, before the first of them."""
    customer = sheet.account(opened.customer_account_id)
    if not is_within_reach(customer, opened.owner_id):
        raise Refusal("account_not_found", account_id=opened.customer_account_id)
    check_is_free(customer)
    if not customer.has_floor:
        raise Refusal("invalid_account_type", type=customer.type)
    if customer.currency != opened.currency:
        raise Refusal("currency_mismatch", requested=opened.currency, account=customer.currency)
    accounts.check_credit(customer, opened.principal)
    if sheet.account(opened.loan_account_id) is not None:
        raise Refusal("id_reused", id=opened.loan_account_id)
    claims = sheet.account(house_account("loans", opened.currency))
    if claims is not None:
        accounts.check_credit(claims, opened.principal)
    lending = sheet.account(opened.funding_account_id)
    if lending is None:
        raise Refusal(
            "insufficient_funds",
            account_id=opened.funding_account_id,
            currency=opened.currency,
            available_minor=0,
            requested_minor=opened.principal,
        )
    check_is_house(lending, "lending")
    accounts.check_debit(lending, opened.principal)


def _repay(loan: Loan, command: RepayLoan, lookup: Lookup, now: datetime) -> Decided:
    """Refuses: `id_reused`, `negative_amount`, `account_not_found`, `reserved_account`,
    `currency_mismatch`, `loan_settled`, `exceeds_outstanding`, and what the account refuses."""
    opened, amount = loan.opened, command.amount
    if command.repayment_id in loan.repayments:
        raise Refusal("id_reused", id=command.repayment_id)
    if amount <= 0:
        raise Refusal("negative_amount")
    state = lookup(command.account_id)
    account = state if isinstance(state, Account) else None
    if not is_within_reach(account, command.owner_id):
        raise Refusal("account_not_found", account_id=command.account_id)
    check_is_free(account, command.owner_id)
    if account.currency != opened.currency:
        raise Refusal("currency_mismatch", requested=opened.currency, account=account.currency)
    if loan.status == "settled":
        raise Refusal("loan_settled", loan_id=loan.id)
    there = owing.owed(loan, command.today)
    if amount > there.payoff:
        raise Refusal(
            "exceeds_outstanding",
            loan_id=loan.id,
            currency=opened.currency,
            payoff_minor=there.payoff,
            requested_minor=amount,
        )
    accounts.check_debit(account, amount)
    sheet = Sheet(lookup, now)
    _book(sheet, loan, command, there)
    return sheet.decided


def _book(sheet: Sheet, loan: Loan, command: RepayLoan, there: Owed) -> None:
    parts = owing.allocate(there, command.amount)
    interest = sum(part.interest for part in parts)
    principal = sum(part.principal for part in parts)
    early = next((part for part in parts if part.number == 0), None)
    outstanding = loan.outstanding - principal
    transfer_ids = tuple(_move_all(sheet, loan, command, interest, principal))
    sheet.add(
        loan.id,
        Repaid(
            command.repayment_id, command.amount, interest, principal, there.on,
            command.account_id, transfer_ids, parts, outstanding, early is not None,
        ),
    )  # fmt: skip
    if early is not None:
        sheet.add(loan.id, owing.reschedule(loan, there, early))
    if outstanding == 0:
        sheet.add(loan.id, Settled(there.on))


def _move_all(
    sheet: Sheet, loan: Loan, command: RepayLoan, interest: int, principal: int
) -> Iterator[UUID]:
    """The interest is income; the principal is there to be lent again, and claimed no longer."""
    opened, payer = loan.opened, command.account_id
    of = f"repayment:{command.repayment_id}"
    if interest:
        income = sheet.house("interest", opened.currency)
        yield _move(sheet, loan.id, f"{of}:interest", payer, income, interest)
    if principal:
        claims = sheet.house("loans", opened.currency)
        back, owing_account = opened.funding_account_id, opened.loan_account_id
        yield _move(sheet, loan.id, f"{of}:principal", payer, back, principal)
        yield _move(sheet, loan.id, f"{of}:claim", claims, owing_account, principal)


def _move(
    sheet: Sheet, loan_id: UUID, what: str, source: UUID, destination: UUID, amount: int
) -> UUID:
    account = sheet.account(source)
    assert account is not None, "it is opened or checked before"
    transfer_id = derived_id(loan_id, what)
    sheet.post(
        PostTransfer(
            transfer_id, source, destination, amount, account.currency,
            description=_TEXTS[what.rpartition(":")[2]], reference=str(loan_id),
        )
    )  # fmt: skip
    return transfer_id


def _mark_overdue(loan: Loan, command: MarkInstalmentOverdue, now: datetime) -> Decided:
    """Refuses `nothing_new`: it is paid, was marked before, is not overdue, or there is none."""
    number = command.number
    instalment = next((each for each in loan.instalments if each.number == number), None)
    missing = Part(number, 0, 0) if instalment is None else loan.missing(instalment)
    amount = missing.interest + missing.principal
    is_over = loan.status == "settled" or number in loan.overdue or not amount
    if instalment is None or is_over or now.date() <= instalment.due:
        raise Refusal("nothing_new", loan_id=loan.id, status=loan.status)
    return ((loan.id, InstalmentOverdue(number, instalment.due, amount)),)
