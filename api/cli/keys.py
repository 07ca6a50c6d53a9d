"""`daybook keys`: the master keys that wrap the keys of persons and of the service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import typer
from psycopg import Connection

from api import databases, secrets
from api.cli.output import Json, show
from api.settings import load_settings
from application.privacy import master_keys, rotation
from application.privacy.master_keys import MasterKeys

app = typer.Typer(no_args_is_help=True)

_ADVICE = """A new ENCRYPTION_KEY, for you and your servers only. Without it nobody can read the personal data
that it will seal: keep a copy where backups of the database are not.

To replace the key that you have: set this one as ENCRYPTION_KEY and the old one in ENCRYPTION_KEYS_OLD,
restart all servers, then `daybook keys rotate`."""

_MISSING = "Personal data cannot be opened as long as a master key is missing: add it to ENCRYPTION_KEYS_OLD."


@app.command()
def generate() -> None:
    """Print a new ENCRYPTION_KEY: 32 random bytes in base64. Nothing is changed."""
    typer.echo(_ADVICE, err=True)
    typer.echo(master_keys.generate())


@app.command()
def rotate() -> None:
    """Wrap all keys with ENCRYPTION_KEY that are still wrapped with one of ENCRYPTION_KEYS_OLD.

    What the keys have sealed stays as it is. Servers may run beside it, once all of them have the new
    ENCRYPTION_KEY: others cannot read what it wraps, and go on wrapping with the old one. Stopped at any
    moment, it goes on where it was the next time.
    """
    done = 0
    with _opened() as (conn, masters):
        for step in rotation.rewrap(conn, masters):
            done = step.done
            if done:
                typer.echo(f"wrapped {done} of {step.total} keys anew", err=True)
    typer.echo(
        f"All keys are wrapped with the master key {masters.current_id} ({done} of them anew)."
        " What is in ENCRYPTION_KEYS_OLD is needed with backups of before now only."
    )


@app.command("list")
def list_keys(as_json: Json = False) -> None:
    """List the master keys by their ids, and how many keys of persons and of the service each wraps.

    `current` wraps what is new, `old` still opens, `missing` is not in the settings here. Exit status 1:
    one is missing.
    """
    with _opened() as (conn, masters):
        rows = _rows(masters, rotation.wrapped_by(conn))
    show(rows, ("master_key_id", "status", "persons", "services"), as_json=as_json)
    if any(row["status"] == "missing" for row in rows):
        typer.echo(_MISSING, err=True)
        raise typer.Exit(1)


def _rows(masters: MasterKeys, held: list[rotation.Held]) -> list[dict[str, Any]]:
    """The current key first, then the older ones, then those that are not here."""
    counts = {one.master_key_id: one for one in held}
    rows = []
    for id_ in dict.fromkeys([*masters.ids, *counts]):
        is_current, is_here = id_ == masters.current_id, id_ in masters.ids
        one = counts.get(id_, rotation.Held(id_, 0, 0))
        rows.append(
            {
                "master_key_id": id_,
                "status": "current" if is_current else "old" if is_here else "missing",
                "persons": one.persons,
                "services": one.services,
            }
        )
    return rows


@contextmanager
def _opened() -> Iterator[tuple[Connection[Any], MasterKeys]]:
    settings = load_settings()
    masters = secrets.master_keys(settings)
    with (
        databases.ready_database(settings) as conninfo,
        psycopg.connect(conninfo, autocommit=True, application_name="daybook keys") as conn,
    ):
        yield conn, masters
