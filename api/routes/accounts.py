"""Accounts: opening, status, lists, balances now and then, and statement lines."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from msgspec.structs import replace
from psycopg import AsyncConnection

from api import views
from api.as_of import at_most_one, known_end, position_then
from api.callers import Caller, caller_of
from api.freshness import Fresh, be_fresh, be_whole, find, gaps
from api.ids import id_for
from api.models import (
    AccountIn,
    Amount,
    Currency,
    Cursor,
    Direction,
    EndMoment,
    Id,
    In,
    Limit,
    Moment,
    Position,
    Reading,
    ReasonIn,
    Status,
    Type,
    in_currency,
)
from api.paging import complete, decode_cursor, page
from api.preconditions import ExpectedVersions, IfNoneMatch
from api.problems import ProblemError
from api.responses import (
    NOT_MODIFIED,
    TAGGED,
    AccountOut,
    AccountPage,
    BalanceOut,
    EntryPage,
    problems,
)
from api.state import Running, State
from api.strict_json import StrictRoute
from api.writing import change, create, json_response, tagged_response
from domain.accounts import CUSTOMER_TYPES, ChangeAccountStatus, OpenAccount
from domain.money import format_amount
from projections import log
from projections.balances import queries
from projections.balances.queries import AccountAt, AccountRow
from projections.entries import queries as entry_queries

router = APIRouter(prefix="/api/accounts", tags=["accounts"], route_class=StrictRoute)

VERBS: dict[str, tuple[str, tuple[str, ...]]] = {
    "freeze": ("frozen", ()),
    "unfreeze": ("active", ("frozen",)),
    "suspend": ("suspended", ()),
    "deactivate": ("inactive", ()),
    "activate": ("active", ("inactive", "suspended")),
    "close": ("closed", ()),
}
"""Verb -> the status it leads to, and the only ones it leads from (empty: as the transitions say)."""


@router.post(
    "",
    status_code=201,
    response_model=AccountOut,
    responses={201: TAGGED, **problems(400, 422)},
)
async def open_account(request: Request, body: AccountIn, state: Running) -> Response:
    """Open an account. Internal types (clearing, fee, suspense, cash, loans, interest) have no floor; the
    others stay at or above zero, credit and loan accounts at or above their credit limit."""
    command = body.command(id_for(body.id, caller_of(request).owner_id))
    return await create(request, state, _within_reach(command, caller_of(request)))


def _within_reach(command: OpenAccount, caller: Caller) -> OpenAccount:
    """Customers open accounts for themselves, of the types that are theirs and without credit.

    Raises `insufficient_permissions`.
    """
    if caller.owner_id is None:
        return command
    if command.owner_id not in (None, caller.owner_id):
        raise ProblemError("insufficient_permissions", why="an account of yours belongs to you")
    if command.type not in CUSTOMER_TYPES or command.credit_limit:
        allowed = ", ".join(sorted(CUSTOMER_TYPES))
        raise ProblemError(
            "insufficient_permissions", why=f"you open accounts without credit, of type {allowed}"
        )
    return replace(command, owner_id=caller.owner_id)


def _status_route(verb: str, status: str, only_from: tuple[str, ...]) -> None:
    async def change_status(
        request: Request,
        account_id: Id,
        state: Running,
        expected: ExpectedVersions,
        body: ReasonIn | None = None,
    ) -> Response:
        reason = body.reason if body else ""
        owner_id = caller_of(request).owner_id
        command = ChangeAccountStatus(account_id, status, reason, only_from, expected, owner_id)
        return await change(request, state, command)

    change_status.__name__ = f"{verb}_account"
    change_status.__doc__ = f"Make the account {status}, if its status allows that."
    router.post(
        f"/{{account_id}}/{verb}",
        response_model=AccountOut,
        responses={200: TAGGED, **problems(400, 404, 412, 422)},
    )(change_status)


for _verb, (_status, _only_from) in VERBS.items():
    _status_route(_verb, _status, _only_from)


class AccountFilters(In):
    type: Type | None = None
    status: Status | None = None
    currency: Currency | None = None
    owner_id: Id | None = None
    limit: Limit = 50
    cursor: Cursor | None = None
    min_position: Fresh = None


@router.get("", response_model=AccountPage, responses=problems(400))
async def list_accounts(
    request: Request, filters: Annotated[AccountFilters, Query()], state: Running
) -> Response:
    """Accounts, the last opened first. A `Daybook-Incomplete` header says that some are not as the log
    has them, since the read model fails on their events (`/api/projections/balances` names them)."""
    before = decode_cursor(filters.cursor)
    await be_fresh(state, "balances", filters.min_position)
    caller = caller_of(request)
    if filters.owner_id is not None and not caller.sees(filters.owner_id):
        return json_response(complete([]))
    async with state.pool.connection() as conn:
        found = await queries.list_accounts(
            conn,
            limit=filters.limit,
            before=before,
            type=filters.type,
            status=filters.status,
            currency=filters.currency,
            owner_id=caller.owner_id or filters.owner_id,
        )
    return json_response(page(found, views.account_row), await gaps(state, "balances"))


@router.get(
    "/{account_id}",
    response_model=AccountOut,
    responses={200: TAGGED, 304: NOT_MODIFIED, **problems(400, 404)},
)
async def get_account(
    request: Request,
    account_id: Id,
    state: Running,
    reading: Annotated[Reading, Query()],
    if_none_match: IfNoneMatch = None,
) -> Response:
    """One account with its balance, what is held of it, and what is available."""
    await be_fresh(state, "balances", reading.min_position)
    row = await _account(state, account_id, caller_of(request))
    await be_whole(state, "balances", key=account_id)
    return tagged_response(views.account_row(row), row.version, if_none_match)


class BalanceAsOf(In):
    at: Moment | None = None
    position: Position | None = None
    effective_at: Moment | None = None
    min_position: Fresh = None


@router.get("/{account_id}/balance", response_model=BalanceOut, responses=problems(400, 404, 422))
async def get_balance(
    request: Request, account_id: Id, state: Running, when: Annotated[BalanceAsOf, Query()]
) -> Response:
    """The balance now, after a `position`, as recorded `at` a time, or by value date (`effective_at`).

    What is not known yet, or was before the account, is refused rather than answered with zero.
    """
    at_most_one(at=when.at, position=when.position, effective_at=when.effective_at)
    await be_fresh(state, "balances", when.min_position)
    caller = caller_of(request)
    if when.at is None and when.position is None and when.effective_at is None:
        row = await _account(state, account_id, caller)
        await be_whole(state, "balances", key=account_id)
        body = _balance(row, row.position)
    else:
        if caller.owner_id is not None:
            await _account(state, account_id, caller)
        async with state.pool.connection() as conn:
            body = await _balance_then(state, conn, account_id, when)
    body["as_of"] = {n: getattr(when, n) for n in ("position", "at", "effective_at")}
    return json_response(body)


async def _balance_then(
    state: State, conn: AsyncConnection[Any], account_id: UUID, when: BalanceAsOf
) -> dict[str, Any]:
    end = await known_end(conn, when.position, when.at or when.effective_at)
    now = await queries.account_at_position(conn, account_id, end.position)
    if now is None:
        raise ProblemError("account_not_found", account_id=account_id)
    if when.effective_at is not None:
        await be_fresh(state, "entries", end.position, account_id)
        return await _balance_by_value_date(conn, now, when.effective_at)
    if when.at is not None:
        then = await queries.account_at_time(conn, account_id, when.at)
    else:
        then = await queries.account_at_position(conn, account_id, when.position or 0)
    if then is None:
        raise await _not_open_then(conn, account_id)
    return _balance(then, end.position)


async def _balance_by_value_date(
    conn: AsyncConnection[Any], account: AccountAt, moment: datetime
) -> dict[str, Any]:
    known = await entry_queries.balance_by_effective_time(conn, account.id, moment)
    if known is None:  # neither open at that moment nor with an entry of an earlier value date
        raise await _not_open_then(conn, account.id)
    return {
        "account_id": account.id,
        "currency": account.currency,
        "balance": format_amount(known.balance, account.currency),
        "held": None,
        "available": None,
        "version": None,
        "position": known.position,
    }


async def _account_then(conn: AsyncConnection[Any], account_id: UUID, position: int) -> AccountAt:
    then = await queries.account_at_position(conn, account_id, position)
    if then is None:
        if await queries.account_at_version(conn, account_id, 1) is None:
            raise ProblemError("account_not_found", account_id=account_id)
        raise await _not_open_then(conn, account_id)
    return then


async def _not_open_then(conn: AsyncConnection[Any], account_id: UUID) -> ProblemError:
    (first, *_) = await log.stream_events(conn, account_id, after_version=0, limit=1)
    return ProblemError(
        "as_of_before_opening",
        account_id=account_id,
        opened_at=first.recorded_at.isoformat(),
        position=first.position,
    )


def _balance(row: AccountRow | AccountAt, position: int) -> dict[str, Any]:
    return {
        "account_id": row.id,
        "currency": row.currency,
        **views.account_amounts(row.currency, row.balance, row.held, row.available),
        "version": row.version,
        "position": position,
    }


class EntryFilters(In):
    from_: Annotated[Moment | None, Query(alias="from")] = None
    to: EndMoment | None = None
    direction: Direction | None = None
    min_amount: Amount | None = None
    max_amount: Amount | None = None
    at: Moment | None = None
    position: Position | None = None
    limit: Limit = 50
    cursor: Cursor | None = None
    min_position: Fresh = None


@router.get("/{account_id}/entries", response_model=EntryPage, responses=problems(400, 404, 422))
async def list_entries(
    request: Request, account_id: Id, state: Running, filters: Annotated[EntryFilters, Query()]
) -> Response:
    """Statement lines, the last recorded first, each with the running balance; `from` and `to` are
    about the value date. With `position` or `at` those that were recorded by then."""
    before = decode_cursor(filters.cursor)
    await be_fresh(state, "balances", filters.min_position)
    await be_fresh(state, "entries", filters.min_position)
    caller = caller_of(request)
    is_past = filters.at is not None or filters.position is not None
    if not is_past or caller.owner_id is not None:
        account = await _account(state, account_id, caller)
    async with state.pool.connection() as conn:
        if not is_past:
            currency = account.currency
            await be_whole(state, "entries", key=account_id)
            await be_whole(state, "balances", key=account_id)
        else:
            then = await position_then(conn, filters.position, filters.at)
            currency = (await _account_then(conn, account_id, then)).currency
            await be_fresh(state, "entries", then)
            await be_whole(state, "entries", key=account_id, to=then)
            before = then + 1 if before is None else min(before, then + 1)

        def minor(text: str | None) -> int | None:
            return None if text is None else in_currency(text, currency)

        found = await entry_queries.list_entries(
            conn,
            account_id,
            limit=filters.limit,
            before=before,
            effective_from=filters.from_,
            effective_to=filters.to,
            direction=filters.direction,  # type: ignore[arg-type]
            min_amount=minor(filters.min_amount),
            max_amount=minor(filters.max_amount),
        )
    return json_response(page(found, lambda row: views.entry_row(row, currency)))


async def _account(state: State, account_id: UUID, caller: Caller) -> AccountRow:
    """The account; one out of the caller's reach is as if it were not there."""
    row = await find(state, "balances", lambda conn: queries.account(conn, account_id))
    if row is None or not caller.sees(row.owner_id):
        raise ProblemError("account_not_found", account_id=account_id)
    return row
