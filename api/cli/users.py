"""`daybook users`: who may use the ledger, beside a running server or alone."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import typer
from psycopg import AsyncConnection

from api import people_views
from api.cli.output import Json, show
from api.cli.people import COLUMNS, FromStdin, Who, new_password, opened, parsed, read
from api.ids import new_id
from api.models import Text
from api.people_models import Email, FullName
from application.identity.passwords import check_strength
from application.people.credentials import password_reset
from application.people.registering import registration
from application.people.vault import Vault
from domain.refusals import Refusal
from domain.users import ChangeUserStatus, Role
from projections.users import queries
from projections.users.queries import Filters

app = typer.Typer(no_args_is_help=True)

_RANDOM_BYTES = 18
"""24 characters of a password that nobody has to remember."""

Status = Literal["active", "suspended", "deleted"]
Reason = Annotated[str, typer.Option(help="Why, for the log.")]


@app.command()
def create(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="What the user logs in with.")],
    name: Annotated[str, typer.Option(help="The full name.")],
    role: Annotated[Role, typer.Option(help="What the user may do.")] = "user",
    password_stdin: FromStdin = False,
    as_json: Json = False,
) -> None:
    """Register a user, who can log in at once. The password is asked for on the terminal.

    The first administrator of an installation is made here: `--role admin`.
    """
    address, full_name = parsed(Email, email), parsed(FullName, name)
    password = new_password(from_stdin=password_stdin)
    check_strength(password, role)
    with opened() as house:
        prepared = registration(
            house.vault,
            new_id(),
            email=address,
            full_name=full_name,
            password_hash=house.hash(password),
            role=role,
        )
        user = house.carry_out(prepared.command, prepared.beside)
        shown = house.masked(user)
    show([shown], COLUMNS, as_json=as_json)


@app.command("list")
def list_users(
    role: Annotated[Role | None, typer.Option(help="Only in this role.")] = None,
    status: Annotated[
        Status | None, typer.Option(help="Only with this status; else all but deleted ones.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many rows.")] = 50,
    as_json: Json = False,
) -> None:
    """List users, the last registered first, with their personal data masked."""
    filters = Filters(role=role, status=status)

    async def find(conn: AsyncConnection[Any], vault: Vault) -> list[dict[str, Any]]:
        found = await queries.users_after(conn, limit=limit, filters=filters)
        assert found is not None, "it goes on after nobody"
        return await people_views.masked_rows(conn, vault, found.rows)

    show(read(find), COLUMNS, as_json=as_json)


@app.command("show")
def show_user(who: Who, as_json: Json = False) -> None:
    """Show one user, with personal data masked; `daybook privacy disclose` shows them."""
    with opened() as house:
        user_id = house.find(who).user_id

    async def find(conn: AsyncConnection[Any], vault: Vault) -> list[dict[str, Any]]:
        row = await queries.user(conn, user_id, include_deleted=True)
        if row is None:
            raise Refusal("user_not_found", user_id=user_id)
        return await people_views.masked_rows(conn, vault, [row])

    show(read(find), (*COLUMNS, "created_at", "updated_at"), as_json=as_json)


@app.command()
def suspend(who: Who, reason: Reason = "", as_json: Json = False) -> None:
    """Keep a user out: sessions, tokens and API keys are refused from now on."""
    _change_status(who, "suspended", reason, as_json=as_json)


@app.command()
def activate(who: Who, as_json: Json = False) -> None:
    """Let a suspended user in again."""
    _change_status(who, "active", "", as_json=as_json)


def _change_status(who: str, status: str, reason: str, *, as_json: bool) -> None:
    with opened() as house:
        command = ChangeUserStatus(house.find(who).user_id, status, parsed(Text, reason))
        shown = house.masked(house.carry_out(command))
    show([shown], COLUMNS, as_json=as_json)


@app.command("reset-password")
def reset_password(
    who: Who,
    generate: Annotated[
        bool, typer.Option("--generate", help="Make a password, and print it this once.")
    ] = False,
    password_stdin: FromStdin = False,
) -> None:
    """Give a user a new password, and end all sessions."""
    if generate and password_stdin:
        raise typer.BadParameter("give --generate or --password-stdin, not both")
    with opened() as house:
        login = house.find(who)
        if generate:
            password = secrets.token_urlsafe(_RANDOM_BYTES)
        else:
            password = new_password(from_stdin=password_stdin)
        check_strength(password, login.role)
        prepared = password_reset(login.user_id, house.hash(password), datetime.now(UTC))
        house.carry_out(prepared.command, prepared.beside)
    if generate:
        typer.echo(password)
    typer.echo(
        f"The password of {login.user_id} is a new one, and all sessions are over.", err=True
    )
