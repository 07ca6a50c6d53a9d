"""Mails go to the address that a person has now, by the job that says so, and to nobody who is gone."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from api import mailing
from application.jobs import NewJob, put
from application.jobs.workers import Workers
from application.ledger import Ledger, Submission
from application.notifications.choosing import EMAIL, LOG
from application.notifications.emailing import Emailer
from application.notifications.kinds import kinds
from application.outbound.breaker import Breakers
from application.people.registering import registration
from application.people.vault import Vault
from application.privacy.master_keys import MasterKeys, generate
from application.privacy.sealing import new_key
from application.webhooks.addresses import Allowed
from application.webhooks.delivering import Deliverer
from application.webhooks.posting import Poster
from application.webhooks.secrets import Secrets
from domain.provenance import Provenance
from domain.users import ChangeUserStatus, EraseUser
from tests.conftest import Database
from tests.support.jobs import Jobs
from tests.support.waiting import until

ADDRESS = "alice@example.com"
WHO = Provenance(actor="test")


class House:
    """People, a mailbox, and workers. `failures`: so many mails are not taken, with these errors."""

    def __init__(self, database: Database, ledger: Ledger, folder: Path) -> None:
        self.database = database
        self.ledger = ledger
        self.folder = folder
        self.vault = Vault.open(database.url, MasterKeys.parse(generate()))
        self.failures: list[Exception] = []

    def register(self) -> UUID:
        user_id = uuid4()
        new = registration(
            self.vault, user_id, email=ADDRESS, full_name="Alice Jones", password_hash="-"
        )
        self.ledger.submit_and_wait(Submission([new.command], WHO, beside=new.beside))
        return user_id

    def put(self, kind: str, **payload: Any) -> UUID:
        job = NewJob(id=uuid4(), kind=kind, payload=payload, queue="notifications")
        with self.database.connect() as conn:
            put(conn, [job])
        return job.id

    def mail(self, person_id: UUID, template: str = "investment-completed") -> UUID:
        values = {"flow": "investment", "id": "7"}
        return self.put(EMAIL, person_id=str(person_id), template=template, values=values)

    def mails(self) -> list[str]:
        return [path.read_text() for path in sorted(self.folder.glob("*.eml"))]

    def transport(self, message: EmailMessage, mail_id: UUID, written_at: datetime) -> None:
        if self.failures:
            raise self.failures.pop(0)
        mailing.mailbox(self.folder)(message, mail_id, written_at)

    def workers(self) -> Workers:
        def connect() -> psycopg.Connection[Any]:
            return psycopg.connect(self.database.url, autocommit=True)

        deliver = mailing.deliverer(self.transport, "daybook@example.com")
        emailer = Emailer(connect, self.vault, deliver, "https://ledger.example.com")
        deliverer = Deliverer(connect, Secrets(new_key()), Poster(Allowed()).post, Breakers())
        return Workers(
            self.database.url, kinds(deliverer, emailer), concurrency={"notifications": 2}
        )


@pytest.fixture
def house(database: Database, ledger: Ledger, tmp_path: Path) -> House:
    return House(database, ledger, tmp_path / "mailbox")


@pytest.fixture
def jobs(house: House) -> Iterator[Jobs]:
    with house.workers(), house.database.connect() as conn:
        yield Jobs(conn)


def test_a_person_gets_a_mail_without_anything_personal_in_it(house: House, jobs: Jobs) -> None:
    job_id = house.mail(house.register())
    jobs.becomes(job_id, "done")
    assert jobs.of(job_id, "result") == {"sent": True}
    (mail,) = house.mails()
    assert f"To: {ADDRESS}\n" in mail
    assert "Subject: Your investment is complete\n" in mail
    assert "https://ledger.example.com/api/investments/7" in mail
    assert f"Message-ID: <{job_id}@example.com>" in mail
    assert "Jones" not in mail
    with house.database.connect() as conn:
        row = conn.execute("SELECT array_agg(jobs::text) FROM jobs").fetchone()
    assert row is not None
    assert ADDRESS not in str(row), "the job knows who, not where"


def test_who_is_gone_gets_none(house: House, jobs: Jobs) -> None:
    suspended = house.register()
    command = ChangeUserStatus(suspended, "suspended")
    house.ledger.submit_and_wait(Submission([command], WHO))
    with house.database.connect() as conn:
        conn.execute("DELETE FROM user_emails")  # so that another may have the address
    erased = house.register()
    house.ledger.submit_and_wait(Submission([EraseUser(erased)], WHO))
    for person_id in (suspended, erased, uuid4()):
        job_id = house.mail(person_id)
        jobs.becomes(job_id, "done")
        assert jobs.of(job_id, "result")["sent"] is False
    assert house.mails() == []


def test_a_mail_that_is_not_taken_is_tried_again_and_names_nobody(
    house: House, jobs: Jobs, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    house.failures = [OSError(111, f"{ADDRESS} is away"), RuntimeError(ADDRESS)]
    job_id = house.mail(house.register())
    jobs.becomes(job_id, "done")
    assert jobs.outcomes(job_id) == ["external", "external", "done"]
    assert len(house.mails()) == 1
    with house.database.connect() as conn:
        told = conn.execute("SELECT string_agg(error, ' ') FROM job_attempts").fetchone()
    assert told is not None
    assert "not handed over" in told[0]
    assert ADDRESS not in told[0] + caplog.text


def test_a_channel_that_fails_is_nobody_elses_loss(house: House, jobs: Jobs) -> None:
    house.failures = [OSError(111, "away")] * 6
    first = house.mail(house.register())
    until(lambda: jobs.of(first, "attempts") == 1)
    jobs.becomes(first, "dead")
    log = house.put(LOG, type="investment.completed", id="7", values={})
    jobs.becomes(log, "done")
    assert "not handed over" in jobs.of(first, "error")


def test_a_mail_that_nobody_wrote_is_not_tried_again(house: House, jobs: Jobs) -> None:
    job_id = house.mail(house.register(), "nonsense")
    jobs.becomes(job_id, "dead")
    assert jobs.outcomes(job_id) == ["business"]


def test_the_house_hears_in_its_log(
    house: House, jobs: Jobs, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "daybook.notifications")
    for type_ in ("investment.completed", "deposit.needs_operator"):
        values = {"amount": "12.50", "reason": "why"}
        jobs.becomes(house.put(LOG, type=type_, id="7", values=values), "done")
    assert [(r.levelname, r.message) for r in caplog.records if "notif" in r.name] == [
        ("INFO", "investment.completed: 7 (amount 12.50, reason why)"),
        ("WARNING", "deposit.needs_operator: 7 (amount 12.50, reason why)"),
    ]
