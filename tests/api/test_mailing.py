"""The mailer: mail is sealed until it is sent, sent at least once, and holds up nobody."""

from __future__ import annotations

import asyncio
import logging
import smtplib
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from threading import Event
from typing import Any, TypeVar
from uuid import UUID, uuid4

import pytest
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from api.mailing import KEEP, Mailer, MailError, Transport, mailbox, over_smtp, transport_to
from application.ledger import Ledger, Submission
from application.people.registering import registration
from application.people.vault import Vault
from application.privacy.master_keys import MasterKeys
from domain.users import EraseUser
from tests.conftest import Database
from tests.support.ledgers import WHO, accepted
from tests.support.people import ENCRYPTION_KEY
from tests.support.smtp import Certificate, mail_server, make_certificate
from tests.support.visitors import mails

T = TypeVar("T")

SENDER = "Daybook <daybook@ledger.example>"


class Waiting:
    """Mail that waits for people that the log has, and a clock that is told the time."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.vault = Vault.open(database.url, MasterKeys.parse(ENCRYPTION_KEY))
        self.now = datetime.now(UTC) + timedelta(minutes=1)

    def add(self, email: str = "person@example.com") -> UUID:
        """The id of a new user to whom a mail is to go."""
        user_id = uuid4()
        prepared = registration(
            self.vault,
            user_id,
            email=email,
            full_name="Ann Lee",
            password_hash="",
            mail_id=uuid4(),
            link_for=lambda mark: f"http://127.0.0.1/{mark}",
        )
        with Ledger(self.database.url) as ledger:
            ledger.submit(Submission([prepared.command], WHO, beside=prepared.beside)).result(30)
        return user_id

    def send(self, transport: Transport) -> int:
        """Send all that is due; how many were tried."""

        async def send_all(mailer: Mailer) -> int:
            tried = 0
            while await mailer.send_one(self.now):
                tried += 1
            return tried

        return self._with(transport, send_all)

    def forget(self) -> int:
        return self._with(accept, lambda mailer: mailer.forget(self.now))

    def rows(self) -> list[tuple[str, int, datetime | None]]:
        """What is sealed, how often it was tried, when it was sent."""
        with self.database.connect() as conn:
            return conn.execute(
                "SELECT sealed, tries, sent_at FROM outgoing_mail ORDER BY created_at"
            ).fetchall()

    def _with(self, transport: Transport, work: Callable[[Mailer], Awaitable[T]]) -> T:
        async def run() -> T:
            pool: AsyncConnectionPool[AsyncConnection[Any]] = AsyncConnectionPool(
                self.database.url, min_size=1, open=False, kwargs={"autocommit": True}
            )
            async with pool:
                return await work(Mailer(pool, self.vault, transport, SENDER))

        return asyncio.run(run())


@pytest.fixture
def waiting(database: Database) -> Waiting:
    return Waiting(database)


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return make_certificate(tmp_path)


def accept(message: EmailMessage, mail_id: UUID, created_at: datetime) -> None:
    """Every mail is fine."""


def fail(message: EmailMessage, mail_id: UUID, created_at: datetime) -> None:
    recipient = str(message["To"])
    raise smtplib.SMTPRecipientsRefused({recipient: (550, f"no {recipient} here".encode())})


def test_a_mail_waits_sealed_and_leaves_nothing_behind_when_it_is_sent(
    waiting: Waiting, tmp_path: Path
) -> None:
    waiting.add()
    ((sealed, tries, sent_at),) = waiting.rows()
    assert sealed.startswith("sealed:1:")
    assert (tries, sent_at) == (0, None)
    assert waiting.send(mailbox(tmp_path / "mailbox")) == 1
    assert waiting.rows() == [("", 1, waiting.now)]
    assert waiting.send(mailbox(tmp_path / "mailbox")) == 0
    (mail,) = mails(tmp_path)
    assert (mail["From"], mail["To"]) == (SENDER, "person@example.com")
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"].endswith("@ledger.example>")


def test_a_mail_that_fails_is_tried_again_later_and_later(
    waiting: Waiting, caplog: pytest.LogCaptureFixture
) -> None:
    waiting.add()
    begin = waiting.now
    with caplog.at_level(logging.WARNING):
        for wait_s in (0, 30, 60, 120):
            waiting.now += timedelta(seconds=max(wait_s - 1, 0))
            assert waiting.send(fail) == (wait_s == 0)
            if wait_s:
                waiting.now += timedelta(seconds=1)
                assert waiting.send(fail) == 1
    assert waiting.now == begin + timedelta(seconds=210)
    ((sealed, tries, sent_at),) = waiting.rows()
    assert (bool(sealed), tries, sent_at) == (True, 4, None)
    assert "person@example.com" not in caplog.text
    assert "SMTPRecipientsRefused" in caplog.text
    waiting.now += timedelta(hours=1)
    assert waiting.send(accept) == 1


def test_one_that_fails_holds_up_no_other(waiting: Waiting) -> None:
    waiting.add("bad@example.com")
    waiting.add("good@example.com")
    sent: list[str] = []

    def deliver(message: EmailMessage, mail_id: UUID, created_at: datetime) -> None:
        if message["To"] == "bad@example.com":
            raise OSError(111, "refused")
        sent.append(message["To"])

    assert waiting.send(deliver) == 2
    assert sent == ["good@example.com"]


def test_what_cannot_be_opened_holds_up_no_other(waiting: Waiting, database: Database) -> None:
    waiting.add()
    with database.connect() as conn:
        conn.execute("UPDATE outgoing_mail SET sealed = 'sealed:1:AAAA'")
    waiting.add("good@example.com")
    assert waiting.send(accept) == 2
    assert [sent_at for _, _, sent_at in waiting.rows()] == [None, waiting.now]


def test_while_one_is_sent_nobody_else_sends_it_and_an_erasure_need_not_wait(
    waiting: Waiting, database: Database
) -> None:
    user_id = waiting.add()
    began, go_on = Event(), Event()

    def slow(message: EmailMessage, mail_id: UUID, created_at: datetime) -> None:
        began.set()
        assert go_on.wait(60)

    async def meanwhile() -> None:
        sending = asyncio.create_task(asyncio.to_thread(waiting.send, slow))
        try:
            assert await asyncio.to_thread(began.wait, 60)
            assert await asyncio.to_thread(waiting.send, fail) == 0
            with Ledger(database.url) as ledger:
                await asyncio.to_thread(accepted, ledger, EraseUser(user_id))
        finally:
            go_on.set()
        assert await sending == 1

    asyncio.run(meanwhile())
    assert waiting.rows() == []


def test_a_mail_whose_sender_died_is_sent_by_another(waiting: Waiting) -> None:
    waiting.add()

    def die(message: EmailMessage, mail_id: UUID, created_at: datetime) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        waiting.send(die)
    assert waiting.send(accept) == 0
    waiting.now += timedelta(minutes=5)
    assert waiting.send(accept) == 1


def test_nothing_goes_out_to_who_is_erased(waiting: Waiting, database: Database) -> None:
    user_id = waiting.add()
    with database.connect() as conn:
        conn.execute("DELETE FROM person_keys WHERE person_id = %s", (user_id,))
    assert waiting.send(fail) == 1
    assert waiting.rows() == []


def test_rows_of_long_ago_are_removed(waiting: Waiting, database: Database) -> None:
    waiting.add()
    with database.connect() as conn:
        conn.execute("UPDATE outgoing_mail SET created_at = created_at - interval '30 days'")
    waiting.send(accept)
    waiting.add("another@example.com")
    waiting.send(fail)
    waiting.now += KEEP - timedelta(minutes=10)
    assert waiting.forget() == 0
    waiting.now += timedelta(minutes=20)
    assert waiting.forget() == 2


def test_a_mail_that_was_put_down_before_is_there_once(waiting: Waiting, tmp_path: Path) -> None:
    deliver = mailbox(tmp_path / "mailbox")

    def twice(message: EmailMessage, mail_id: UUID, created_at: datetime) -> None:
        deliver(message, mail_id, created_at)
        deliver(message, mail_id, created_at)

    waiting.add()
    waiting.send(twice)
    assert len(mails(tmp_path)) == 1


def test_without_a_server_mail_goes_into_a_folder(waiting: Waiting, tmp_path: Path) -> None:
    waiting.add()
    waiting.send(transport_to(None, tmp_path))
    assert len(mails(tmp_path)) == 1


def test_mail_goes_out_through_a_server(waiting: Waiting, tmp_path: Path) -> None:
    with mail_server() as server:
        waiting.add()
        assert waiting.send(transport_to(f"smtp://127.0.0.1:{server.port}", tmp_path)) == 1
    (mail,) = server.mails
    assert b"To: person@example.com\r\n" in mail
    assert "rcpt to:<person@example.com>" in [command.lower() for command in server.commands]
    assert waiting.rows() == [("", 1, waiting.now)]


def test_a_server_that_refuses_is_asked_again_and_its_words_are_not_logged(
    waiting: Waiting, caplog: pytest.LogCaptureFixture
) -> None:
    with mail_server() as server, caplog.at_level(logging.WARNING):
        server.refusing = True
        waiting.add()
        deliver = over_smtp(f"smtp://127.0.0.1:{server.port}")
        assert waiting.send(deliver) == 1
        assert "person@example.com" not in caplog.text
        server.refusing = False
        waiting.now += timedelta(minutes=1)
        assert waiting.send(deliver) == 1
    assert len(server.mails) == 1


def deliver_by(url: str, context: ssl.SSLContext | None = None) -> None:
    message = EmailMessage()
    message["From"], message["To"] = SENDER, "person@example.com"
    message.set_content("Hello.")
    over_smtp(url, context)(message, uuid4(), datetime.now(UTC))


def test_tls_is_used_when_the_server_has_it(certificate: Certificate) -> None:
    with mail_server(certificate) as server:
        deliver_by(f"smtp://ann:p%40ss@127.0.0.1:{server.port}", certificate.client)
    assert len(server.mails) == 1
    assert server.commands[:2] == ["ehlo " + server.commands[0][5:], "STARTTLS"]
    assert server.encrypted == server.commands[2:]
    assert any(command.startswith("AUTH") for command in server.encrypted)


def test_tls_may_begin_at_once(certificate: Certificate) -> None:
    with mail_server(certificate, tls_at_once=True) as server:
        deliver_by(f"smtps://ann:secret@127.0.0.1:{server.port}", certificate.client)
    assert len(server.mails) == 1
    assert server.encrypted == server.commands


def test_a_server_that_nobody_vouches_for_gets_nothing(certificate: Certificate) -> None:
    with mail_server(certificate) as server:
        with pytest.raises(ssl.SSLCertVerificationError):
            deliver_by(f"smtp://127.0.0.1:{server.port}")
        assert server.mails == []


def test_a_password_is_never_sent_in_clear() -> None:
    with mail_server() as server:
        with pytest.raises(MailError, match="smtps://"):
            deliver_by(f"smtp://ann:secret@127.0.0.1:{server.port}")
        assert not any(command.startswith("AUTH") for command in server.commands)
        assert server.mails == []
