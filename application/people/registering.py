"""Makes of what a person says the commands and the rows that a user begins with, or changes by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import UUID

from msgspec import Struct
from msgspec.json import encode
from psycopg import AsyncConnection, Connection

from application.people.vault import Vault
from application.privacy import person_keys
from application.privacy.sealing import place, seal
from domain import users
from domain.refusals import Refusal
from domain.users import ChangeProfile, RegisterUser, mark_of
from domain.versions import Expected

Beside = Callable[[Connection[Any]], None]

LinkFor = Callable[[str], str]
"""The link that verifies an address, from its mark (`domain.users.mark_of`)."""


class Prepared(NamedTuple):
    """A command, and what is written to ordinary tables in its transaction."""

    command: users.Command
    beside: Beside


class Mail(Struct, frozen=True):
    """A mail as it waits to be sent, sealed for its person."""

    to: str
    subject: str
    text: str


def registration(
    vault: Vault,
    user_id: UUID,
    *,
    email: str,
    full_name: str,
    password_hash: str,
    role: str = "user",
    by: UUID | None = None,
    mail_id: UUID | None = None,
    link_for: LinkFor | None = None,
) -> Prepared:
    """A new user. With `link_for` and `mail_id` a mail goes out that asks to verify the address.

    Its `beside` refuses `email_already_exists`.
    """
    key = person_keys.new(user_id)
    sealed = vault.seal(key.key, user_id, "email", email)
    command = RegisterUser(
        user_id, sealed, vault.seal(key.key, user_id, "full_name", full_name), role, by
    )
    mail = _verification(email, sealed, link_for) if link_for is not None else None

    def beside(conn: Connection[Any]) -> None:
        person_keys.keep(conn, vault.masters, key)
        _take_email(conn, vault, user_id, email)
        keep_password(conn, user_id, password_hash)
        if mail is not None and mail_id is not None:
            _post(conn, mail_id, user_id, key.key, mail)

    return Prepared(command, beside)


def profile_change(
    vault: Vault,
    user_id: UUID,
    key: bytes,
    *,
    email: str | None,
    full_name: str | None,
    expected: Expected = None,
    mail_id: UUID | None = None,
    link_for: LinkFor | None = None,
) -> Prepared:
    """New texts of a user, whose `key` is given; None leaves as it is. The mail to a new address takes
    the place of those that still wait: whoever changes often sends no more for it.

    Its `beside` refuses `email_already_exists`.
    """
    sealed = None if email is None else vault.seal(key, user_id, "email", email)
    name = None if full_name is None else vault.seal(key, user_id, "full_name", full_name)
    mail = None
    if email is not None and sealed is not None and link_for is not None:
        mail = _verification(email, sealed, link_for)

    def beside(conn: Connection[Any]) -> None:
        if email is None:
            return
        conn.execute("DELETE FROM user_emails WHERE user_id = %s", (user_id,))
        _take_email(conn, vault, user_id, email)
        conn.execute(_FORGET_WAITING, (user_id,))
        if mail is not None and mail_id is not None:
            _post(conn, mail_id, user_id, key, mail)

    return Prepared(ChangeProfile(user_id, name, sealed, expected), beside)


def keep_password(conn: Connection[Any], user_id: UUID, password_hash: str) -> None:
    """Put a new password's hash in the place of the one before."""
    conn.execute(
        "INSERT INTO credentials (user_id, password_hash) VALUES (%s, %s) ON CONFLICT (user_id)"
        " DO UPDATE SET password_hash = excluded.password_hash, changed_at = clock_timestamp()",
        (user_id, password_hash),
    )


async def ask_again(
    conn: AsyncConnection[Any],
    mail_id: UUID,
    user_id: UUID,
    key: bytes,
    *,
    email: str,
    sealed_email: str,
    link_for: LinkFor,
) -> None:
    """Put another mail that asks to verify the address in the place of those that still wait."""
    mail = _verification(email, sealed_email, link_for)
    async with conn.transaction():
        await conn.execute(_FORGET_WAITING, (user_id,))
        await conn.execute(_POST, (mail_id, user_id, _sealed(mail, mail_id, key)))


def mail_place(mail_id: UUID) -> str:
    """What a waiting mail is sealed for."""
    return place(mail_id, "mail", "content")


def _take_email(conn: Connection[Any], vault: Vault, user_id: UUID, email: str) -> None:
    taken = conn.execute(
        "INSERT INTO user_emails (email_index, user_id) VALUES (%s, %s) ON CONFLICT DO NOTHING",
        (vault.index.email(email), user_id),
    )
    if taken.rowcount == 0:
        raise Refusal("email_already_exists")


def _verification(email: str, sealed: str, link_for: LinkFor) -> Mail:
    link = link_for(mark_of(sealed))
    return Mail(
        email,
        "Confirm your e-mail address",
        "Somebody, hopefully you, has given this address to Daybook.\n\n"
        f"Open this link within a day to confirm that it is yours:\n\n{link}\n\n"
        "If it was not you, do nothing: without this the address counts as unconfirmed.\n",
    )


_FORGET_WAITING = "DELETE FROM outgoing_mail WHERE person_id = %s AND sent_at IS NULL"
_POST = "INSERT INTO outgoing_mail (id, person_id, kind, sealed) VALUES (%s, %s, 'verify', %s)"


def _post(conn: Connection[Any], mail_id: UUID, user_id: UUID, key: bytes, mail: Mail) -> None:
    conn.execute(_POST, (mail_id, user_id, _sealed(mail, mail_id, key)))


def _sealed(mail: Mail, mail_id: UUID, key: bytes) -> str:
    return seal(key, encode(mail).decode(), mail_place(mail_id))
