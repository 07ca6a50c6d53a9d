"""Demo data for a first look: three accounts with some money, and the sample bank statements."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path
from uuid import UUID, uuid5

import psycopg

from application.importing.statements import import_statements
from application.ledger import Ledger, Refused, Submission
from domain.accounts import OpenAccount
from domain.provenance import Provenance
from domain.transfers import PostTransfer

CASH = UUID("da4b0000-0000-4000-8000-000000000001")
ALICE = UUID("da4b0000-0000-4000-8000-000000000002")
BOB = UUID("da4b0000-0000-4000-8000-000000000003")

EXAMPLE_TRANSFER = json.dumps(
    {
        "source_account_id": str(ALICE),
        "destination_account_id": str(BOB),
        "amount": "12.50",
        "currency": "EUR",
    }
)

_COMMANDS = (
    OpenAccount(CASH, "Cash desk", "cash", "EUR"),
    OpenAccount(ALICE, "Alice", "checking", "EUR"),
    OpenAccount(BOB, "Bob", "savings", "EUR"),
    PostTransfer(uuid5(CASH, "alice"), CASH, ALICE, 1_000_00, "EUR", description="First deposit"),
    PostTransfer(uuid5(CASH, "bob"), CASH, BOB, 250_00, "EUR", description="First deposit"),
)


def login_command(url: str) -> str:
    """What a shell runs to log the sample administrator in: `auth.txt` is then a header for curl."""
    login = json.dumps({"email": "admin@example.com", "password": "admin-password-123!"})
    post = f"curl -s -X POST {url}/api/auth/login -H 'Content-Type: application/json' -d '{login}'"
    cut = """sed 's/.*"access_token":"\\([^"]*\\)".*/Authorization: Bearer \\1/'"""
    return f"{post} | {cut} > auth.txt"


def fill_if_new(ledger: Ledger, conninfo: str, say: Callable[[str], None]) -> None:
    """Fill an empty ledger, or one whose filling was interrupted; any other is left alone.

    All ids are fixed, so that doing it again adds only what is missing.
    """
    with psycopg.connect(conninfo, autocommit=True) as conn:
        row = conn.execute(
            "SELECT position = 0 OR EXISTS (SELECT FROM events WHERE originator_id = %s)"
            " FROM ledger_head",
            (CASH,),
        ).fetchone()
    if row is None or not row[0]:
        return
    done = ledger.submit_and_wait(Submission(_COMMANDS, Provenance(actor="demo"), linked=True))
    refused = [o for o in done.outcomes if isinstance(o, Refused)]
    if refused:  # somebody works with the demo accounts already
        return
    with as_file(files("api") / "samples" / "statements") as folder:
        results = import_statements(ledger, conninfo, sorted(Path(folder).glob("*.sta")), None)
    booked = [r for r in results if r.status == "imported"]
    if booked:
        say(f"opened demo accounts and imported {len(booked)} sample bank statements")
