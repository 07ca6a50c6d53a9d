"""Demo data for a first look: users, three accounts with some money, and the sample bank statements."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path
from typing import NamedTuple
from uuid import UUID, uuid5

import psycopg

from application.identity.passwords import Hasher
from application.importing.statements import import_statements
from application.ledger import Ledger, Refused, Submission
from application.people.registering import registration
from application.people.vault import Vault
from domain.accounts import OpenAccount
from domain.funds import OpenFund
from domain.loans import FundLending
from domain.provenance import Provenance
from domain.refusals import Refusal
from domain.transfers import PostTransfer

_DEMO = Provenance(actor="demo")

CASH = UUID("da4b0000-0000-4000-8000-000000000001")
ALICE = UUID("da4b0000-0000-4000-8000-000000000002")
BOB = UUID("da4b0000-0000-4000-8000-000000000003")
FUND = UUID("da4b0000-0000-4000-8000-00000000000f")
_FUND_ACCOUNT = UUID("da4b0000-0000-4000-8000-0000000000fa")


class SampleUser(NamedTuple):
    """Somebody whose password everybody knows."""

    id: UUID
    email: str
    full_name: str
    password: str
    role: str


def _user_id(number: int) -> UUID:
    return UUID(f"da4b0000-0000-4000-8000-0000000000{number:02x}")


USERS = (
    SampleUser(_user_id(0xA1), "alice@example.com", "Alice Jones", "password123!", "user"),
    SampleUser(_user_id(0xA2), "bob@example.com", "Bob Miller", "password123!", "user"),
    SampleUser(_user_id(0xA3), "admin@example.com", "Ada Min", "admin-password-123!", "admin"),
    SampleUser(
        _user_id(0xA4), "support@example.com", "Sam Porter", "support-password-123!", "support"
    ),
    SampleUser(
        _user_id(0xA5), "auditor@example.com", "Audrey Torr", "auditor-password-123!", "auditor"
    ),
    SampleUser(
        _user_id(0xA6), "operator@example.com", "Oona Perry", "operator-password-123!", "operator"
    ),
    SampleUser(_user_id(0xA7), "admin@fintech.com", "Finn Teck", "admin-password-123!", "admin"),
    SampleUser(_user_id(0xA8), "viewer@fintech.com", "Vera Weir", "viewer-password-123!", "user"),
    SampleUser(
        _user_id(0xA9), "officer@example.com", "Olga Feld", "officer-password-123!", "officer"
    ),
)
_ALICE, _BOB = USERS[0].id, USERS[1].id

EXAMPLE_TRANSFER = json.dumps(
    {
        "source_account_id": str(ALICE),
        "destination_account_id": str(BOB),
        "amount": "12.50",
        "currency": "EUR",
    }
)

EXAMPLE_INVESTMENT = json.dumps(
    {
        "investor_account_id": str(ALICE),
        "fund_id": str(FUND),
        "amount": "250.00",
        "currency": "EUR",
    }
)

_COMMANDS = (
    OpenAccount(CASH, "Cash desk", "cash", "EUR"),
    OpenAccount(ALICE, "Alice", "checking", "EUR", _ALICE),
    OpenAccount(BOB, "Bob", "savings", "EUR", _BOB),
    PostTransfer(uuid5(CASH, "alice"), CASH, ALICE, 1_000_00, "EUR", description="First deposit"),
    PostTransfer(uuid5(CASH, "bob"), CASH, BOB, 250_00, "EUR", description="First deposit"),
    OpenAccount(_FUND_ACCOUNT, "Harbour Fund", "fund", "EUR"),
    OpenFund(FUND, "Harbour Fund", "EUR", _FUND_ACCOUNT, 50_00, 10_000_00, 100),
    FundLending(uuid5(CASH, "lending"), CASH, 1_000_000_00, "EUR"),
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
    done = ledger.submit_and_wait(Submission(_COMMANDS, _DEMO, linked=True))
    refused = [o for o in done.outcomes if isinstance(o, Refused)]
    if refused:  # somebody works with the demo accounts already
        return
    with as_file(files("api") / "samples" / "statements") as folder:
        results = import_statements(ledger, conninfo, sorted(Path(folder).glob("*.sta")), None)
    booked = [r for r in results if r.status == "imported"]
    if booked:
        say(f"opened demo accounts and imported {len(booked)} sample bank statements")


def add_users(ledger: Ledger, conninfo: str, vault: Vault, hasher: Hasher) -> None:
    """Register the sample users that were never there, in a ledger that has the demo accounts.

    Not for ledgers that others can reach: the README has the passwords.
    """
    wanted = [user.id for user in USERS]
    with psycopg.connect(conninfo, autocommit=True) as conn:
        found = conn.execute(
            "SELECT DISTINCT originator_id FROM events WHERE originator_id = ANY(%s)",
            ([CASH, *wanted],),
        ).fetchall()
    there = {id_ for (id_,) in found}
    if CASH not in there:
        return
    for user in USERS:
        if user.id not in there:
            _register(ledger, vault, hasher, user)


def _register(ledger: Ledger, vault: Vault, hasher: Hasher, user: SampleUser) -> None:
    prepared = registration(
        vault,
        user.id,
        email=user.email,
        full_name=user.full_name,
        password_hash=hasher.hash_sync(user.password),
        role=user.role,
    )
    try:
        ledger.submit_and_wait(Submission([prepared.command], _DEMO, beside=prepared.beside))
    except Refusal as refusal:
        if refusal.reason != "email_already_exists":  # somebody else has it: his it is
            raise
