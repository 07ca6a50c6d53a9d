"""Guessing at passwords, many at once: it is counted out, and nobody else is kept waiting by it."""

from __future__ import annotations

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from application.identity.passwords import Hasher, Verdict
from tests.api.conftest import Bank, problem_of
from tests.conftest import Database
from tests.support.serving import client_of, serving
from tests.support.visitors import log_in, new_email, register, try_login, visiting
from tests.support.waiting import until

GUESSES = 10_000
AT_A_TIME = 500
ALLOWED = 10

PLACES = 66
"""Two passwords are looked at at once, and 64 may wait."""


def guess(url: str, email: str, count: int) -> tuple[int, int]:
    """Send wrong passwords without waiting for answers; how many were looked at, and how many refused
    as too many."""
    host, port = url.removeprefix("http://").split(":")
    requests = []
    for number in range(count):
        body = json.dumps({"email": email, "password": f"guess {number}"}).encode()
        last = b"Connection: close\r\n" if number == count - 1 else b""
        requests.append(
            b"POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            + last
            + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )
    with socket.create_connection((host, int(port))) as sock, sock.makefile("rb") as answers:
        sock.sendall(b"".join(requests))
        found = answers.read()
    return found.count(b"HTTP/1.1 401"), found.count(b"HTTP/1.1 429")


def test_ten_thousand_wrong_passwords_are_ten_and_harm_nobody_else(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: dict[str, Any] = {
        "FEATURE_SECURITY_AUDIT": True,
        "RATE_LIMIT_LOGIN": f"{ALLOWED}/year",
        "RATE_LIMIT_LOGIN_ADDRESS": "1000000/year",
    }
    looked_at = []
    verify_sync = Hasher.verify_sync

    def spy(self: Hasher, password: str, stored: str | None) -> Verdict:
        looked_at.append(password)
        return verify_sync(self, password, stored)

    hammered, other = new_email(), new_email()
    with (
        serving(database.url, **limits) as url,
        visiting(url) as visitor,
        visiting(url, "127.0.0.2") as neighbour,
        ThreadPoolExecutor(2) as threads,
    ):
        register(visitor, hammered)
        register(visitor, other)
        monkeypatch.setattr(Hasher, "verify_sync", spy)
        shares = [AT_A_TIME] * (GUESSES // AT_A_TIME)
        guessing = [threads.submit(guess, url, hammered, share) for share in shares]
        login = log_in(neighbour, other)
        works = 0
        while works < 20 or not all(one.done() for one in guessing):
            answer = neighbour.get("/api/profile", headers=login.bearer)
            assert answer.status_code == 200, answer.text
            works += 1
        tried, refused = map(sum, zip(*(one.result() for one in guessing), strict=True))
        assert (tried, refused) == (ALLOWED, GUESSES - ALLOWED)
        assert len(looked_at) == ALLOWED + 1, "and one that was right"
        problem_of(try_login(visitor, hammered), 429, "rate_limited")
        log_in(visitor, other)
        log_in(neighbour, hammered)


def test_passwords_that_are_looked_at_keep_nobody_else_waiting(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_go_on, inside = threading.Event(), []

    def held(self: Hasher, password: str, stored: str | None) -> Verdict:
        inside.append(password)
        assert may_go_on.wait(60)
        return Verdict(False, None)

    with serving(database.url) as url, client_of(url) as client, ThreadPoolExecutor(80) as threads:
        bank = Bank(client)
        cash, account = bank.open("cash"), bank.open()
        monkeypatch.setattr(Hasher, "verify_sync", held)

        def log_in_once(number: int) -> httpx2.Response:
            with visiting(url) as visitor:
                return try_login(visitor, f"guessed-{number}@example.com", "a guess")

        logins = [threads.submit(log_in_once, number) for number in range(80)]
        try:
            # Those that find no place are told so at once.
            until(lambda: sum(login.done() for login in logins) == len(logins) - PLACES)
            for login in [login for login in logins if login.done()]:
                problem_of(login.result(), 503, "service_unavailable")
            assert len(inside) == 2
            for _ in range(20):
                assert client.get("/api/health").status_code == 200
                assert bank.move(cash, account, "1.00").status_code == 201
            assert bank.account(account)["balance"] == "20.00"
            assert len(inside) == 2, "none was done meanwhile"
        finally:
            may_go_on.set()
        answers = [login.result().status_code for login in logins]
        assert (answers.count(401), answers.count(503)) == (PLACES, len(logins) - PLACES)
