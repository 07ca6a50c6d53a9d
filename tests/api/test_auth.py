"""Logging in and out: what proves who one is, how often it may be tried, and what nobody learns by it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx2
import jwt
import pytest

from application.identity.passwords import Hasher, Verdict
from application.ledger import Ledger
from domain.users import ChangeUserStatus, EraseUser
from tests.api.conftest import problem_of
from tests.conftest import Database
from tests.support.ledgers import accepted
from tests.support.people import bearer
from tests.support.serving import serving
from tests.support.visitors import (
    PASSWORD,
    Login,
    log_in,
    login_of,
    new_email,
    refresh,
    register,
    try_login,
    visiting,
)


@pytest.fixture
def visitor(base_url: str) -> Iterator[httpx2.Client]:
    with visiting(base_url) as client:
        yield client


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """The hashes that passwords were compared with."""
    seen: list[str | None] = []
    verify_sync = Hasher.verify_sync

    def spy(self: Hasher, password: str, stored: str | None) -> Verdict:
        seen.append(stored)
        return verify_sync(self, password, stored)

    monkeypatch.setattr(Hasher, "verify_sync", spy)
    return seen


def claims(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


def me(client: httpx2.Client, login: Login) -> httpx2.Response:
    return client.get("/api/auth/me", headers=login.bearer)


def change_status(database: Database, user_id: str, status: str) -> None:
    with Ledger(database.url) as ledger:
        accepted(ledger, ChangeUserStatus(UUID(user_id), status))


def told(answer: httpx2.Response) -> dict[str, Any]:
    """A problem without what is another each time."""
    body = dict(answer.json())
    for part in (body, body["error"]):
        part.pop("timestamp", None)
    body.pop("correlation_id")
    return body


def test_a_login_is_answered_with_tokens_and_the_user(visitor: httpx2.Client) -> None:
    email = new_email()
    user = register(visitor, email)
    answer = try_login(visitor, email)
    body = answer.json()
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert body["token_type"] == "Bearer"
    assert (body["expires_in"], body["refresh_expires_in"]) == (900, 604_800)
    names = ("id", "email", "full_name", "role", "status")
    assert body["user"] == {name: user[name] for name in names}
    access, refreshing = claims(body["access_token"]), claims(body["refresh_token"])
    assert access["exp"] - access["iat"] == 900
    assert refreshing["exp"] - refreshing["iat"] == 604_800
    assert access["jti"] != refreshing["jti"]
    assert me(visitor, login_of(answer)).json()["email"] == email


def test_a_wrong_password_and_an_unknown_address_are_answered_alike_after_the_same_work(
    visitor: httpx2.Client, verified: list[str | None]
) -> None:
    email = new_email()
    register(visitor, email)
    wrong = try_login(visitor, email, "another password")
    unknown = try_login(visitor, new_email(), PASSWORD)
    problem_of(wrong, 401, "invalid_credentials")
    assert told(wrong) == told(unknown)
    assert len(wrong.content) == len(unknown.content)
    assert len(verified) == 2
    assert verified[0] is not None
    assert verified[1] is None
    verified.clear()
    log_in(visitor, email)
    assert len(verified) == 1


@pytest.mark.parametrize(
    "email", ["", "nobody", "nul\x00@example.com", "x" * 255, "' OR '1'='1", "a@b\n@c"]
)
def test_what_is_no_address_is_answered_as_a_wrong_one(visitor: httpx2.Client, email: str) -> None:
    problem_of(try_login(visitor, email), 401, "invalid_credentials")


@pytest.mark.parametrize("text", ["x" * 256, "a" + "\u0345" * 30_000 + "\u0334" * 30_000])
def test_what_is_too_long_for_an_address_is_not_looked_for(
    visitor: httpx2.Client, text: str
) -> None:
    problem_of(try_login(visitor, text), 400, "invalid_email_format")


def test_an_overlong_password_is_a_wrong_one(visitor: httpx2.Client) -> None:
    email = new_email()
    register(visitor, email)
    problem_of(try_login(visitor, email, "p" * 100_000), 401, "invalid_credentials")


@pytest.mark.parametrize("body", [{}, {"email": "a@example.com"}, {"password": "x"}])
def test_both_are_needed(visitor: httpx2.Client, body: dict[str, str]) -> None:
    problem_of(visitor.post("/api/auth/login", json=body), 400, "missing_fields")


def test_a_form_is_not_taken(visitor: httpx2.Client) -> None:
    form = {"email": "a@example.com", "password": PASSWORD}
    problem_of(visitor.post("/api/auth/login", data=form), 415, "unsupported_media_type")


@pytest.mark.parametrize("status", ["suspended", "deleted"])
def test_only_with_the_right_password_one_learns_that_the_user_is_barred(
    visitor: httpx2.Client, api_database: Database, status: str, verified: list[str | None]
) -> None:
    email = new_email()
    user_id = register(visitor, email)["id"]
    change_status(api_database, user_id, status)
    problem_of(try_login(visitor, email, "another password"), 401, "invalid_credentials")
    problem_of(try_login(visitor, email), 422, "account_inactive")
    assert len(verified) == 2


def test_whoever_was_erased_is_unknown(visitor: httpx2.Client, api_database: Database) -> None:
    email = new_email()
    user_id = register(visitor, email)["id"]
    with Ledger(api_database.url) as ledger:
        accepted(ledger, EraseUser(UUID(user_id)))
    problem_of(try_login(visitor, email), 401, "invalid_credentials")
    assert register(visitor, email)["id"] != user_id


def hash_of(database: Database, user_id: str) -> str:
    with database.connect() as conn:
        row = conn.execute(
            "SELECT password_hash FROM credentials WHERE user_id = %s", (user_id,)
        ).fetchone()
    assert row is not None
    return str(row[0])


def test_a_login_hashes_the_password_anew_when_that_takes_more_work_by_now(
    visitor: httpx2.Client, api_database: Database
) -> None:
    email = new_email()
    user_id = register(visitor, email)["id"]
    weaker = hash_of(api_database, user_id)
    assert weaker.startswith("$argon2id$v=19$m=8,t=1,")
    with (
        serving(api_database.url, projecting=False, ARGON2_TIME_COST=2) as url,
        visiting(url) as other,
    ):
        problem_of(try_login(other, email, "wrong password"), 401, "invalid_credentials")
        assert hash_of(api_database, user_id) == weaker
        log_in(other, email)
        stronger = hash_of(api_database, user_id)
        assert stronger.startswith("$argon2id$v=19$m=8,t=2,")
        log_in(other, email)
        assert hash_of(api_database, user_id) == stronger


def test_guesses_at_a_password_are_limited_by_person_and_address(api_database: Database) -> None:
    limits = {"RATE_LIMIT_LOGIN": "5/minute", "RATE_LIMIT_LOGIN_ADDRESS": "1000/minute"}
    email, other = new_email(), new_email()
    with (
        serving(api_database.url, projecting=False, **limits) as url,
        visiting(url) as visitor,
        visiting(url, "127.0.0.2") as neighbour,
    ):
        register(visitor, email)
        register(visitor, other)
        for _ in range(5):
            problem_of(try_login(visitor, email, "a wrong one"), 401, "invalid_credentials")
        sixth = try_login(visitor, email)
        problem_of(sixth, 429, "rate_limited")
        assert int(sixth.headers["retry-after"]) > 0
        problem_of(try_login(visitor, f" {email.upper()}"), 429, "rate_limited")
        assert try_login(visitor, other).status_code == 200
        assert try_login(neighbour, email).status_code == 200


def test_guesses_from_one_address_are_limited_whoever_they_are_for(api_database: Database) -> None:
    limits = {"RATE_LIMIT_LOGIN": "1000/minute", "RATE_LIMIT_LOGIN_ADDRESS": "3/minute"}
    with (
        serving(api_database.url, projecting=False, **limits) as url,
        visiting(url) as visitor,
        visiting(url, "127.0.0.2") as neighbour,
    ):
        for _ in range(3):
            problem_of(try_login(visitor, new_email()), 401, "invalid_credentials")
        problem_of(try_login(visitor, new_email()), 429, "rate_limited")
        problem_of(try_login(neighbour, new_email()), 401, "invalid_credentials")


def test_one_is_told_who_one_is(visitor: httpx2.Client) -> None:
    email = new_email()
    user = register(visitor, email)
    answer = me(visitor, log_in(visitor, email))
    assert answer.headers["cache-control"] == "no-store"
    shown = dict(answer.json())
    assert shown == {name: user[name] for name in shown}
    assert "password_hash" not in shown


def test_one_learns_what_a_token_is_good_for(visitor: httpx2.Client) -> None:
    email = new_email()
    user = register(visitor, email)
    login = log_in(visitor, email)
    body = visitor.get("/api/auth/validate", headers=login.bearer).json()
    assert (body["user_id"], body["role"]) == (user["id"], "user")
    assert body["session_id"] == claims(login.access)["sid"]
    assert body["expires_at"].endswith("Z")
    assert body["scopes"] == []


def test_a_token_of_nobody_has_no_user(visitor: httpx2.Client) -> None:
    answer = visitor.get("/api/auth/me", headers=bearer())
    problem_of(answer, 404, "user_not_found")


@pytest.mark.parametrize("path", ["me", "validate", "sessions"])
def test_without_an_access_token_nothing_is_told(visitor: httpx2.Client, path: str) -> None:
    email = new_email()
    register(visitor, email)
    login = log_in(visitor, email)
    problem_of(visitor.get(f"/api/auth/{path}"), 401, "unauthorized")
    for text, reason in [
        ("garbled", "invalid_token"),
        (f"{login.access[:-1]}~", "invalid_token"),
        (login.refresh, "invalid_token_type"),
    ]:
        headers = {"Authorization": f"Bearer {text}"}
        problem_of(visitor.get(f"/api/auth/{path}", headers=headers), 401, reason)


def test_a_logout_ends_both_tokens(visitor: httpx2.Client) -> None:
    email = new_email()
    register(visitor, email)
    login, other = log_in(visitor, email), log_in(visitor, email)
    answer = visitor.post("/api/auth/logout", headers=login.bearer)
    assert (answer.status_code, answer.json()) == (200, {"sessions": 1})
    problem_of(me(visitor, login), 401, "token_revoked")
    problem_of(refresh(visitor, login), 401, "token_revoked")
    problem_of(visitor.post("/api/auth/logout", headers=login.bearer), 401, "token_revoked")
    assert me(visitor, other).status_code == 200


def test_a_logout_ends_another_session_of_the_user_too(visitor: httpx2.Client) -> None:
    email, stranger = new_email(), new_email()
    register(visitor, email)
    register(visitor, stranger)
    login, other, strangers = (log_in(visitor, who) for who in (email, email, stranger))

    def log_out(refresh_token: str) -> httpx2.Response:
        body = {"refresh_token": refresh_token}
        return visitor.post("/api/auth/logout", headers=login.bearer, json=body)

    problem_of(log_out(strangers.refresh), 401, "invalid_token")
    problem_of(log_out(other.access), 401, "invalid_token_type")
    assert me(visitor, login).status_code == 200
    assert log_out(other.refresh).json() == {"sessions": 2}
    for one in (login, other):
        problem_of(me(visitor, one), 401, "token_revoked")
    assert me(visitor, strangers).status_code == 200


def test_a_logout_everywhere_ends_all(visitor: httpx2.Client) -> None:
    email = new_email()
    register(visitor, email)
    logins = [log_in(visitor, email) for _ in range(3)]
    answer = visitor.post("/api/auth/logout-all", headers=logins[0].bearer)
    assert (answer.status_code, answer.json()) == (200, {"sessions": 3})
    for login in logins:
        problem_of(me(visitor, login), 401, "token_revoked")
        problem_of(refresh(visitor, login), 401, "token_revoked")
    log_in(visitor, email)
