"""Loans as they are read: lists, one with what would settle it, its schedule and its repayments."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from fastapi import Request, Response

from api import loan_views
from api.callers import Caller, caller_of
from api.flow_asking import begun
from api.freshness import be_fresh, be_whole, find, gaps
from api.loan_models import LoanFilters
from api.paging import complete, decode_cursor, page
from api.problems import ProblemError
from api.state import State
from api.views import Json
from api.writing import json_response
from domain.currencies import EXPONENTS
from domain.house import house_account
from domain.loans import Loan, Opened, owed
from projections.balances.queries import accounts_among
from projections.histories import state_at
from projections.loans import queries
from projections.loans.queries import LoanRow

MODEL = "loans"


async def list_loans(request: Request, state: State, f: LoanFilters) -> Response:
    """A page of loans, the last opened first; for customers of their own."""
    before = decode_cursor(f.cursor)
    await be_fresh(state, MODEL, f.min_position)
    async with state.pool.connection() as conn:
        found = await queries.loans(
            conn,
            limit=f.limit,
            before=before,
            owner_id=caller_of(request).owner_id,
            application_id=f.application_id,
            status=f.status,
            in_arrears=f.in_arrears,
        )
    return json_response(page(found, loan_views.loan), await gaps(state, MODEL))


async def loan_for(
    caller: Caller, state: State, loan_id: UUID, min_position: int | None = None
) -> LoanRow:
    """A loan that the caller may see. Raises `loan_not_found`."""
    await be_fresh(state, MODEL, min_position)
    found = await find(
        state, MODEL, lambda conn: queries.loan(conn, loan_id, owner_id=caller.owner_id)
    )
    if found is None:
        raise ProblemError("loan_not_found", loan_id=loan_id)
    await be_whole(state, MODEL, key=loan_id)
    return found


async def loan_with_payoff(state: State, row: LoanRow) -> Json:
    """A loan with what would settle it today, by the same events."""
    shown = loan_views.loan(row) | {"payoff": None}
    if row.status == "settled":
        return shown
    async with state.pool.connection() as conn:
        there = (await state_at(conn, row.id, row.version)).state
    assert isinstance(there, Loan), "the read model has it of a loan's events"
    today = datetime.now(UTC).date()
    return shown | {"payoff": loan_views.payoff(owed(there, today), row.currency)}


async def opened_for(caller: Caller, state: State, loan_id: UUID) -> Opened:
    """How a loan was opened, as the log has it: that never changes. Raises `loan_not_found`, for another's
    too."""
    found = await begun(state, loan_id)
    if not isinstance(found, Opened) or not caller.sees(found.owner_id):
        raise ProblemError("loan_not_found", loan_id=loan_id)
    return found


async def schedule(state: State, row: LoanRow) -> Json:
    """All instalments of a loan as they are now."""
    async with state.pool.connection() as conn:
        found = await queries.schedule(conn, row.id)
    return complete([loan_views.instalment(each, row.currency) for each in found])


async def lent(state: State, min_position: int | None) -> list[Json]:
    """By currency, the house's money to lend, and what became of it."""
    for model in ("balances", MODEL):
        await be_fresh(state, model, min_position)
        await be_whole(state, model)
    lending = [house_account("lending", currency) for currency in EXPONENTS]
    async with state.pool.connection() as conn:
        accounts = await accounts_among(conn, lending)
        totals = await queries.totals(conn, datetime.now(UTC).date())
    return loan_views.lent(accounts, totals)
