"""Sessions over the API: refresh tokens are good once, and what has ended is refused everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx2
import pytest

from application.identity.api_keys import keep, new_key
from application.identity.sessions import Session
from application.identity.tokens import Signer
from application.ledger import Ledger
from domain.users import ChangeRole, ChangeUserStatus, Command
from tests.api.conftest import problem_of
from tests.conftest import Database
from tests.support.ledgers import accepted
from tests.support.people import JWT_SECRET, bearer
from tests.support.serving import serving
from tests.support.visitors import (
    Login,
    log_in,
    login_of,
    new_email,
    refresh,
    register,
    try_login,
    visiting,
)
from tests.support.waiting import until


@pytest.fixture
def visitor(base_url: str) -> Iterator[httpx2.Client]:
    with visiting(base_url) as client:
        yield client


@pytest.fixture
def login(visitor: httpx2.Client) -> Login:
    email = new_email()
    register(visitor, email)
    return log_in(visitor, email)


def status_of(client: httpx2.Client, login: Login) -> int:
    return client.get("/api/auth/me", headers=login.bearer).status_code


def submit(database: Database, command: Command) -> None:
    with Ledger(database.url) as ledger:
        accepted(ledger, command)


def test_a_refresh_token_gets_new_tokens_once(visitor: httpx2.Client, login: Login) -> None:
    answer = refresh(visitor, login)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 900)
    new = login_of(answer)
    assert new.refresh != login.refresh
    assert status_of(visitor, new) == 200
    problem_of(refresh(visitor, login), 401, "token_revoked")


def test_a_refresh_token_that_comes_back_ends_all_that_came_of_it(
    visitor: httpx2.Client, login: Login
) -> None:
    new = login_of(refresh(visitor, login))
    problem_of(refresh(visitor, login), 401, "token_revoked")
    problem_of(refresh(visitor, new), 401, "token_revoked")
    assert status_of(visitor, new) == 401
    assert status_of(visitor, login) == 401


def test_of_many_refreshes_at_once_one_succeeds_at_most_and_none_lives_on(
    base_url: str, login: Login
) -> None:
    def one(_: int) -> httpx2.Response:
        with visiting(base_url) as client:
            return refresh(client, login)

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(one, range(8)))
    good = [answer for answer in answers if answer.status_code == 200]
    assert len(good) == 1
    for answer in answers:
        if answer is not good[0]:
            problem_of(answer, 401, "token_revoked")
    with visiting(base_url) as client:
        problem_of(refresh(client, login_of(good[0])), 401, "token_revoked")
        assert status_of(client, login_of(good[0])) == 401


@pytest.mark.parametrize("text", ["", "no token", "a.b", "a.b.c.d", 5, "ey.ü.x"])
def test_what_is_no_token_is_told_so(visitor: httpx2.Client, text: object) -> None:
    answer = visitor.post("/api/auth/refresh", json={"refresh_token": text})
    problem_of(answer, 400, "invalid_refresh_token_format")


def test_other_tokens_refresh_nothing(visitor: httpx2.Client, login: Login) -> None:
    signer, now = Signer([JWT_SECRET]), datetime.now(UTC)
    session = Session(uuid4(), uuid4(), uuid4(), now + timedelta(days=1))
    over = session._replace(expires_at=now - timedelta(seconds=1))
    stranger = Signer(["x" * 64])
    for text, status, reason in [
        (login.access, 401, "invalid_token_type"),
        (signer.issue_refresh(session, now).token, 404, "token_not_found"),
        (signer.issue_refresh(over, now - timedelta(days=1)).token, 401, "token_expired"),
        (stranger.issue_refresh(session, now).token, 401, "invalid_token"),
        (f"{login.refresh[:-43]}{'A' * 43}", 401, "invalid_token"),
    ]:
        answer = visitor.post("/api/auth/refresh", json={"refresh_token": text})
        problem_of(answer, status, reason)
    assert refresh(visitor, login).status_code == 200


def test_a_refresh_gives_the_role_that_the_user_has_by_now(
    visitor: httpx2.Client, api_database: Database
) -> None:
    email = new_email()
    user_id = register(visitor, email)["id"]
    before = log_in(visitor, email)
    submit(api_database, ChangeRole(UUID(user_id), "support"))
    problem_of(refresh(visitor, before), 401, "token_revoked")
    answer = refresh(visitor, log_in(visitor, email))
    shown = visitor.get("/api/auth/validate", headers=login_of(answer).bearer)
    assert shown.json()["role"] == "support"


def test_a_session_that_outlived_its_users_right_ends_with_the_next_refresh(
    visitor: httpx2.Client, login: Login, api_database: Database
) -> None:
    with api_database.connect() as conn:
        user_id = visitor.get("/api/auth/me", headers=login.bearer).json()["id"]
        conn.execute("UPDATE user_access SET status = 'suspended' WHERE user_id = %s", (user_id,))
    problem_of(refresh(visitor, login), 422, "account_inactive")
    assert status_of(visitor, login) == 401
    with api_database.connect() as conn:
        open_still = "SELECT FROM sessions WHERE user_id = %s AND ended_at IS NULL"
        assert conn.execute(open_still, (user_id,)).fetchall() == []


def test_one_sees_ones_open_sessions_and_ends_one_of_them(visitor: httpx2.Client) -> None:
    email, stranger = new_email(), new_email()
    register(visitor, email)
    register(visitor, stranger)
    here, there, strangers = (log_in(visitor, who) for who in (email, email, stranger))
    page = visitor.get("/api/auth/sessions", headers=here.bearer).json()
    assert (page["next_cursor"], page["has_more"]) == (None, False)
    (other,) = [row for row in page["data"] if not row["current"]]
    assert len(page["data"]) == 2
    assert set(other) == {"id", "created_at", "used_at", "expires_at", "current"}

    def end(session_id: str, login: Login) -> httpx2.Response:
        return visitor.delete(f"/api/auth/sessions/{session_id}", headers=login.bearer)

    problem_of(end(other["id"], strangers), 404, "session_not_found")
    assert end(other["id"], here).json() == {"sessions": 1}
    problem_of(end(other["id"], here), 404, "session_not_found")
    problem_of(end("7", here), 400, "invalid_uuid_format")
    assert status_of(visitor, there) == 401
    assert status_of(visitor, here) == 200
    page = visitor.get("/api/auth/sessions", headers=here.bearer).json()
    assert [row["current"] for row in page["data"]] == [True]


def test_what_ends_on_one_server_is_refused_by_all(database: Database) -> None:
    email = new_email()
    with (
        serving(database.url) as one,
        serving(database.url, projecting=False) as another,
        visiting(one) as here,
        visiting(another) as there,
    ):
        user_id = register(here, email)["id"]
        login = log_in(here, email)
        assert status_of(there, login) == 200
        here.post("/api/auth/logout", headers=login.bearer)
        assert status_of(here, login) == 401
        until(lambda: status_of(there, login) == 401)
        problem_of(refresh(there, login), 401, "token_revoked")

        login = log_in(there, email)
        submit(database, ChangeUserStatus(UUID(user_id), "suspended"))
        until(lambda: status_of(here, login) == 401)
        until(lambda: status_of(there, login) == 401)
        problem_of(refresh(here, login), 401, "token_revoked")
        problem_of(try_login(there, email), 422, "account_inactive")

        submit(database, ChangeUserStatus(UUID(user_id), "active"))
        until(lambda: status_of(here, log_in(here, email)) == 200)
        assert status_of(here, login) == 401


def test_what_is_over_is_removed_by_the_server(database: Database) -> None:
    now = datetime.now(UTC)
    over, open_still = now - timedelta(days=1), now + timedelta(days=1)
    with database.connect() as conn:
        for until_ in [over, over, open_still]:
            conn.execute(
                "INSERT INTO sessions VALUES (%s, %s, %s, %s, %s, %s)",
                (uuid4(), uuid4(), uuid4(), over - timedelta(days=7), over, until_),
            )
            conn.execute("INSERT INTO revocations VALUES (%s, %s)", (uuid4(), until_))

        def counts() -> tuple[object, ...] | None:
            return conn.execute(
                "SELECT (SELECT count(*) FROM sessions), (SELECT count(*) FROM revocations)"
            ).fetchone()

        assert counts() == (3, 3)
        with serving(database.url, projecting=False):
            until(lambda: counts() == (1, 1))


def test_a_session_that_is_not_there_cannot_be_ended(visitor: httpx2.Client) -> None:
    answer = visitor.post("/api/auth/logout", headers=bearer("operator"))
    problem_of(answer, 401, "token_revoked")


def test_a_program_has_a_user_and_no_sessions(
    visitor: httpx2.Client, api_database: Database
) -> None:
    user_id = register(visitor)["id"]
    key = new_key()
    with api_database.connect() as conn:
        keep(conn, key, UUID(user_id), "reader", ["profile:read"], None)

    def ask(method: str, name: str) -> httpx2.Response:
        return visitor.request(method, f"/api/auth/{name}", headers={"X-API-Key": key.text})

    until(lambda: ask("GET", "me").status_code == 200)
    assert ask("GET", "me").json()["id"] == user_id
    told = ask("GET", "validate").json()
    assert (told["session_id"], told["expires_at"]) == (None, None)
    assert told["scopes"] == ["profile:read"]
    for method, name in [("POST", "logout"), ("POST", "logout-all"), ("GET", "sessions")]:
        problem_of(ask(method, name), 403, "insufficient_permissions")
