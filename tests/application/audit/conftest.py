"""A log that was signed and kept, ready to be tampered with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from application.audit.checkpoints import Checkpoint
from application.audit.findings import Finding
from application.audit.kept import Kept, collect
from application.audit.making import make
from application.audit.notes import Signer
from application.audit.verifying import Verdict, verify
from application.ledger import Ledger
from tests.conftest import Database
from tests.support.ledgers import open_account, pay, submit

SIGNER = Signer.generate("example.com/ledger")
EVENTS = 40


class Audited:
    """A ledger's database with a superuser's connection, and what an auditor does with it."""

    def __init__(self, database: Database, conn: psycopg.Connection[Any], folder: Path) -> None:
        self.database = database
        self.conn = conn
        self.folder = folder
        """Where checkpoints are kept as files."""

    def fill(self, events: int) -> None:
        """Bring the log to so many events, in several transactions."""
        with Ledger(self.database.url) as ledger:
            one, other = open_account(ledger, "cash"), open_account(ledger)
            missing = (events - self.position()) // 3
            for part in (missing // 2, missing - missing // 2):
                submit(ledger, *[pay(one, other, 1 + n % 7) for n in range(part)])
            while self.position() < events:
                open_account(ledger)

    def position(self) -> int:
        row = self.conn.execute("SELECT position FROM ledger_head").fetchone()
        assert row is not None
        return int(row[0])

    def sign(self) -> Checkpoint:
        with self.database.connect() as conn:
            return make(conn, SIGNER, [SIGNER.verifier], self.folder)

    def verify(self, *more: Kept, first: int = 1, last: int | None = None) -> Verdict:
        """Verify as the application's role, against the checkpoints of the database and `more`."""
        with self.database.connect() as conn:
            found = collect(conn, self.folder / "none", [SIGNER.verifier])
            verdict = verify(conn, first=first, last=last, kept=[*found.kept, *more])
            return verdict._replace(findings=[*verdict.findings, *found.findings])

    def findings(self, *more: Kept) -> list[Finding]:
        return self.verify(*more).findings


@pytest.fixture
def audited(database: Database, admin: psycopg.Connection[Any], tmp_path: Path) -> Audited:
    """A log of forty events, not signed yet."""
    audited = Audited(database, admin, tmp_path / "checkpoints")
    audited.fill(EVENTS)
    return audited


def kept(checkpoint: Checkpoint) -> Kept:
    """A checkpoint that an auditor has taken away."""
    return Kept(checkpoint, "the auditor's safe")


def count(audited: Audited, table: str) -> int:
    row = audited.conn.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
    assert row is not None
    return int(row[0])
