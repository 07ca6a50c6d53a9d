"""Decides what becomes of an investment: its events, and with them the money's and the seat's.

Whatever a bank has done is a fact: it is booked, or somebody is called. Money that cannot go where it
should waits in the suspense account, so that the clearing account is zero at rest. A command whose time
is over is refused with `nothing_new`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from domain import funds
from domain.accounts import Account
from domain.funds import Fund
from domain.house import check_is_free, house_account
from domain.investments.commands import (
    BookLeg,
    CancelInvestment,
    Command,
    CompensateInvestment,
    DoubtLeg,
    FailLeg,
    HoldSource,
    RequestInvestment,
    RetryInvestment,
    ReturnLeg,
)
from domain.investments.state import Investment, Requested
from domain.investments.work import Work
from domain.movements import CONTRADICTED, derived_id
from domain.ownership import is_within_reach
from domain.refusals import Refusal
from domain.sheets import Lookup
from domain.transfers import Decided


def needs(command: Command, lookup: Lookup) -> Iterator[UUID]:
    """The streams that must be known to decide."""
    yield command.investment_id
    if isinstance(command, RequestInvestment):
        yield command.fund_id
        yield command.investor_account_id
        return
    investment = lookup(command.investment_id)
    if isinstance(investment, Investment):
        asked = investment.requested
        yield asked.fund_id
        yield asked.investor_account_id
        yield asked.fund_account_id
        yield house_account("clearing", asked.currency)
        yield house_account("suspense", asked.currency)
        yield from investment.legs.values()
        yield from investment.refunds
        yield derived_id(investment.id, "hold")
        yield from _ids(investment.withdrawal_id, investment.deposit_id)


def decide(command: Command, lookup: Lookup, now: datetime) -> Decided:
    """Events with their streams. Refuses: `investment_not_found`, `nothing_new`, and what the functions
    below say."""
    if isinstance(command, RequestInvestment):
        return _request(command, lookup, now)
    investment = lookup(command.investment_id)
    if not isinstance(investment, Investment):
        raise Refusal("investment_not_found", investment_id=command.investment_id)
    work = Work(investment, lookup, now)
    match command:
        case CancelInvestment():
            _cancel(work, command)
        case HoldSource():
            _hold(work)
        case ReturnLeg(leg=leg, reason=reason) if investment.is_closed:
            work.call_somebody(leg, reason)
        case BookLeg(leg=leg) if investment.is_closed:
            work.call_somebody(leg, CONTRADICTED)
        case BookLeg() | FailLeg() | ReturnLeg():
            if not investment.is_closed:
                work.catch_up()
        case DoubtLeg(leg=leg, reason=reason):
            _doubt(work, leg, reason)
        case RetryInvestment():
            _retry(work)
        case CompensateInvestment(reason=reason):
            _compensate(work, reason)
    if not work.sheet.decided:
        raise Refusal("nothing_new", investment_id=investment.id, status=investment.status)
    return work.sheet.decided


def is_same_request(investment: Investment, command: RequestInvestment) -> bool:
    """Whether an investment is what the command asks for, so that a repeat answers as the first time."""
    r = investment.requested
    return (r.investor_account_id, r.fund_id, r.amount, r.currency) == (
        command.investor_account_id, command.fund_id, command.amount, command.currency,
    )  # fmt: skip


def _request(command: RequestInvestment, lookup: Lookup, now: datetime) -> Decided:
    """Refuses: `negative_amount`, `account_not_found`, `invalid_account_type` (the house's own),
    `reserved_account` (a loan's), `fund_not_found`, `currency_mismatch`, and the first of the fund's
    criteria that is not met."""
    if command.amount <= 0:
        raise Refusal("negative_amount")
    source, fund = lookup(command.investor_account_id), lookup(command.fund_id)
    if not isinstance(source, Account) or not is_within_reach(source, command.owner_id):
        raise Refusal("account_not_found", account_id=command.investor_account_id)
    if not source.has_floor:
        raise Refusal("invalid_account_type", type=source.type)
    check_is_free(source)
    if not isinstance(fund, Fund):
        raise Refusal("fund_not_found", fund_id=command.fund_id)
    if source.currency != command.currency:
        raise Refusal("currency_mismatch", requested=command.currency, account=source.currency)
    if source.id == fund.opened.account_id:
        raise Refusal("same_account", account_id=source.id)
    seat = funds.reserve_seat(fund, command.investment_id, command.amount, command.currency, now)
    requested = Requested(
        source.id, fund.id, fund.opened.account_id, command.currency, command.amount,
        source.owner_id,
    )  # fmt: skip
    return ((command.investment_id, requested), (fund.id, seat))


def _cancel(work: Work, command: CancelInvestment) -> None:
    """Refuses: `investment_not_found` (another's), `already_sent`, `invalid_transition`."""
    i = work.investment
    if command.owner_id not in (None, i.requested.owner_id):
        raise Refusal("investment_not_found", investment_id=i.id)
    if i.status not in ("initiated", "withdrawal_pending"):
        raise Refusal(
            "invalid_transition",
            investment_id=i.id,
            current=i.status,
            requested="cancelled",
            allowed=[],
        )
    if i.status == "withdrawal_pending":
        work.call_off_unsent("withdrawal", "cancelled")
    work.fail("withdrawal" if i.is_held else "request", "cancelled")


def _hold(work: Work) -> None:
    """Hold the money, or fail: a "no" of the account is what becomes of the investment."""
    if work.investment.status != "initiated":
        return
    try:
        work.hold()
    except Refusal as refusal:
        work.fail("hold", refusal.reason)
        return
    work.begin_withdrawal()


def _doubt(work: Work, leg: str, reason: str) -> None:
    """Nothing is undone that may have happened."""
    if work.investment.status == f"{leg}_pending" and work.is_open(leg):
        work.call_somebody(leg, reason)


def _retry(work: Work) -> None:
    """Refuses `nothing_to_retry` when there is nothing that another attempt could change."""
    i = work.investment
    if i.status == "needs_operator":
        work.catch_up(again=not work.is_behind())
    if not work.sheet.decided:
        raise Refusal("nothing_to_retry", investment_id=i.id, status=i.status)


def _compensate(work: Work, reason: str) -> None:
    """What the bank has not answered is taken not to happen: the operator knows. Money that can go back
    does. Money that cannot stays in the suspense account, for the operator to hand it out.

    Refuses `nothing_to_undo` unless it waits for an operator, and while the bank has yet to say what
    becomes of a leg that money depends on; `bank_has_it`.
    """
    i = work.investment
    is_open, why = i.status == "needs_operator", reason or i.reason
    if is_open and work.is_behind():
        # The bank's doing is booked before anything is undone. Where that is refused, nothing can be.
        work.catch_up()
        if not work.sheet.decided and not any(map(work.is_open, i.legs)):
            work.close(i.step, why)
            return
    elif is_open and i.left == 1 and not work.is_open("refund"):
        work.write_off("deposit", why)
        work.begin_refund(i.step, why)
        return
    elif is_open and not (i.paid_in or i.paid_fund or i.paid_back):
        work.write_off("withdrawal", why)
        work.fail(i.step, why)
        return
    elif is_open and not any(map(work.is_open, i.legs)):
        work.close(i.step, why)
        return
    raise Refusal("nothing_to_undo", investment_id=i.id, status=i.status)


def _ids(*ids: UUID | None) -> Iterator[UUID]:
    return (id_ for id_ in ids if id_ is not None)
