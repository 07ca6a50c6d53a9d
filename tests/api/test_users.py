"""Users, as administrators look after them: made, changed, kept out, deleted; personal data masked."""

from __future__ import annotations

from urllib.parse import parse_qsl
from uuid import UUID

import httpx2
import pytest

from application.identity import access
from tests.api.conftest import Bank, Json, problem_of, some_id
from tests.conftest import Database
from tests.support.people import bearer
from tests.support.serving import client_of, serving
from tests.support.staff import STAFF_PASSWORD, as_user, make, user_body
from tests.support.visitors import log_in, new_email, refresh, try_login, visiting

STAFF = ("support", "admin", "auditor", "operator")


def user_of(bank: Bank, user: Json) -> Json:
    """A user as staff see it now."""
    return bank.get(f"/api/users/{user['id']}", min_position=bank.head())


@pytest.mark.parametrize("role", ["user", *STAFF])
def test_an_administrator_makes_users_in_every_role(
    role: str, client: httpx2.Client, base_url: str
) -> None:
    email = new_email()
    answer = client.post(
        "/api/users/admin", json=user_body(role, email.upper(), full_name="Ann Lee")
    )
    assert answer.status_code == 201
    user = answer.json()
    assert (user["role"], user["status"], user["verified"]) == (role, "ACTIVE", False)
    assert (user["email"], user["full_name"]) == ("p***@example.com", "A. L.")
    assert answer.headers["location"] == f"/api/users/{user['id']}"
    assert answer.headers["etag"] == '"1"'
    with visiting(base_url) as visitor:
        login = try_login(visitor, email, STAFF_PASSWORD).json()
    assert login["user"] == {
        "id": user["id"],
        "email": email,
        "full_name": "Ann Lee",
        "role": role,
        "status": "ACTIVE",
    }


@pytest.mark.parametrize(("role", "status"), [("user", 403), ("support", 403), ("auditor", 403)])
def test_others_make_no_users(role: str, status: int, base_url: str) -> None:
    with client_of(base_url, role) as somebody:
        answer = somebody.post("/api/users/admin", json=user_body())
        problem_of(answer, status, "insufficient_permissions")


def test_nobody_makes_no_users(base_url: str) -> None:
    with visiting(base_url) as visitor:
        problem_of(visitor.post("/api/users/admin", json=user_body()), 401, "unauthorized")


@pytest.mark.parametrize(
    ("role", "length", "status"),
    [("user", 7, 400), ("user", 8, 201), *((role, 14, 400) for role in STAFF), ("admin", 15, 201)],
)
def test_staff_have_longer_passwords(
    role: str, length: int, status: int, client: httpx2.Client
) -> None:
    password = "x" * length
    body = user_body(role, password=password, password_confirmation=password)
    answer = client.post("/api/users/admin", json=body)
    assert answer.status_code == status
    if status == 400:
        problem_of(answer, 400, "invalid_password_format")


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"role": "owner"}, "invalid_role"),
        ({"email": "nobody"}, "invalid_email_format"),
        ({"full_name": "A"}, "invalid_name_format"),
        ({"password_confirmation": "another one altogether"}, "invalid_password_format"),
        ({"verified": True}, "unknown_fields"),
        ({"id": "7"}, "invalid_uuid_format"),
    ],
)
def test_a_user_that_is_none_is_not_made(
    wrong: Json, reason: str, client: httpx2.Client, api_database: Database
) -> None:
    with api_database.connect() as conn:
        before = conn.execute("SELECT count(*) FROM user_emails").fetchone()
        problem_of(client.post("/api/users/admin", json=user_body(**wrong)), 400, reason)
        assert conn.execute("SELECT count(*) FROM user_emails").fetchone() == before


def test_an_address_and_an_id_are_given_once(client: httpx2.Client) -> None:
    user = make(client, email="taken@example.com")
    again = client.post("/api/users/admin", json=user_body(email="Taken@Example.com"))
    problem_of(again, 409, "email_already_exists")
    problem_of(client.post("/api/users/admin", json=user_body(id=user["id"])), 422, "id_reused")


def test_a_user_is_made_once_for_a_key_and_its_answer_is_kept_sealed(
    client: httpx2.Client, api_database: Database
) -> None:
    body = user_body(email="kept@example.com", full_name="Kept Sealed")
    first, second = (
        client.post("/api/users/admin", json=body, headers={"Idempotency-Key": "once"})
        for _ in range(2)
    )
    assert second.json() == first.json()
    assert second.headers["idempotent-replayed"] == "true"
    with api_database.connect() as conn:
        (kept,) = conn.execute("SELECT body FROM idempotency_keys WHERE key = 'once'").fetchone()  # type: ignore[misc]
    assert b"sealed:1:" in kept
    assert b"example.com" not in kept


