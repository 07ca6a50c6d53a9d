"""`daybook apikeys`: keys for programs, which log in nowhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

import typer

from api.cli.output import Json, show
from api.cli.people import House, Who, opened, parsed
from api.models import Name
from api.people_views import key_row
from application.identity import api_keys
from application.identity.api_keys import ApiKey
from application.people.credentials import key_issue, key_revocation
from domain.policies import SCOPES
from domain.refusals import Refusal

app = typer.Typer(no_args_is_help=True)

_COLUMNS = ("id", "name", "hint", "scopes", "created_at", "expires_at", "revoked_at")
_MAX_DAYS = 36_500


@app.command()
def create(
    who: Who,
    name: Annotated[str, typer.Option(help="What the key is for.")],
    scope: Annotated[
        list[str],
        typer.Option(help=f"What it is good for; several are. One of: {', '.join(SCOPES)}."),
    ],
    expires_in_days: Annotated[
        int | None, typer.Option(min=1, max=_MAX_DAYS, help="Without it, until it is revoked.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Issue an API key of a user, and print it this once. It does no more than its user may."""
    key_name, now = parsed(Name, name), datetime.now(UTC)
    expires_at = None if expires_in_days is None else now + timedelta(days=expires_in_days)
    with opened() as house:
        user = house.find(who)
        prepared = key_issue(
            user.user_id, user.role, name=key_name, scopes=scope, now=now, expires_at=expires_at
        )
        house.carry_out(prepared.command, prepared.beside)
        row = key_row(_find(house, prepared.key.id))
    if as_json:
        show([{**row, "key": prepared.key.text}], (), as_json=True)
        return
    typer.echo(prepared.key.text)
    typer.echo(f"Nobody can see it again: keep it safe. Its id is {prepared.key.id}.", err=True)


@app.command("list")
def list_keys(who: Who, as_json: Json = False) -> None:
    """List a user's API keys, the newest first, those that were revoked too."""
    with opened() as house:
        user_id = house.find(who).user_id
        found = house.ask(lambda conn: api_keys.of_user(conn, user_id))
    show([key_row(key) for key in found], _COLUMNS, as_json=as_json)


@app.command()
def revoke(
    key_id: Annotated[UUID, typer.Argument(metavar="ID", help="The key's id, as `list` shows it.")],
    as_json: Json = False,
) -> None:
    """Refuse an API key from now on."""
    with opened() as house:
        key = _find(house, key_id)
        prepared = key_revocation(key.user_id, key_id, datetime.now(UTC))
        house.carry_out(prepared.command, prepared.beside)
        row = key_row(_find(house, key_id))
    show([row], _COLUMNS, as_json=as_json)


def _find(house: House, key_id: UUID) -> ApiKey:
    found = house.ask(lambda conn: api_keys.find(conn, key_id))
    if found is None:
        raise Refusal("api_key_not_found", key_id=key_id)
    return found
