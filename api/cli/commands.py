"""All commands, and how the command line is run."""

from __future__ import annotations

import logging
import os
import sys

from api.cli.lazily import LazyGroup, Listed

HELP = """An event-sourced double-entry ledger on Postgres.

`daybook up` runs all of it on this machine, with its own Postgres. Everything else works beside a
running `up`, without one, or on the Postgres that DATABASE_URL names.

Exit status: 0 done; 1 something was refused or failed, the message says what; 2 the command line was wrong;
130 interrupted by Ctrl-C. Stopping `up`, `serve`, `project` or `worker` is 0.
"""

COMMANDS = (
    Listed(
        "up",
        "api.cli.serving:up",
        "Run everything here: Postgres, migrations, API, projections, worker, a bank to try, until Ctrl-C.",
    ),
    Listed(
        "serve",
        "api.cli.serving:serve_api",
        "Serve the API on a migrated database, until SIGTERM or Ctrl-C.",
    ),
    Listed(
        "project",
        "api.cli.projecting:project",
        "Keep the read models up to date, and rebuild them when asked to, until SIGTERM or Ctrl-C.",
    ),
    Listed(
        "worker",
        "api.cli.working:worker",
        "Drive processes, fire deadlines and run jobs, until SIGTERM or Ctrl-C.",
    ),
    Listed(
        "accounts",
        "api.cli.ledger:accounts",
        "List accounts with their balances, the last opened first.",
    ),
    Listed(
        "balance",
        "api.cli.ledger:balance",
        "Show an account's balance, now or at a past time or position.",
    ),
    Listed(
        "statement",
        "api.cli.statement:statement",
        "Write an account's statement of some days: opening balance, movements, closing balance.",
    ),
    Listed("transfers", "api.cli.ledger:list_transfers", "List transfers, the newest first."),
    Listed(
        "trial-balance",
        "api.cli.ledger:trial_balance",
        "Debits, credits and their difference per currency; exit status 1 when one is not zero.",
    ),
    Listed(
        "reconcile",
        "api.cli.reconciling:reconcile",
        "Hold a bank's statements against what the bank was asked to move: matched, missing, unexpected.",
    ),
    Listed(
        "replay",
        "api.cli.replay:replay",
        "Tell the story of a stream: when, who, what, and why, one line an event.",
    ),
    Listed(
        "export",
        "api.cli.export:export",
        "Write the event log as files, a folder for each topic and month, typed columns.",
    ),
    Listed(
        "doctor",
        "api.cli.doctor:doctor",
        "Look the ledger over, and say what is the matter and what to do. Changes nothing.",
    ),
    Listed(
        "bench",
        "api.cli.bench:bench",
        "Measure speed as ratios in one run; writes bench.json to the data folder.",
    ),
    Listed(
        "migrate",
        "api.cli.config:migrate_app",
        "Bring the database to this version, or back.",
    ),
    Listed("config", "api.cli.config:config_app", "Show how this installation is set up."),
    Listed("import", "api.cli.imports:app", "Import bank statements and files of transfers."),
    Listed("events", "api.cli.ledger:events_app", "The log: follow it, or show events."),
    Listed(
        "projections", "api.cli.projections:app", "The read models: look at them, rebuild them."
    ),
    Listed(
        "audit", "api.cli.audit:app", "Prove that nothing was altered: verify, sign, prove, check."
    ),
    Listed("users", "api.cli.users:app", "Who may use the ledger: make, list, suspend."),
    Listed("apikeys", "api.cli.apikeys:app", "Keys for programs: issue, list, revoke."),
    Listed("privacy", "api.cli.privacy:app", "Personal data: show them for a purpose, erase them."),
    Listed("keys", "api.cli.keys:app", "The master keys of personal data: make, rotate, list."),
    Listed("cache", "api.cli.cache:app", "What servers keep of read models: forget it."),
    Listed("sandbox", "api.cli.sandbox:app", "Services that stand in for those of others."),
    Listed(
        "processes", "api.cli.processes:app", "Flows that take days: list, show, retry, skip, undo."
    ),
    Listed(
        "decisions",
        "api.cli.decisions:app",
        "Tables that decide on credit: check one, try it, replay past applications.",
    ),
    Listed("jobs", "api.cli.jobs:app", "Work for the outside world: list, retry, cancel."),
)
"""In the order of their list; each says in its own help what it says here."""

daybook = LazyGroup(COMMANDS, help=HELP, no_args_is_help=True, rich_markup_mode="markdown")


def run() -> None:
    """Run the command line; expected errors are a sentence, not a trace."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        try:
            daybook()
        finally:
            sys.stdout.flush()  # what cannot be written is known here rather than after the end
    except Exception as error:
        from api.cli.failures import in_words

        words = in_words(error)
        if words is None:
            raise
        if isinstance(error, OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python tries once more when it ends
        _fail(words)


def _fail(message: str) -> None:
    from rich.console import Console

    Console(stderr=True, highlight=False).print(f"daybook: {message}", markup=False, soft_wrap=True)
    sys.exit(1)
