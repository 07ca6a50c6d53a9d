"""All commands, and what a person reads when one of them cannot go on."""

from __future__ import annotations

import logging
import os
import sys

import psycopg
import typer
from rich.console import Console

from api.cli import (
    apikeys,
    audit,
    bench,
    cache,
    config,
    doctor,
    export,
    imports,
    jobs,
    keys,
    ledger,
    privacy,
    processes,
    projections,
    reconciling,
    replay,
    sandbox,
    serving,
    users,
    working,
)
from api.local.errors import LocalServerError
from api.server import PortInUseError
from api.settings import SettingsError, load_settings
from application.audit.errors import AuditError
from application.ledger import WriteFailedError
from application.privacy.errors import PrivacyError
from application.processes.definitions import UnknownProcessError
from domain.refusals import Refusal
from migrations.runner import MigrationError
from projections.catalogue import UnknownReadModelError
from projections.exporting.errors import ExportError
from projections.files import ModelFileError
from projections.log import UnreadableEventError
from projections.parking import RetryRefusedError
from projections.rebuild import RebuildFailedError, RebuildRefusedError
from projections.rebuild_state import SupersededError

HELP = """An event-sourced double-entry ledger on Postgres.

`daybook up` runs all of it on this machine, with its own Postgres. Everything else works beside a
running `up`, without one, or on the Postgres that DATABASE_URL names.

Exit status: 0 done; 1 something was refused or failed, the message says what; 2 the command line was wrong;
130 interrupted by Ctrl-C. Stopping `up`, `serve`, `project` or `worker` is 0.
"""

app = typer.Typer(
    help=HELP,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
serving.add_to(app)
working.add_to(app)
config.add_to(app)
app.add_typer(imports.app, name="import", help="Import bank statements and files of transfers.")
ledger.add_to(app)
reconciling.add_to(app)
replay.add_to(app)
export.add_to(app)
app.add_typer(
    projections.app, name="projections", help="The read models: look at them, rebuild them."
)
app.add_typer(
    audit.app, name="audit", help="Prove that nothing was altered: verify, sign, prove, check."
)
app.add_typer(users.app, name="users", help="Who may use the ledger: make, list, suspend.")
app.add_typer(apikeys.app, name="apikeys", help="Keys for programs: issue, list, revoke.")
app.add_typer(
    privacy.app, name="privacy", help="Personal data: show them for a purpose, erase them."
)
app.add_typer(keys.app, name="keys", help="The master keys of personal data: make, rotate, list.")
app.add_typer(cache.app, name="cache", help="What servers keep of read models: forget it.")
app.add_typer(sandbox.app, name="sandbox", help="Services that stand in for those of others.")
app.add_typer(
    processes.app, name="processes", help="Flows that take days: list, show, retry, skip, undo."
)
app.add_typer(jobs.app, name="jobs", help="Work for the outside world: list, retry, cancel.")
doctor.add_to(app)
bench.add_to(app)

_SAID_PLAINLY = (
    AuditError,
    ExportError,
    LocalServerError,
    PortInUseError,
    SettingsError,
    MigrationError,
    PrivacyError,
    RetryRefusedError,
    ModelFileError,
    UnknownProcessError,
    UnknownReadModelError,
    RebuildFailedError,
    RebuildRefusedError,
    SupersededError,
    UnreadableEventError,
    WriteFailedError,
)
"""Errors whose message says what happened and what to do."""


def run() -> None:
    """Run the command line; expected errors are a sentence, not a trace."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        try:
            app()
        finally:
            sys.stdout.flush()  # what cannot be written is known here rather than after the end
    except _SAID_PLAINLY as error:
        _fail(str(error))
    except Refusal as refusal:
        from api.problems import explain

        _fail(explain(refusal.reason, refusal.details))
    except psycopg.errors.InsufficientPrivilege as error:
        _fail(
            f"the database refuses this to its role ({error.diag.message_primary}): set "
            "DATABASE_ADMIN_URL to the same database for the role that owns it"
        )
    except psycopg.OperationalError as error:
        _fail(f"the database cannot be reached: {str(error).strip()}\n{_where_to_look()}")
    except psycopg.ProgrammingError as error:
        if error.sqlstate is not None:  # from the server: a mistake of Daybook's, not of its user
            raise
        _fail(f"DATABASE_URL or DATABASE_ADMIN_URL cannot be used: {str(error).strip()}")
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python tries once more when it ends
        _fail(str(error))


def _where_to_look() -> str:
    if load_settings().DATABASE_URL is None:
        return "The daybook that ran it may have stopped just now: try again."
    return "See whether it runs, and whether DATABASE_URL is right."


def _fail(message: str) -> None:
    Console(stderr=True, highlight=False).print(f"daybook: {message}", markup=False, soft_wrap=True)
    sys.exit(1)
