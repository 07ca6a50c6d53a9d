"""Passwords: the same work for everybody, never more of it at once than was allowed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import argon2
import pytest

from application.identity.errors import HasherBusyError
from application.identity.passwords import Hasher, Verdict, check_strength
from domain.refusals import Refusal

PASSWORD = "correct horse battery"


@pytest.fixture
def hasher() -> Iterator[Hasher]:
    hasher = Hasher(1, 8, 1)
    yield hasher
    hasher.close()


class Work:
    """Stands before argon2: counts verifications, and lets none through while `held`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = self.now = self.most = 0
        self.parameters: list[argon2.Parameters] = []
        self.go_on = threading.Event()
        self.go_on.set()
        lock, verify = threading.Lock(), argon2.PasswordHasher.verify

        def counted(argon: Any, stored: str, secret: bytes) -> bool:
            with lock:
                self.count += 1
                self.now += 1
                self.most = max(self.most, self.now)
                self.parameters.append(argon2.extract_parameters(stored))
            self.go_on.wait()
            try:
                return verify(argon, stored, secret)
            finally:
                with lock:
                    self.now -= 1

        monkeypatch.setattr(argon2.PasswordHasher, "verify", counted)


def test_a_password_is_right_or_wrong(hasher: Hasher) -> None:
    async def run() -> None:
        stored = await hasher.hash(PASSWORD)
        assert stored.startswith("$argon2id$")
        assert await hasher.hash(PASSWORD) != stored
        assert await hasher.verify(PASSWORD, stored) == Verdict(True, None)
        assert await hasher.verify(PASSWORD + " ", stored) == Verdict(False, None)

    asyncio.run(run())


def test_the_command_line_does_without_a_loop(hasher: Hasher) -> None:
    stored = hasher.hash_sync(PASSWORD)
    assert hasher.verify_sync(PASSWORD, stored).ok
    assert not hasher.verify_sync("another", stored).ok


def test_a_character_is_the_same_however_it_was_typed(hasher: Hasher) -> None:
    assert hasher.verify_sync("cafe\u0301 au lait", hasher.hash_sync("caf\u00e9 au lait")).ok


@pytest.mark.parametrize("password", [PASSWORD, "", "\ud800", "x" * 2000, "\u20ac" * 400])
def test_the_work_is_the_same_for_a_user_that_is_not_there(
    hasher: Hasher, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    stored = hasher.hash_sync("another")
    work = Work(monkeypatch)
    assert not hasher.verify_sync(password, stored).ok
    assert not hasher.verify_sync(password, None).ok
    assert work.parameters == [argon2.extract_parameters(stored)] * 2


def test_too_much_of_a_password_is_not_hashed(hasher: Hasher) -> None:
    with pytest.raises(Refusal, match="invalid_password_format"):
        hasher.hash_sync("\u20ac" * 400)


def test_a_hash_with_older_parameters_is_made_anew(hasher: Hasher) -> None:
    old = Hasher(1, 8, 1).hash_sync(PASSWORD)
    raised = Hasher(2, 16, 1)
    verdict = raised.verify_sync(PASSWORD, old)
    assert verdict.ok
    assert verdict.rehash is not None
    assert raised.verify_sync(PASSWORD, verdict.rehash) == Verdict(True, None)
    assert raised.verify_sync("another", old) == Verdict(False, None)


def test_no_more_work_at_once_than_was_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    hasher = Hasher(1, 8, 1, at_once=2, waiting=3)
    work = Work(monkeypatch)
    work.go_on.clear()

    async def run() -> None:
        attempts = [asyncio.create_task(hasher.verify(PASSWORD, None)) for _ in range(5)]
        while work.now < 2:
            await asyncio.sleep(0.001)
        with pytest.raises(HasherBusyError):
            await hasher.verify(PASSWORD, None)
        work.go_on.set()
        assert await asyncio.gather(*attempts) == [Verdict(False, None)] * 5
        assert not (await hasher.verify(PASSWORD, None)).ok

    asyncio.run(run())
    hasher.close()
    assert (work.most, work.count) == (2, 6)


def test_who_gives_up_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    hasher = Hasher(1, 8, 1, at_once=1, waiting=1)
    work = Work(monkeypatch)
    work.go_on.clear()

    async def run() -> None:
        first = asyncio.create_task(hasher.verify(PASSWORD, None))
        given_up = asyncio.create_task(hasher.verify(PASSWORD, None))
        while work.now < 1:
            await asyncio.sleep(0.001)
        given_up.cancel()
        await asyncio.wait([given_up])
        third = asyncio.create_task(hasher.verify(PASSWORD, None))
        await asyncio.sleep(0)
        work.go_on.set()
        await asyncio.gather(first, third)

    asyncio.run(run())
    hasher.close()
    assert work.count == 2


@pytest.mark.parametrize(
    ("password", "role"),
    [
        ("12345678", "user"),
        ("x" * 128, "user"),
        ("e\u0301" * 128, "user"),
        ("123456789012345", "admin"),
        ("123456789012345", "operator"),
    ],
)
def test_passwords_that_are_strong_enough(password: str, role: str) -> None:
    check_strength(password, role)


@pytest.mark.parametrize(
    ("password", "role", "at_least"),
    [
        ("1234567", "user", 8),
        ("e\u0301" * 7, "user", 8),
        ("12345678901234", "admin", 15),
        ("12345678901234", "support", 15),
        ("12345678901234", "auditor", 15),
        ("x" * 129, "user", 8),
        ("x" * 100_000, "user", 8),
        (" \t\u00a0" * 5, "user", 8),
        ("1234567\0", "user", 8),
    ],
)
def test_passwords_that_are_not(password: str, role: str, at_least: int) -> None:
    with pytest.raises(Refusal, match="invalid_password_format") as refused:
        check_strength(password, role)
    assert refused.value.details["at_least"] == at_least