def test_a_user_is_read(client: httpx2.Client, bank: Bank) -> None:
    user = make(client, "support")
    row = user_of(bank, user)
    assert row.items() >= {k: v for k, v in user.items() if k != "recorded_at"}.items()
    assert row["registered_by"] is not None
    assert row["created_at"] == row["updated_at"] == user["recorded_at"]
    path = f"/api/users/{user['id']}"
    assert client.get(path, headers={"If-None-Match": '"1"'}).status_code == 304
    problem_of(client.get(f"/api/users/{some_id()}"), 404, "user_not_found")
    problem_of(client.get("/api/users/7"), 400, "invalid_uuid_format")


def test_a_change_is_made_of_what_is_given(
    client: httpx2.Client, bank: Bank, base_url: str
) -> None:
    email, new = new_email(), "Someone.New@example.com"
    user = make(client, email=email)
    path = f"/api/users/{user['id']}"
    answer = client.put(path, json={"full_name": "Bea Moss", "email": new})
    assert answer.status_code == 200
    assert (answer.json()["full_name"], answer.json()["email"]) == ("B. M.", "s***@example.com")
    assert answer.headers["etag"] == '"3"'
    assert user_of(bank, user)["full_name"] == "B. M."
    with visiting(base_url) as visitor:
        assert try_login(visitor, email, STAFF_PASSWORD).status_code == 401
        assert try_login(visitor, new, STAFF_PASSWORD).json()["user"]["full_name"] == "Bea Moss"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "missing_fields"),
        ({"full_name": None}, "missing_fields"),
        ({"status": "DELETED"}, "invalid_status"),
        ({"status": "active"}, "invalid_status"),
        ({"role": "owner"}, "invalid_role"),
        ({"role": "support", "full_name": "Bea Moss"}, "conflicting_parameters"),
        ({"role": "support", "status": "SUSPENDED"}, "conflicting_parameters"),
        ({"email": "p***@example.com"}, "invalid_email_format"),
        ({"full_name": "A. L."}, "invalid_name_format"),
        ({"password": "x"}, "unknown_fields"),
    ],
)
def test_a_change_that_is_none_is_refused(
    body: Json, reason: str, client: httpx2.Client, bank: Bank
) -> None:
    """What is shown masked comes back by mistake, and is never what was meant."""
    user = make(client)
    problem_of(client.put(f"/api/users/{user['id']}", json=body), 400, reason)
    assert user_of(bank, user)["version"] == 1


def test_of_several_changes_all_are_made_or_none(client: httpx2.Client, bank: Bank) -> None:
    user = make(client)
    path = f"/api/users/{user['id']}"
    both = {"full_name": "Bea Moss", "status": "ACTIVE"}
    problem_of(client.put(path, json=both), 422, "invalid_transition")
    assert user_of(bank, user)["version"] == 1
    changed = client.put(path, json={**both, "status": "SUSPENDED"}).json()
    assert (changed["full_name"], changed["status"], changed["version"]) == (
        "B. M.",
        "SUSPENDED",
        3,
    )


def test_an_address_that_another_has_is_refused_and_nothing_is_changed(
    client: httpx2.Client, bank: Bank, base_url: str
) -> None:
    email = new_email()
    user, other = make(client, email=email), make(client, email="others@example.com")
    answer = client.put(f"/api/users/{user['id']}", json={"email": "Others@example.com"})
    problem_of(answer, 409, "email_already_exists")
    assert user_of(bank, user)["version"] == user_of(bank, other)["version"] == 1
    with visiting(base_url) as visitor:
        assert try_login(visitor, email, STAFF_PASSWORD).status_code == 200


def test_changes_are_made_to_the_version_that_is_named(client: httpx2.Client, bank: Bank) -> None:
    user = make(client)
    path, old = f"/api/users/{user['id']}", {"If-Match": '"1"'}
    assert client.put(path, json={"full_name": "Bea Moss"}, headers=old).status_code == 200
    for method, place, body in (
        ("PUT", path, {"full_name": "Cy Noe"}),
        ("PUT", path, {"role": "support"}),
        ("DELETE", path, None),
        ("POST", f"{path}/suspend", {}),
        ("POST", f"{path}/activate", {}),
    ):
        answer = client.request(method, place, json=body, headers=old)
        assert problem_of(answer, 412, "precondition_failed")["details"]["version"] == 2
    both = {"full_name": "Cy Noe", "status": "SUSPENDED"}
    assert client.put(path, json=both, headers={"If-Match": '"2"'}).status_code == 200
    assert user_of(bank, user)["version"] == 4


