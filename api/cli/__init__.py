"""The command line: `daybook --help`."""

from __future__ import annotations

import logging
import sys

import psycopg
import typer
from rich.console import Console

from api.cli import bench, config, imports, ledger, projections, serving
from api.local.errors import LocalServerError
from api.server import PortInUseError
from api.settings import SettingsError
from application.ledger import WriteFailedError
from domain.refusals import Refusal
from migrations.runner import MigrationError
from projections.catalogue import UnknownReadModelError
from projections.log import UnreadableEventError
from projections.rebuild import RebuildRefusedError

HELP = """An event-sourced double-entry ledger on Postgres.

`daybook up` runs all of it on this machine, with its own Postgres. Everything else works beside a
running `up`, without one, or on the Postgres that DATABASE_URL names.

Exit status: 0 done; 1 something was refused or failed, the message says what; 2 the command line was wrong;
130 stopped by Ctrl-C.
"""

app = typer.Typer(
    help=HELP,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
serving.add_to(app)
config.add_to(app)
app.add_typer(imports.app, name="import", help="Import bank statements and files of transfers.")
ledger.add_to(app)
app.add_typer(
    projections.app, name="projections", help="The read models: look at them, rebuild them."
)
bench.add_to(app)

_SAID_PLAINLY = (
    LocalServerError,
    PortInUseError,
    SettingsError,
    MigrationError,
    UnknownReadModelError,
    RebuildRefusedError,
    UnreadableEventError,
    WriteFailedError,
)
"""Errors whose message says what happened and what to do."""


def main() -> None:
    """Run the command line; expected errors are a sentence, not a trace."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        app()
    except _SAID_PLAINLY as error:
        _fail(str(error))
    except Refusal as refusal:
        from api.problems import explain

        _fail(explain(refusal.reason, refusal.details))
    except psycopg.OperationalError as error:
        _fail(f"the database cannot be reached: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def _fail(message: str) -> None:
    Console(stderr=True, highlight=False).print(f"daybook: {message}", markup=False, soft_wrap=True)
    sys.exit(1)
