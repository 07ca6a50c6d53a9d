"""`daybook privacy`: what is known of a person, shown for a purpose or forgotten for good."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import psycopg
import typer

from api import databases
from api.cli.output import Json, show
from api.cli.people import COLUMNS, Who, opened, parsed
from api.models import Text
from api.people_models import Purpose
from api.settings import load_settings
from application.privacy import month_keys
from domain.refusals import Refusal
from domain.users import DISCLOSABLE, EraseUser, NoteDisclosure

app = typer.Typer(no_args_is_help=True)


@app.command()
def disclose(
    who: Who,
    purpose: Annotated[str, typer.Option(help="What for; it is kept in the log.")],
    as_json: Json = False,
) -> None:
    """Show a user's personal data in clear. That it was done, by whom and what for, is an event."""
    reason = parsed(Purpose, purpose)
    with opened() as house:
        command = NoteDisclosure(house.find(who).user_id, DISCLOSABLE, reason)
        row = house.in_clear(house.carry_out(command))
    shown = {name: row[name] for name in ("id", *DISCLOSABLE)}
    show([shown], shown, as_json=as_json)


@app.command()
def erase(
    who: Who,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    reason: Annotated[str, typer.Option(help="Why, for the log.")] = "",
    as_json: Json = False,
) -> None:
    """Delete a user for good, with all that is known of the person. There is no way back.

    What the person did with money stays in the log, under an id; applications for credit that are not
    paid out are withdrawn. Backups made before still hold the key of the personal data: let them expire.
    """
    why = parsed(Text, reason)
    with opened() as house:
        user_id = house.find(who).user_id
        if not yes:
            typer.confirm(f"Erase {user_id}, for good?", abort=True, err=True)
        try:
            shown = house.masked(house.carry_out(EraseUser(user_id, why)))
        except Refusal as refusal:
            if refusal.reason == "user_erased":  # by somebody who may have been stopped in between
                house.call_off(user_id)
            raise
        house.call_off(user_id)
    show([shown], COLUMNS, as_json=as_json)


@app.command("forget-addresses")
def forget_addresses(
    before: Annotated[
        str, typer.Option(metavar="MONTH", help="The first month that is kept, as 2026-01.")
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Forget the addresses and programs that the security log has of all months before one.

    What was tried, by whom and how often stays. There is no way back. Backups made before still hold
    the keys: let them expire.
    """
    try:
        month = datetime.strptime(before, "%Y-%m").replace(tzinfo=UTC)
    except ValueError:
        raise typer.BadParameter("write a month as 2026-01", param_hint="--before") from None
    if not yes:
        typer.confirm(f"Forget all addresses from before {before}, for good?", abort=True, err=True)
    with (
        databases.ready_database(load_settings()) as conninfo,
        psycopg.connect(conninfo, autocommit=True, application_name="daybook privacy") as conn,
    ):
        forgotten = month_keys.forget_before(conn, month, datetime.now(UTC))
    if forgotten:
        typer.echo(f"Forgotten: {', '.join(forgotten)}.")
    else:
        typer.echo(f"There was nothing to forget from before {before}.")