def test_a_role_takes_a_second_person(client: httpx2.Client, bank: Bank, base_url: str) -> None:
    email = new_email()
    user, second = make(client, email=email), make(client, "admin")
    answer = client.put(f"/api/users/{user['id']}", json={"role": "support"})
    assert answer.status_code == 202
    approval = answer.json()
    assert answer.headers["location"] == f"/api/approvals/{approval['id']}"
    assert approval["role_change"] == {"user_id": user["id"], "role": "support"}
    assert user_of(bank, user)["role"] == "user"
    with visiting(base_url) as visitor, as_user(base_url, {**second, "id": some_id()}) as other:
        login = log_in(visitor, email, STAFF_PASSWORD)
        assert other.post(f"/api/approvals/{approval['id']}/approve").status_code == 200
        assert user_of(bank, user)["role"] == "support"
        problem_of(visitor.get("/api/profile", headers=login.bearer), 401, "token_revoked")


def test_a_program_asks_for_no_roles(client: httpx2.Client, base_url: str) -> None:
    admin, user = make(client, "admin"), make(client)
    with as_user(base_url, admin) as person:
        body = {"name": "sync", "scopes": ["users:write"]}
        key = person.post("/api/api-keys", json=body).json()["key"]
    with httpx2.Client(base_url=base_url, headers={"X-API-Key": key}) as program:
        path = f"/api/users/{user['id']}"
        answer = program.put(path, json={"role": "admin"})
        problem_of(answer, 403, "insufficient_permissions")
        assert program.put(path, json={"full_name": "Bea Moss"}).status_code == 200


def test_who_is_suspended_is_out_at_once(client: httpx2.Client, bank: Bank, base_url: str) -> None:
    email = new_email()
    user = make(client, "support", email)
    path = f"/api/users/{user['id']}"
    with visiting(base_url) as visitor:
        login = log_in(visitor, email, STAFF_PASSWORD)
        answer = visitor.post(
            "/api/api-keys", json={"name": "k", "scopes": ["accounts:read"]}, headers=login.bearer
        )
        key = {"X-API-Key": answer.json()["key"]}
        assert visitor.get("/api/accounts", headers=key).status_code == 200
        suspended = client.post(f"{path}/suspend", json={"reason": "fraud?"}).json()
        assert suspended["status"] == "SUSPENDED"
        assert (suspended["active"], suspended["suspended"]) == (False, True)
        problem_of(visitor.get("/api/profile", headers=login.bearer), 401, "token_revoked")
        problem_of(visitor.get("/api/accounts", headers=key), 401, "invalid_api_key")
        assert refresh(visitor, login).status_code == 401
        assert try_login(visitor, email, STAFF_PASSWORD).status_code == 422
        problem_of(client.post(f"{path}/suspend"), 422, "invalid_transition")
        activated = client.post(f"{path}/activate").json()
        assert (activated["status"], activated["active"]) == ("ACTIVE", True)
        assert visitor.get("/api/profile", headers=login.bearer).status_code == 401
        assert visitor.get("/api/accounts", headers=key).status_code == 200
        log_in(visitor, email, STAFF_PASSWORD)
    events = bank.get(f"/api/streams/{user['id']}/events", min_position=bank.head())["data"]
    topics = [event["topic"] for event in events]
    assert topics[-2:] == ["user.suspended", "user.activated"]
    assert events[-2]["data"] == {"reason": "fraud?"}


def test_who_is_suspended_by_a_change_is_out_too(client: httpx2.Client, base_url: str) -> None:
    user = make(client)
    with as_user(base_url, user) as person:
        assert person.get("/api/profile").status_code == 200
        changed = client.put(f"/api/users/{user['id']}", json={"status": "SUSPENDED"}).json()
        assert changed["status"] == "SUSPENDED"
        problem_of(person.get("/api/profile"), 401, "token_revoked")


def test_who_is_deleted_is_gone_but_for_the_log(
    client: httpx2.Client, bank: Bank, base_url: str
) -> None:
    email = new_email()
    user = make(client, email=email)
    path = f"/api/users/{user['id']}"
    answer = client.delete(path)
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["deleted"]) == ("DELETED", True)
    position = bank.head()
    problem_of(client.get(path, params={"min_position": position}), 404, "user_not_found")
    for again in (client.delete(path), client.put(path, json={"full_name": "Bea Moss"})):
        problem_of(again, 404, "user_not_found")
    with visiting(base_url) as visitor:
        assert try_login(visitor, email, STAFF_PASSWORD).status_code in (401, 422)
    events = bank.get(f"/api/streams/{user['id']}/events", min_position=position)["data"]
    assert [event["topic"] for event in events] == ["user.registered", "user.deleted"]
    taken = client.post("/api/users/admin", json=user_body(email=email))
    problem_of(taken, 409, "email_already_exists")


