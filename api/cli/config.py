"""`daybook migrate` and `daybook config`: the database's shape, how to reach it, and the settings."""

from __future__ import annotations

import json
import re
from difflib import get_close_matches
from typing import Annotated
from urllib.parse import parse_qsl, quote, urlencode

import psycopg
import typer
from dotenv import dotenv_values
from psycopg.conninfo import conninfo_to_dict

from api import databases, secrets, starting
from api.cli.output import Json, console, one_line, show
from api.settings import Settings, SettingsError, env_file, load_settings
from migrations import runner

migrate_app = typer.Typer(no_args_is_help=True)
config_app = typer.Typer(no_args_is_help=True)

READER = "daybook_reader"
"""The role for analysts, made by the migrations: it may read events and read models, nothing else."""


@migrate_app.command("up")
def migrate_up() -> None:
    """Apply the migrations that are missing. Safe to start more than once at the same time."""
    with databases.database(load_settings()) as (_, admin_url):
        applied = databases.migrate(admin_url)
    for migration in applied:
        typer.echo(f"applied {migration.number:04}_{migration.name}")
    if not applied:
        typer.echo("nothing to do: the database is up to date")


@migrate_app.command("down")
def migrate_down(
    steps: Annotated[int, typer.Option(min=1, help="How many migrations to take back.")] = 1,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Take the newest migrations back, with all data that they hold."""
    if not yes:
        typer.confirm(f"Take back {steps} migration(s) and delete what they hold?", abort=True)
    with (
        databases.database(load_settings()) as (_, admin_url),
        psycopg.connect(admin_url, autocommit=True) as conn,
    ):
        undone = runner.down(conn, steps)
    for migration in undone:
        typer.echo(f"took back {migration.number:04}_{migration.name}")
    if not undone:
        typer.echo("nothing to do: no migration is applied")


@migrate_app.command("status")
def migrate_status(as_json: Json = False) -> None:
    """List the migrations and when each was applied."""
    with (
        databases.database(load_settings()) as (_, admin_url),
        psycopg.connect(admin_url, autocommit=True) as conn,
    ):
        found = runner.status(conn)
    rows = [
        {
            "number": s.number,
            "name": s.name,
            "applied_at": s.applied_at.isoformat(" ", "seconds") if s.applied_at else None,
        }
        for s in found
    ]
    show(rows, ("number", "name", "applied_at"), as_json=as_json)


@config_app.command("database-url")
def database_url(
    superuser: Annotated[
        bool, typer.Option("--superuser", help="As the owner, who may migrate.")
    ] = False,
    reader: Annotated[
        bool,
        typer.Option("--reader", help=f"As {READER}, who sees events and read models only."),
    ] = False,
) -> None:
    """Print the connection string of the database, for psql for example.

    The embedded Postgres is reachable while `daybook up` runs.
    """
    if superuser and reader:
        raise typer.BadParameter("give --superuser or --reader, not both")
    settings = load_settings()
    with databases.database(settings) as (conninfo, admin_url):
        if reader:
            typer.echo(as_user(conninfo, READER))
        else:
            typer.echo(admin_url if superuser else conninfo)
    if reader and settings.DATABASE_URL is not None:
        typer.echo(
            f"{READER} has no password of its own at first: the owner of the database gives it one"
            f" with ALTER ROLE {READER} PASSWORD '...'; put it into PGPASSWORD or ~/.pgpass",
            err=True,
        )


@config_app.command("new-secret")
def new_secret() -> None:
    """Print a new secret for JWT_SECRET."""
    typer.echo(secrets.new_jwt_secret())


@config_app.command("check")
def check(
    production: Annotated[
        bool, typer.Option("--production", help="Judge as if APP_ENV were production.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Say what is wrong with the settings and what to do; needs no database, and shows no secret.

    Exit status 1 when a server would not start with them; warnings alone are 0.
    """
    errors, warned = _judge(as_production=production)
    if as_json:
        typer.echo(json.dumps({"errors": errors, "warnings": warned}, ensure_ascii=False))
    else:
        lines = [f"WRONG {text}" for text in errors] + [f"WARN  {text}" for text in warned]
        for line in lines or ["ok    a server starts with these settings"]:
            console.print(one_line(line), markup=False, soft_wrap=True)
    raise typer.Exit(int(bool(errors)))


def _judge(*, as_production: bool) -> tuple[list[str], list[str]]:
    """Errors and warnings, a sentence each."""
    warned = [] if as_production else _misspelt()
    try:
        settings = load_settings(as_production=as_production)
    except SettingsError as error:
        return str(error).splitlines(), warned
    if settings.is_production:
        warned += starting.warnings(settings)
    return starting.check(settings), warned


def _misspelt() -> list[str]:
    """Names in the file of settings that are nearly a setting's; others may be other programs'."""
    file = env_file()
    if file is None:
        return []
    try:
        names = list(dotenv_values(file, interpolate=False))
    except (OSError, UnicodeDecodeError):  # said where the settings are read from it
        return []
    known = sorted(Settings.model_fields)
    found = []
    for name in names:
        # No other name is shown: on a broken line it may be a part of a secret.
        near = [] if name in known else get_close_matches(name.upper(), known, n=1, cutoff=0.85)
        found += [f"{file}: {name} is no setting and does nothing: write {near[0]}" for _ in near]
    return found


def as_user(url: str, user: str) -> str:
    """A connection string for the same database as another user, without a password."""
    known = conninfo_to_dict(url)
    # Taken apart by hand: libpq takes several hosts in one address, which the standard library does not.
    scheme, _, rest = url.partition("://")
    where = re.split(r"(?=[/?])", rest, maxsplit=1)
    hosts = where[0].rpartition("@")[2]
    path, _, query = (where[1] if len(where) > 1 else "").partition("?")
    kept = [
        (name, value)
        for name, value in parse_qsl(query, keep_blank_values=True)
        if name not in ("user", "password")
    ]
    # Without a name of its own a database is called as its user is.
    if "dbname" not in known and "user" in known:
        path = f"/{quote(str(known['user']), safe='')}"
    options = urlencode(kept, quote_via=quote, safe="")
    return f"{scheme}://{user}@{hosts}{path}{'?' if options else ''}{options}"
