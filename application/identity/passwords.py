"""Passwords: hashed with argon2id beside the event loop, within a bound of memory."""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar
from unicodedata import normalize
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from psycopg import AsyncConnection

from application.identity.errors import HasherBusyError
from domain.refusals import Refusal

_Result = TypeVar("_Result")

MIN_LENGTH = 8
MIN_LENGTH_OF_STAFF = 15
"""Of every role but `user`: such a login opens more than its own accounts."""

MAX_LENGTH = 128

_MAX_BYTES = 1024
"""More than `MAX_LENGTH` characters can have."""


class Verdict(NamedTuple):
    """`rehash`: what to keep in place of the hash, when that was made with other parameters."""

    ok: bool
    rehash: str | None


class Hasher:
    """Hashes and verifies, `at_once` passwords at a time; each takes `memory_kib` while it works.

    At most `waiting` more wait for their turn: one above that raises `HasherBusyError`. The `_sync`
    methods work in the caller's thread and ask nobody: they are for the command line.
    """

    def __init__(
        self,
        time_cost: int = 3,
        memory_kib: int = 65536,
        parallelism: int = 4,
        at_once: int = 2,
        waiting: int = 64,
    ) -> None:
        self._argon2 = PasswordHasher(time_cost, memory_kib, parallelism)
        self._nobody = _hash_of_nothing(self._argon2)
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="daybook-passwords")
        self._places = at_once + waiting
        self._inside = 0

    async def hash(self, password: str) -> str:
        """The hash to keep.

        Raises `Refusal("invalid_password_format")` over 1024 bytes, and `HasherBusyError`.
        """
        return await self._beside(lambda: self.hash_sync(password))

    async def verify(self, password: str, stored: str | None) -> Verdict:
        """Whether it is the password. It takes as long when there is none (`stored` is None).

        Raises `HasherBusyError`, and `argon2.exceptions.InvalidHashError` when `stored` is no hash.
        """
        return await self._beside(lambda: self.verify_sync(password, stored))

    def hash_sync(self, password: str) -> str:
        """As `hash`, in this thread."""
        secret = _secret(password)
        if secret is None:
            raise _unfit(f"It has more than {_MAX_BYTES} bytes.", MIN_LENGTH)
        return self._argon2.hash(secret)

    def verify_sync(self, password: str, stored: str | None) -> Verdict:
        """As `verify`, in this thread."""
        secret = _secret(password)
        if stored is None or secret is None:
            stored, secret = self._nobody, b""
        try:
            self._argon2.verify(stored, secret)
        except VerifyMismatchError:
            return Verdict(False, None)
        outdated = self._argon2.check_needs_rehash(stored)
        return Verdict(True, self._argon2.hash(secret) if outdated else None)

    def close(self) -> None:
        """Let those who wait finish, and take no more."""
        self._threads.shutdown()

    async def _beside(self, work: Callable[[], _Result]) -> _Result:
        if self._inside >= self._places:
            raise HasherBusyError("too many passwords wait to be checked: try again in a moment")
        self._inside += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._inside -= 1


async def keep_rehash(conn: AsyncConnection[Any], user_id: UUID, stored: str, rehash: str) -> None:
    """Keep the same password's new hash, unless the password was changed since."""
    await conn.execute(
        "UPDATE credentials SET password_hash = %s WHERE user_id = %s AND password_hash = %s",
        (rehash, user_id, stored),
    )


def check_strength(password: str, role: str) -> None:
    """Refuse what is too short for the role, too long, or blank: `invalid_password_format`."""
    at_least = MIN_LENGTH if role == "user" else MIN_LENGTH_OF_STAFF
    if len(password) > _MAX_BYTES or len(text := normalize("NFC", password)) > MAX_LENGTH:
        raise _unfit(f"It has more than {MAX_LENGTH} characters.", at_least)
    if len(text) < at_least:
        raise _unfit(f"It has fewer than {at_least} characters.", at_least)
    if text.isspace():
        raise _unfit("It has nothing but white space.", at_least)
    if "\0" in text:
        raise _unfit("It has a NUL character.", at_least)


def _unfit(why: str, at_least: int) -> Refusal:
    return Refusal("invalid_password_format", why=why, at_least=at_least, at_most=MAX_LENGTH)


def _secret(password: str) -> bytes | None:
    """What is hashed: the same for all ways to type a character. None when there is too much of it."""
    if len(password) > _MAX_BYTES:
        return None
    # Half a character may come out of JSON; it is as good as any in a password.
    secret = normalize("NFC", password).encode("utf-8", "surrogatepass")
    return secret if len(secret) <= _MAX_BYTES else None


def _hash_of_nothing(argon2: PasswordHasher) -> str:
    """A hash that takes as much work to verify as a real one, and that no password has."""

    def random(size: int) -> str:
        return base64.b64encode(secrets.token_bytes(size)).rstrip(b"=").decode()

    return (
        f"$argon2id$v=19$m={argon2.memory_cost},t={argon2.time_cost},p={argon2.parallelism}"
        f"${random(argon2.salt_len)}${random(argon2.hash_len)}"
    )