@pytest.mark.parametrize(
    ("method", "below", "body"),
    [
        ("DELETE", "", None),
        ("POST", "/suspend", {}),
        ("PUT", "", {"status": "SUSPENDED"}),
        ("PUT", "", {"role": "user"}),
        ("POST", "/erase", {}),
    ],
)
def test_nobody_puts_himself_out(
    method: str, below: str, body: Json | None, client: httpx2.Client, base_url: str
) -> None:
    admin = make(client, "admin")
    with as_user(base_url, admin) as person:
        answer = person.request(method, f"/api/users/{admin['id']}{below}", json=body)
        problem_of(answer, 403, "insufficient_permissions")
        assert person.get("/api/profile").json()["status"] == "ACTIVE"


def test_staff_see_no_personal_data(client: httpx2.Client, bank: Bank, base_url: str) -> None:
    user = make(client, email="very.personal@example.com", full_name="Verena Personal")
    position = bank.head()
    with client_of(base_url, "auditor", UUID(some_id())) as auditor:
        for path in (
            "/api/users?page_size=100",
            "/api/users/keyset?limit=100",
            "/api/users/role/user?page_size=100",
            f"/api/users/{user['id']}",
            f"/api/streams/{user['id']}/events",
            f"/api/streams/{user['id']}/state",
            "/api/events?topic=user.registered&limit=1000",
            f"/api/audit?stream_id={user['id']}",
        ):
            path, _, query = path.partition("?")
            shown = Bank(auditor).get(path, **dict(parse_qsl(query)), min_position=position)
            assert user["id"] in str(shown), path
            for secret in ("very.personal", "Verena", "sealed:1:"):
                assert secret not in str(shown), path


def test_changes_of_users_that_are_not_there_are_refused(client: httpx2.Client) -> None:
    path = f"/api/users/{some_id()}"
    for answer in (
        client.put(path, json={"full_name": "Bea Moss"}),
        client.put(path, json={"status": "SUSPENDED"}),
        client.put(path, json={"role": "support"}),
        client.delete(path),
        client.post(f"{path}/suspend"),
        client.post(f"{path}/activate"),
        client.post(f"{path}/erase"),
    ):
        problem_of(answer, 404, "user_not_found")


def test_an_account_is_no_user(client: httpx2.Client, bank: Bank) -> None:
    account = bank.open()
    answer = client.put(f"/api/users/{account}", json={"status": "SUSPENDED"})
    problem_of(answer, 404, "user_not_found")
    answer = client.get(f"/api/users/{account}/disclosures", headers=bearer())
    problem_of(answer, 404, "user_not_found")


def test_this_server_does_not_wait_until_it_is_told(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no news come in, it knows all the same what it has done itself."""
    monkeypatch.setattr(access, "CHANNEL", "where_nobody_speaks")
    monkeypatch.setattr(access, "_READ_S", 3600.0)
    monkeypatch.setattr(access, "_CURRENT_S", 3600.0)
    with serving(database.url) as url, client_of(url) as admin:
        user = make(admin)
        path = f"/api/users/{user['id']}"
        with as_user(url, user) as person:
            body = {"name": "k", "scopes": ["accounts:read"]}
            key = person.post("/api/api-keys", json=body).json()
            program = {"X-API-Key": key["key"]}
            assert httpx2.get(f"{url}/api/accounts", headers=program).status_code == 200
            assert person.delete(f"/api/api-keys/{key['id']}").status_code == 200
            refused = httpx2.get(f"{url}/api/accounts", headers=program)
            problem_of(refused, 401, "invalid_api_key")
            assert admin.post(f"{path}/suspend").status_code == 200
            problem_of(person.get("/api/profile"), 401, "token_revoked")
            assert admin.post(f"{path}/activate").status_code == 200
            assert person.get("/api/profile").status_code == 200
            assert admin.put(path, json={"status": "SUSPENDED"}).status_code == 200
            problem_of(person.get("/api/profile"), 401, "token_revoked")
            assert admin.post(f"{path}/activate").status_code == 200
            assert admin.delete(path).status_code == 200
            problem_of(person.get("/api/profile"), 401, "token_revoked")
