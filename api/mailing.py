"""Sends the mail that waits, each at least once: over SMTP, or into a folder of this machine."""

from __future__ import annotations

import asyncio
import logging
import smtplib
import ssl
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit
from uuid import UUID

import psycopg
from msgspec.json import decode
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from application.audit.files import place_new_file
from application.notifications.emailing import Deliver, NotSentError
from application.people.registering import LinkFor, Mail, mail_place
from application.people.vault import Vault
from application.privacy.sealing import open_sealed

if TYPE_CHECKING:  # the command line is spared what a server needs
    from api.state import State

_log = logging.getLogger("daybook.mail")

VERIFY_EMAIL = "verify-email"
"""The purpose of links that prove whose an address is."""

LINK_LIFE_S = 86_400

KEEP = timedelta(days=7)
"""So long it is known that a mail went out, and so long one is tried."""

_LEASE = timedelta(minutes=5)
"""Whoever takes a mail to send it has it for so long alone; more than an exchange with a server takes."""

_PAUSE_S = 1.0
_MAX_BACK_OFF_S = 3600.0
_TIMEOUT_S = 10.0
"""For each answer of a mail server."""

Transport = Callable[[EmailMessage, UUID, datetime], None]
"""Delivers a mail, which has an id and was written at a time; it runs in a thread of its own."""


class MailError(Exception):
    """A mail was not delivered; the message names nobody."""


class _Due(NamedTuple):
    id: UUID
    person_id: UUID
    sealed: str
    created_at: datetime
    tries: int


def link_for(state: State, user_id: UUID) -> LinkFor:
    """Makes the link that proves that an address is the user's, good for a day."""

    def link(mark: str) -> str:
        signer, now = state.gate.signer, datetime.now(UTC)
        token = signer.issue_link(user_id, VERIFY_EMAIL, mark, now, LINK_LIFE_S).token
        return f"{state.policy.public_url}/api/auth/verify-email?token={token}"

    return link


class Mailer:
    """Sends what is in `outgoing_mail`. Several servers share the work: a mail is taken by one."""

    def __init__(
        self,
        pool: AsyncConnectionPool[AsyncConnection[Any]],
        vault: Vault,
        transport: Transport,
        sender: str,
    ) -> None:
        self._pool = pool
        self._vault = vault
        self._transport = transport
        self._sender = sender

    async def run(self) -> None:
        """Send what is due, and look again in a second, until cancelled."""
        while True:
            try:
                now = datetime.now(UTC)
                if not await self.send_one(now):
                    await self.forget(now)
                    await asyncio.sleep(_PAUSE_S)
            except (psycopg.Error, PoolTimeout) as error:
                _log.warning("mail waits for better times: %s", error)
                await asyncio.sleep(_PAUSE_S)

    async def send_one(self, now: datetime) -> bool:
        """Send the mail that is due longest; False when none is. One that is not delivered is tried
        again later and later."""
        async with self._pool.connection() as conn:
            due = await _take(conn, now)
        if due is None:
            return False
        try:
            await self._send(due, now)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other mails go out
            await self._put_off(due, error, now)
        return True

    async def _send(self, due: _Due, now: datetime) -> None:
        async with self._pool.connection() as conn:
            key = (await self._vault.keys(conn, [due.person_id])).get(due.person_id)
            if key is None:  # whoever it was for is erased
                await conn.execute("DELETE FROM outgoing_mail WHERE id = %s", (due.id,))
                return
        mail = decode(open_sealed(key, due.sealed, mail_place(due.id)), type=Mail)
        message = _message(mail, self._sender, due.id, due.created_at)
        # Without a connection, which others need meanwhile, and without a lock: an erasure deletes the
        # row, and must not wait for a mail server.
        await asyncio.to_thread(self._transport, message, due.id, due.created_at)
        async with self._pool.connection() as conn:
            await conn.execute(
                "UPDATE outgoing_mail SET sent_at = %s, sealed = '' WHERE id = %s", (now, due.id)
            )

    async def forget(self, now: datetime) -> int:
        """Delete the rows of mails that went out long ago, or never will; how many."""
        async with self._pool.connection() as conn:
            cursor = await conn.execute(
                "DELETE FROM outgoing_mail WHERE coalesce(sent_at, created_at) < %s", (now - KEEP,)
            )
        return cursor.rowcount

    async def _put_off(self, due: _Due, error: Exception, now: datetime) -> None:
        wait_s = min(30.0 * 2 ** (due.tries - 1), _MAX_BACK_OFF_S)
        async with self._pool.connection() as conn:
            await conn.execute(
                "UPDATE outgoing_mail SET due_at = %s WHERE id = %s",
                (now + timedelta(seconds=wait_s), due.id),
            )
        _log.warning(
            "mail %s is not delivered, and tried again in %.0f s: %s", due.id, wait_s, _told(error)
        )


