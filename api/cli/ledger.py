"""`daybook accounts`, `balance`, `transfers`, `trial-balance`, `events`: looking at the ledger."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import typer
from psycopg import AsyncConnection
from pydantic_core import PydanticCustomError

from api import views, wiring
from api.cli.output import Json, console, show
from api.cli.reading import read
from api.models import moment
from api.settings import load_settings
from domain.money import format_amount
from domain.refusals import Refusal
from projections import log
from projections.balances import queries as balances
from projections.transfers import queries as transfers

events_app = typer.Typer(no_args_is_help=True)

Limit = Annotated[int, typer.Option(min=1, max=1000, help="At most so many rows.")]


def _jsonable(row: dict[str, Any]) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(views.encode(row))
    return decoded


def add_to(app: typer.Typer) -> None:
    app.command()(accounts)
    app.command()(balance)
    app.command("transfers")(list_transfers)
    app.command("trial-balance")(trial_balance)
    app.add_typer(events_app, name="events", help="The log: follow it, or show events.")


def accounts(
    type_: Annotated[str | None, typer.Option("--type", help="Only of this type.")] = None,
    status: Annotated[str | None, typer.Option(help="Only with this status.")] = None,
    currency: Annotated[str | None, typer.Option(help="Only in this currency.")] = None,
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
    when = _moment(at) if at is not None else None

    async def ask(conn: AsyncConnection[Any]) -> balances.AccountAt | None:
        if when is not None:
            return await balances.account_at_time(conn, account_id, when)
        end = await log.end(conn)
        if position is not None and position > end.position:
            raise Refusal("as_of_in_the_future", position=end.position, recorded_at=str(end.now))
        asked = end.position if position is None else position
        return await balances.account_at_position(conn, account_id, asked)

    found = read(ask, fresh=False)
    if found is None:
        raise Refusal("account_not_found", account_id=account_id)
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


def _moment(text: str) -> datetime:
    try:
        return moment(text)
    except PydanticCustomError:
        raise Refusal("invalid_datetime_format") from None


def list_transfers(
    account: Annotated[UUID | None, typer.Option(help="Of this account, either side.")] = None,
    status: Annotated[str | None, typer.Option(help="pending, posted, voided or expired.")] = None,
    reference: Annotated[str | None, typer.Option(help="With this reference.")] = None,
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """List transfers, the newest first."""
    found = read(
        lambda conn: transfers.search_transfers(
            conn,
            limit=limit,
            account_id=account,
            status=status,  # type: ignore[arg-type]
            reference=reference,
        )
    )
    rows = [_jsonable(views.transfer_row(row)) for row in found.rows]
    columns = ("recorded_at", "id", "status", "amount", "currency", "reference", "description")
    show(rows, columns, as_json=as_json)


def trial_balance(as_json: Json = False) -> None:
    """Debits, credits and their difference per currency; exit status 1 when one is not zero."""
    found = read(balances.trial_balance)
    rows = [
        {
            "currency": c.currency,
            "accounts": c.accounts,
            "debits": format_amount(c.debits, c.currency),
            "credits": format_amount(c.credits, c.currency),
            "difference": format_amount(c.difference, c.currency),
            "position": found.position,
        }
        for c in found.currencies
    ]
    columns = ("currency", "accounts", "debits", "credits", "difference", "position")
    show(rows, columns, as_json=as_json)
    if any(c.difference for c in found.currencies):
        raise typer.Exit(1)


@events_app.command("show")
def show_events(
    after: Annotated[int, typer.Option(min=0, help="Events after this position.")] = 0,
    stream: Annotated[UUID | None, typer.Option(help="Only of this stream.")] = None,
    topic: Annotated[str | None, typer.Option(help="Only of this type.")] = None,
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """Show events of the log in order."""
    found = read(
        lambda conn: log.read_events(conn, after, limit, topic=topic, stream_id=stream),
        fresh=False,
    )
    rows = [_jsonable(views.event(event)) for event in found.events]
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
    with wiring.ready_database(load_settings()) as conninfo:
        asyncio.run(_follow(conninfo, after, as_json=as_json))


async def _follow(conninfo: str, after: int | None, *, as_json: bool) -> None:
    async with await AsyncConnection.connect(conninfo, autocommit=True) as conn:
        await conn.execute("LISTEN daybook_log")
        position = await log.head(conn) if after is None else after
        while True:
            found = await log.read_events(conn, position, 500)
            for event in found.events:
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
