"""One's own profile: seen in clear, changed by oneself, with a password that only its owner changes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import httpx2
import pytest

from tests.api.conftest import Bank, Json, problem_of
from tests.conftest import Database
from tests.support.people import bearer
from tests.support.serving import serving
from tests.support.staff import STAFF_PASSWORD, as_user, make
from tests.support.visitors import (
    PASSWORD,
    Login,
    log_in,
    new_email,
    refresh,
    register,
    try_login,
    visiting,
)

NEW = "another password"


@pytest.fixture
def visitor(base_url: str) -> Iterator[httpx2.Client]:
    with visiting(base_url) as client:
        yield client


@pytest.fixture
def email(visitor: httpx2.Client) -> str:
    """The address of somebody who has registered."""
    email = new_email()
    register(visitor, email)
    return email


@pytest.fixture
def login(visitor: httpx2.Client, email: str) -> Login:
    return log_in(visitor, email)


def profile(client: httpx2.Client, login: Login) -> Json:
    answer = client.get("/api/profile", headers=login.bearer)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def change(client: httpx2.Client, login: Login, **body: object) -> httpx2.Response:
    return client.put("/api/profile", json=body, headers=login.bearer)


def change_password(
    client: httpx2.Client, login: Login, current: str = PASSWORD, new: str = NEW, **more: object
) -> httpx2.Response:
    body = {
        "current_password": current,
        "new_password": new,
        "password_confirmation": new,
        **more,
    }
    return client.put("/api/profile/password", json=body, headers=login.bearer)


@pytest.mark.parametrize("role", ["user", "support", "admin", "auditor", "operator"])
def test_everybody_sees_himself_in_clear(role: str, client: httpx2.Client, base_url: str) -> None:
    email = new_email()
    user = make(client, role, email)
    with as_user(base_url, user) as person:
        answer = person.get("/api/profile")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["etag"] == '"1"'
    shown = answer.json()
    assert (shown["id"], shown["role"]) == (user["id"], role)
    assert (shown["email"], shown["full_name"]) == (email, "Ann Lee")


def test_nobody_has_no_profile(visitor: httpx2.Client) -> None:
    problem_of(visitor.get("/api/profile"), 401, "unauthorized")
    stranger = visitor.get("/api/profile", headers=bearer("user"))
    problem_of(stranger, 404, "user_not_found")


def test_a_name_is_changed_and_seen_at_once(visitor: httpx2.Client, login: Login) -> None:
    answer = change(visitor, login, full_name="Bea Moss")
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["full_name"] == "Bea Moss"
    assert profile(visitor, login)["full_name"] == "Bea Moss"


def test_a_new_address_is_verified_anew(
    visitor: httpx2.Client, email: str, login: Login, api_database: Database
) -> None:
    user_id = profile(visitor, login)["id"]
    with api_database.connect() as conn:
        mails = "SELECT id FROM outgoing_mail WHERE person_id = %s"
        before = set(conn.execute(mails, (user_id,)))
        changed = change(visitor, login, email=" New.Address@Example.com ").json()
        after = set(conn.execute(mails, (user_id,)))
    assert (changed["email"], changed["verified"]) == ("new.address@example.com", False)
    assert len(after - before) == 1
    assert try_login(visitor, email).status_code == 401
    log_in(visitor, "new.address@example.com")
    register(visitor, email)  # which nobody has any more


def test_an_address_that_is_sent_back_with_the_name_is_as_it_was(
    visitor: httpx2.Client, email: str, login: Login
) -> None:
    changed = change(visitor, login, full_name="Carol Smith", email=email.upper())
    assert changed.status_code == 200, changed.text
    assert changed.json()["full_name"] == "Carol Smith"
    assert changed.json()["version"] == 2, "the name alone was changed"


def test_a_new_address_takes_the_place_of_a_mail_that_waits(database: Database) -> None:
    waits = {"SMTP_URL": "smtp://127.0.0.1:9"}
    with serving(database.url, projecting=False, **waits) as url, visiting(url) as visitor:
        email = new_email()
        register(visitor, email)
        login = log_in(visitor, email)
        with database.connect() as conn:
            waiting = "SELECT id FROM outgoing_mail WHERE sent_at IS NULL"
            seen = set(conn.execute(waiting))
            for _ in range(3):
                assert change(visitor, login, email=new_email()).status_code == 200
                (mail,) = conn.execute(waiting)
                assert mail not in seen
                seen.add(mail)


def test_addresses_are_not_tried_out_one_after_the_other(database: Database) -> None:
    with (
        serving(database.url, projecting=False, RATE_LIMIT_LOGIN="3/hour") as url,
        visiting(url) as visitor,
    ):
        email, taken = new_email(), new_email()
        for one in (email, taken):
            register(visitor, one)
        login = log_in(visitor, email)
        for _ in range(3):
            problem_of(change(visitor, login, email=taken), 409, "email_already_exists")
        problem_of(change(visitor, login, email=taken), 429, "rate_limited")
        assert change(visitor, login, full_name="Bea Moss").status_code == 200


@pytest.mark.parametrize("field", ["role", "status", "active", "verified", "suspended", "deleted"])
def test_what_others_decide_about_one_is_not_changed(
    field: str, visitor: httpx2.Client, login: Login
) -> None:
    answer = change(visitor, login, full_name="Bea Moss", **{field: "admin"})
    problem_of(answer, 403, "insufficient_permissions")
    assert profile(visitor, login)["version"] == 1


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "missing_fields"),
        ({"full_name": None, "email": None}, "missing_fields"),
        ({"full_name": "B"}, "invalid_name_format"),
        ({"email": "nobody"}, "invalid_email_format"),
        ({"password": NEW}, "unknown_fields"),
        ({"id": "7"}, "unknown_fields"),
    ],
)
def test_a_change_that_is_none_is_refused(
    body: Json, reason: str, visitor: httpx2.Client, login: Login
) -> None:
    problem_of(change(visitor, login, **body), 400, reason)
    assert profile(visitor, login)["version"] == 1


def test_an_address_that_another_has_is_refused(visitor: httpx2.Client, login: Login) -> None:
    taken = new_email()
    register(visitor, taken)
    problem_of(change(visitor, login, email=taken.upper()), 409, "email_already_exists")
    assert profile(visitor, login)["version"] == 1


def test_a_profile_is_changed_at_the_version_that_is_named(
    visitor: httpx2.Client, login: Login
) -> None:
    headers = login.bearer | {"If-Match": '"1"'}
    first, second = (
        visitor.put("/api/profile", json={"full_name": "Bea Moss"}, headers=headers)
        for _ in range(2)
    )
    assert first.status_code == 200
    problem_of(second, 412, "precondition_failed")


def test_a_new_password_takes_the_place_of_the_old_one(
    visitor: httpx2.Client, email: str, login: Login, bank: Bank
) -> None:
    other = log_in(visitor, email)
    answer = change_password(visitor, login)
    assert answer.status_code == 200
    assert answer.json()["email"] == email
    assert try_login(visitor, email).status_code == 401
    log_in(visitor, email, NEW)
    problem_of(visitor.get("/api/profile", headers=other.bearer), 401, "token_revoked")
    assert refresh(visitor, other).status_code == 401
    assert profile(visitor, login)["version"] == 2
    assert refresh(visitor, login).status_code == 200
    stream = f"/api/streams/{answer.json()['id']}/events"
    event = bank.get(stream, min_position=answer.json()["position"])["data"][-1]
    assert (event["topic"], event["data"]) == ("user.password_changed", {})


def test_it_is_written_with_its_event(
    visitor: httpx2.Client, login: Login, api_database: Database
) -> None:
    position = change_password(visitor, login).json()["position"]
    with api_database.connect() as conn:
        assert conn.execute(
            "SELECT e.xmin = c.xmin FROM events AS e JOIN credentials AS c"
            " ON c.user_id = e.originator_id WHERE e.notification_id = %s",
            (position,),
        ).fetchone() == (True,)


@pytest.mark.parametrize(
    ("more", "status", "reason"),
    [
        ({"current": "not that one"}, 401, "invalid_credentials"),
        ({"new": PASSWORD}, 400, "invalid_password_format"),
        ({"password_confirmation": "another"}, 400, "invalid_password_format"),
        ({"new": "seven c"}, 400, "invalid_password_format"),
        ({"new": " " * 20}, 400, "invalid_password_format"),
        ({"role": "admin"}, 400, "unknown_fields"),
    ],
)
def test_a_password_that_is_not_to_be_changed_stays(
    more: Json, status: int, reason: str, visitor: httpx2.Client, email: str, login: Login
) -> None:
    problem_of(change_password(visitor, login, **more), status, reason)
    log_in(visitor, email)
    assert profile(visitor, login)["version"] == 1


def test_staff_keep_long_passwords(client: httpx2.Client, visitor: httpx2.Client) -> None:
    email = new_email()
    make(client, "support", email)
    login = log_in(visitor, email, STAFF_PASSWORD)
    answer = change_password(visitor, login, STAFF_PASSWORD, "fourteen chars")
    problem_of(answer, 400, "invalid_password_format")
    answer = change_password(visitor, login, STAFF_PASSWORD, "fifteen letters, and more")
    assert answer.status_code == 200


def test_of_changes_at_once_one_is_made(visitor: httpx2.Client, email: str, login: Login) -> None:
    together = Barrier(4)

    def one(number: int) -> tuple[str, httpx2.Response]:
        new = f"password number {number}"
        together.wait(30)
        return new, change_password(visitor, login, new=new)

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(one, range(4)))
    (won,) = [new for new, answer in answers if answer.status_code == 200]
    lost = {answer.json()["reason"] for new, answer in answers if new != won}
    assert lost <= {"already_processed", "invalid_credentials"}
    log_in(visitor, email, won)


def test_the_current_password_is_not_to_be_guessed(database: Database) -> None:
    with (
        serving(database.url, projecting=False, RATE_LIMIT_LOGIN="3/hour") as url,
        visiting(url) as visitor,
    ):
        email = new_email()
        register(visitor, email)
        login = log_in(visitor, email)
        for _ in range(3):
            problem_of(change_password(visitor, login, "a guess"), 401, "invalid_credentials")
        problem_of(change_password(visitor, login), 429, "rate_limited")
        assert profile(visitor, login)["email"] == email


def test_a_program_sees_the_profile_and_changes_nothing_of_it(
    visitor: httpx2.Client, login: Login
) -> None:
    body = {"name": "k", "scopes": ["profile:read"]}
    issued = visitor.post("/api/api-keys", json=body, headers=login.bearer)
    key = Login(issued.json()["key"], "")
    assert profile(visitor, key)["full_name"] == "Ann Lee"
    for answer in (change(visitor, key, full_name="Bea Moss"), change_password(visitor, key)):
        problem_of(answer, 403, "insufficient_permissions")