async def _take(conn: AsyncConnection[Any], now: datetime) -> _Due | None:
    cursor = await conn.execute(
        "UPDATE outgoing_mail SET tries = tries + 1, due_at = %(until)s WHERE id = ("
        " SELECT id FROM outgoing_mail WHERE sent_at IS NULL AND due_at <= %(now)s"
        " ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)"
        " RETURNING id, person_id, sealed, created_at, tries",
        {"now": now, "until": now + _LEASE},
    )
    row = await cursor.fetchone()
    return None if row is None else _Due(*row)


def deliverer(transport: Transport, sender: str) -> Deliver:
    """Hands single mails over, which do not wait in `outgoing_mail`."""

    def deliver(mail: Mail, mail_id: UUID, written_at: datetime) -> None:
        try:
            transport(_message(mail, sender, mail_id, written_at), mail_id, written_at)
        except Exception as error:  # noqa: BLE001 - whatever it is, only so much of it may be told
            raise NotSentError(f"the mail was not handed over: {_told(error)}") from None

    return deliver


def _told(error: Exception) -> str:
    """What of an error may be logged: a mail server's own words may have addresses in them."""
    if isinstance(error, MailError):
        return str(error)
    code = getattr(error, "smtp_code", None) or getattr(error, "errno", None)
    return type(error).__name__ if code is None else f"{type(error).__name__} {code}"


def _message(mail: Mail, sender: str, mail_id: UUID, written_at: datetime) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = mail.to
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(written_at)
    # The same at each attempt: who gets it twice can tell.
    message["Message-ID"] = f"<{mail_id}@{parseaddr(sender)[1].rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    # A long link stays in one piece for who reads the file.
    message.set_content(mail.text, cte="7bit" if mail.text.isascii() else "quoted-printable")
    return message


def transport_to(smtp_url: str | None, data_dir: Path) -> Transport:
    """The one of an installation: without a server, mail is put into the folder `mailbox`."""
    return mailbox(data_dir / "mailbox") if smtp_url is None else over_smtp(smtp_url)


def mailbox(folder: Path) -> Transport:
    """Puts each mail into a file of this folder, which only this user can read."""

    def deliver(message: EmailMessage, mail_id: UUID, created_at: datetime) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / f"{created_at:%Y%m%dT%H%M%SZ}-{mail_id}.eml"
        with suppress(FileExistsError):  # it was put there, and the server died before it said so
            place_new_file(path, message.as_string(policy=_READABLE), mode=0o600)

    return deliver


_READABLE = SMTP.clone(linesep="\n", cte_type="8bit", utf8=True)


def over_smtp(url: str, context: ssl.SSLContext | None = None) -> Transport:
    """Sends by a server: `smtps://` with TLS from the start, `smtp://` with STARTTLS when the server has
    it. A password is never sent without TLS. `context` says which certificates are good."""
    parts = urlsplit(url)
    host, trusted = parts.hostname or "", context or ssl.create_default_context()

    def deliver(message: EmailMessage, mail_id: UUID, created_at: datetime) -> None:
        is_encrypted = parts.scheme == "smtps"
        server: smtplib.SMTP
        if is_encrypted:
            server = smtplib.SMTP_SSL(host, parts.port or 465, timeout=_TIMEOUT_S, context=trusted)
        else:
            server = smtplib.SMTP(host, parts.port or 25, timeout=_TIMEOUT_S)
        with server:
            server.ehlo_or_helo_if_needed()
            if not is_encrypted and server.has_extn("starttls"):
                server.starttls(context=trusted)
                is_encrypted = True
            if parts.username is not None:
                if not is_encrypted:
                    raise MailError("the mail server offers no TLS: use smtps://, or no password")
                server.login(unquote(parts.username), unquote(parts.password or ""))
            server.send_message(message)

    return deliver
