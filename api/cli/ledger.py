"""`daybook accounts`, `balance`, `transfers`, `trial-balance`, `events`: looking at the ledger."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import typer
from psycopg import AsyncConnection
from pydantic_core import PydanticCustomError

from api import databases, views
from api.cli.output import Json, console, show
from api.cli.reading import read
from api.models import moment
from api.settings import load_settings
from domain.accounts import AccountStatus, AccountType
from domain.catalogue import EVENT_TYPES
from domain.currencies import EXPONENTS
from domain.refusals import Refusal
from projections import log
from projections.balances import queries as balances
from projections.sealed import hide_logged
from projections.transfers import queries as transfers

events_app = typer.Typer(no_args_is_help=True)

Limit = Annotated[int, typer.Option(min=1, max=1000, help="At most so many rows.")]


def _known_currency(code: str | None) -> str | None:
    if code is not None and code not in EXPONENTS:
        raise typer.BadParameter("give an ISO 4217 code like EUR")
    return code


def _known_topic(topic: str | None) -> str | None:
    if topic is not None and topic not in EVENT_TYPES:
        raise typer.BadParameter(f"give one of {', '.join(sorted(EVENT_TYPES))}")
    return topic


def _jsonable(row: dict[str, Any]) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(views.encode(row))
    return decoded


def accounts(
    type_: Annotated[AccountType | None, typer.Option("--type", help="Only of this type.")] = None,
    status: Annotated[AccountStatus | None, typer.Option(help="Only with this status.")] = None,
    currency: Annotated[
        str | None, typer.Option(callback=_known_currency, help="Only in this currency.")
    ] = None,
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """List accounts with their balances, the last opened first."""
    found = read(
        lambda conn: balances.list_accounts(
            conn, limit=limit, type=type_, status=status, currency=currency
        )
    )
    rows = [_jsonable(views.account_row(row)) for row in found.rows]
    columns = ("id", "name", "type", "status", "currency", "balance", "held", "available")
    show(rows, columns, as_json=as_json)


def balance(
    account_id: Annotated[UUID, typer.Argument(help="The account's id.")],
    at: Annotated[str | None, typer.Option(help="As recorded at this time.")] = None,
    position: Annotated[int | None, typer.Option(min=0, help="After this position.")] = None,
    as_json: Json = False,
) -> None:
    """Show an account's balance, now or at a past time or position."""
    if at is not None and position is not None:
        raise typer.BadParameter("give --at or --position, not both")
    when = moment_option(at) if at is not None else None

    found = read(lambda conn: _account_at(conn, account_id, when, position), fresh=False)
    row = {
        "account_id": str(found.id),
        "name": found.name,
        "status": found.status,
        "currency": found.currency,
        **views.account_amounts(found.currency, found.balance, found.held, found.available),
        "version": found.version,
        "position": found.position,
    }
    show([row], ("name", "status", "currency", "balance", "held", "available"), as_json=as_json)


def moment_option(text: str) -> datetime:
    """The time that an option names. Raises `typer.BadParameter`."""
    try:
        return moment(text)
    except PydanticCustomError:
        raise typer.BadParameter(
            "give RFC 3339 like 2026-01-31T12:00:00Z or a date, from 1900 to 2200"
        ) from None


async def _account_at(
    conn: AsyncConnection[Any], account_id: UUID, when: datetime | None, position: int | None
) -> balances.AccountAt:
    """The account then, or now when asked for neither. Refuses as the API does."""
    end = await log.end(conn)
    if (position or 0) > end.position or (when is not None and when > end.now):
        raise Refusal("as_of_in_the_future", position=end.position, recorded_at=end.now.isoformat())
    now = await balances.account_at_position(conn, account_id, end.position)
    if now is None:
        raise Refusal("account_not_found", account_id=account_id)
    if when is None and position is None:
        return now
    if when is not None:
        then = await balances.account_at_time(conn, account_id, when)
    else:
        then = await balances.account_at_position(conn, account_id, position or 0)
    if then is None:
        (first,) = await log.stream_events(conn, account_id, after_version=0, limit=1)
        raise Refusal(
            "as_of_before_opening",
            account_id=account_id,
            opened_at=first.recorded_at.isoformat(),
        )
    return then


def list_transfers(
    account: Annotated[UUID | None, typer.Option(help="Of this account, either side.")] = None,
    status: Annotated[transfers.Status | None, typer.Option(help="Only with this status.")] = None,
    reference: Annotated[str | None, typer.Option(help="With this reference.")] = None,
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """List transfers, the newest first."""
    found = read(
        lambda conn: transfers.search_transfers(
            conn,
            limit=limit,
            account_ids=None if account is None else [account],
            status=status,
            reference=reference,
        )
    )
    rows = [_jsonable(views.transfer_row(row)) for row in found.rows]
    columns = ("recorded_at", "id", "status", "amount", "currency", "reference", "description")
    show(rows, columns, as_json=as_json)


def trial_balance(as_json: Json = False) -> None:
    """Debits, credits and their difference per currency; exit status 1 when one is not zero."""
    found = read(balances.trial_balance)
    rows = views.trial_balance(found)
    columns = ("currency", "accounts", "debits", "credits", "difference", "position")
    show(rows, columns, as_json=as_json)
    if any(c.difference for c in found.currencies):
        raise typer.Exit(1)


@events_app.command("show")
def show_events(
    after: Annotated[int, typer.Option(min=0, help="Events after this position.")] = 0,
    stream: Annotated[UUID | None, typer.Option(help="Only of this stream.")] = None,
    topic: Annotated[
        str | None, typer.Option(callback=_known_topic, help="Only of this type.")
    ] = None,
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """Show events of the log in order."""

    async def find(conn: AsyncConnection[Any]) -> Sequence[log.LoggedEvent]:
        found: list[log.LoggedEvent] = []
        looked_up_to = after
        while True:  # a page of a rare topic may be empty although there is more behind it
            page = await log.read_events(conn, looked_up_to, limit, topic=topic, stream_id=stream)
            found += page.events
            looked_up_to = page.read_to
            if len(found) >= limit or looked_up_to >= page.head:
                return await hide_logged(conn, found[:limit])

    rows = [_jsonable(views.event(event)) for event in read(find, fresh=False)]
    columns = ("position", "recorded_at", "topic", "stream_id", "version", "data")
    show(rows, columns, as_json=as_json)


@events_app.command("tail")
def tail(
    after: Annotated[
        int | None, typer.Option(min=0, help="Begin after this position; else with what comes.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Follow the log: one line an event, until Ctrl-C."""
    with databases.ready_database(load_settings()) as conninfo:
        asyncio.run(_follow(conninfo, after, as_json=as_json))


async def _follow(conninfo: str, after: int | None, *, as_json: bool) -> None:
    async with await AsyncConnection.connect(conninfo, autocommit=True) as conn:
        await conn.execute("LISTEN daybook_log")
        position = await log.head(conn) if after is None else after
        while True:
            found = await log.read_events(conn, position, 500)
            for event in await hide_logged(conn, found.events):
                _print_event(_jsonable(views.event(event)), as_json=as_json)
            position = found.read_to
            if position < found.head:
                continue
            async for _ in conn.notifies(timeout=1.0, stop_after=1):
                pass


def _print_event(row: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(row, ensure_ascii=False))
    else:
        data = json.dumps(row["data"], ensure_ascii=False)
        console.print(
            f"{row['position']:>8} {row['recorded_at']} {row['topic']} {row['stream_id']} {data}",
            soft_wrap=True,
            markup=False,
        )
