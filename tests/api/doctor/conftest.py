"""A ledger to be looked over, a superuser who can damage it, and a server that keeps what it is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from api.doctor.examining import CHECKS, examine
from api.doctor.findings import Checked, Finding
from api.doctor.patient import Limits, Patient
from api.local.postgres import EmbeddedPostgres
from api.settings import Settings
from application.ledger import Ledger
from migrations import runner
from tests.conftest import Database
from tests.projections.running import project_all
from tests.support.folders import data_folder
from tests.support.ledgers import open_account, pay, submit

Conn = psycopg.Connection[Any]

ROOMY = Limits(free_share=0.0, free_bytes=0, handover_s=0.0)
"""Whatever the disk of the machine is like; and nobody waits for a runner that the test has stopped."""


class Ward:
    """A patient with what tests do to it and ask of it."""

    def __init__(self, patient: Patient, database: Database) -> None:
        self.patient = patient
        self.database = database

    def limited(self, **limits: Any) -> Ward:
        """The same with other limits."""
        changed = replace(self.patient, limits=replace(self.patient.limits, **limits))
        return Ward(changed, self.database)

    def deep(self) -> Ward:
        return Ward(replace(self.patient, deep=True), self.database)

    def set(self, **settings: Any) -> Ward:
        """The same with other settings."""
        changed = self.patient.settings.model_copy(update=settings)
        return Ward(replace(self.patient, settings=changed), self.database)

    def check(self, name: str) -> Checked:
        """One check by itself."""
        (made,) = examine(self.patient, [check for check in CHECKS if check.name == name])
        return made

    def found(self, name: str) -> Sequence[Finding]:
        return self.check(name).findings

    def one(self, name: str) -> Finding:
        """The only finding of a check."""
        (finding,) = self.found(name)
        return finding

    def all_clear(self, *names: str) -> None:
        for name in names:
            made = self.check(name)
            assert not made.findings, made
            assert made.looked_at, made


Admit = Callable[[Database], Ward]


@pytest.fixture
def admit(tmp_path: Path) -> Admit:
    """Takes in a database as the patient, with an empty data folder."""

    def make(database: Database) -> Ward:
        settings = Settings(
            DATABASE_URL=database.url,
            DATABASE_ADMIN_URL=database.superuser_url,
            DATA_DIR=tmp_path,
        )
        return Ward(Patient(settings, database.url, database.superuser_url, limits=ROOMY), database)

    return make


@pytest.fixture
def ward(admit: Admit, database: Database) -> Ward:
    """A ledger of forty events, whose read models show all of it and have no runner."""
    fill(database)
    project_all(database.url)
    return admit(database)


@pytest.fixture
def admin(database: Database) -> Iterator[Conn]:
    with database.connect(superuser=True) as conn:
        yield conn


@pytest.fixture
def conn(database: Database) -> Iterator[Conn]:
    """A connection as the application's role, in autocommit mode."""
    with database.connect() as conn:
        yield conn


def fill(database: Database) -> None:
    """Bring an empty log to forty events: four accounts and twelve transfers."""
    with Ledger(database.url) as ledger:
        cash, *others = (open_account(ledger, "cash"), *(open_account(ledger) for _ in range(3)))
        submit(ledger, *[pay(cash, others[n % 3], 100 + n) for n in range(12)])


@pytest.fixture(scope="session")
def safe_server() -> Iterator[EmbeddedPostgres]:
    """A server that forces to the disk what it is given, and takes prepared transactions."""
    settings = {"shared_buffers": "64MB", "max_prepared_transactions": "2"}
    with data_folder() as folder, EmbeddedPostgres(folder, settings=settings) as server:
        yield server


@pytest.fixture
def safe_database(safe_server: EmbeddedPostgres) -> Iterator[Database]:
    """A migrated database on that server."""
    name = "patient"
    owner = safe_server.url("postgres", superuser=True)
    with psycopg.connect(owner, autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {name}".encode())
        database = Database(name, safe_server.url(name), safe_server.url(name, superuser=True))
        with database.connect(superuser=True) as admin:
            runner.up(admin)
        yield database
        conn.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
