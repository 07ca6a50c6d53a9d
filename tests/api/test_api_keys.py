"""API keys: shown once, good for their scopes as long as their user is, and known by digests only."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx2
import pytest

from tests.api.conftest import Bank, Json, problem_of, some_id
from tests.conftest import Database
from tests.support.serving import client_of
from tests.support.staff import as_user, make
from tests.support.waiting import until

FAR = (datetime.now(UTC) + timedelta(days=30)).isoformat()


@pytest.fixture
def owner(client: httpx2.Client) -> Json:
    return make(client)


@pytest.fixture
def person(owner: Json, base_url: str) -> Iterator[httpx2.Client]:
    with as_user(base_url, owner) as client:
        yield client


def issue(client: httpx2.Client, *scopes: str, **more: object) -> httpx2.Response:
    body = {"name": "the shop", "scopes": scopes or ["accounts:read"], **more}
    return client.post("/api/api-keys", json=body)


def issued(client: httpx2.Client, *scopes: str, **more: object) -> Json:
    answer = issue(client, *scopes, **more)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def listed(client: httpx2.Client, **asked: str) -> list[Json]:
    answer = client.get("/api/api-keys", params=asked)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])


def uses(base_url: str, key: str, path: str = "/api/accounts") -> httpx2.Response:
    return httpx2.get(f"{base_url}{path}", headers={"X-API-Key": key})


def test_a_key_is_good_at_once(person: httpx2.Client, base_url: str, owner: Json) -> None:
    answer = issue(person, "transfers:read", "accounts:read", "accounts:read")
    key = answer.json()
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["location"] == f"/api/api-keys/{key['id']}"
    assert key["scopes"] == ["accounts:read", "transfers:read"]
    assert (key["user_id"], key["name"], key["expires_at"]) == (owner["id"], "the shop", None)
    assert key["key"].startswith(key["hint"])
    assert uses(base_url, key["key"]).status_code == 200
    bearer = {"Authorization": f"Bearer {key['key']}"}
    assert httpx2.get(f"{base_url}/api/transfers", headers=bearer).status_code == 200
    problem_of(uses(base_url, key["key"], "/api/profile"), 403, "scope_missing")


def test_a_key_is_shown_once_and_kept_nowhere(
    person: httpx2.Client, bank: Bank, owner: Json, api_database: Database
) -> None:
    key = issued(person, expires_at=FAR)
    shown = [key["id"], key["hint"], "the shop"]
    (row,) = listed(person)
    assert [row["id"], row["hint"], row["name"]] == shown
    assert row == {name: row[name] for name in key if name not in ("key", "position")}
    assert person.get(f"/api/api-keys/{key['id']}").json() == row
    path = f"/api/streams/{owner['id']}/events"
    event = bank.get(path, min_position=key["position"])["data"][-1]
    assert event["topic"] == "user.api_key_issued"
    assert event["data"] == {"key_id": key["id"], "name": "the shop", "scopes": ["accounts:read"]}
    secret = key["key"].removeprefix(key["hint"])
    with api_database.connect() as conn:
        tables = conn.execute(
            "SELECT format('%I.%I', schemaname, relname) FROM pg_stat_user_tables"
        ).fetchall()
        for (table,) in tables:
            found = conn.execute(
                f"SELECT count(*) FROM {table} AS row WHERE row::text LIKE %s".encode(),
                (f"%{secret}%",),
            ).fetchone()
            assert found == (0,), table


def test_it_is_written_with_its_event(person: httpx2.Client, api_database: Database) -> None:
    key = issued(person)
    with api_database.connect() as conn:
        assert conn.execute(
            "SELECT e.xmin = k.xmin FROM events AS e JOIN api_keys AS k"
            " ON k.user_id = e.originator_id WHERE e.notification_id = %s AND k.id = %s",
            (key["position"], key["id"]),
        ).fetchone() == (True,)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"scopes": ["everything"]}, "invalid_scope"),
        ({"scopes": ["users:read"]}, "invalid_scope"),
        ({"scopes": ["accounts:read", "audit:read", "ledger:read"]}, "invalid_scope"),
        ({"scopes": []}, "invalid_request"),
        ({"name": ""}, "invalid_name_format"),
        ({"name": None}, "invalid_name_format"),
        ({"expires_at": "2020-01-01"}, "invalid_expiry"),
        ({"expires_at": "soon"}, "invalid_datetime_format"),
        ({"role": "admin"}, "unknown_fields"),
    ],
)
def test_what_is_no_key_is_not_issued(more: Json, reason: str, person: httpx2.Client) -> None:
    """Nor one whose scopes are of no use to its user."""
    problem_of(issue(person, **more), 400, reason)
    assert listed(person) == []


def test_a_key_that_is_shown_once_is_not_repeated(person: httpx2.Client) -> None:
    body = {"name": "k", "scopes": ["accounts:read"]}
    answer = person.post("/api/api-keys", json=body, headers={"Idempotency-Key": "k"})
    problem_of(answer, 400, "invalid_idempotency_key")
    assert listed(person) == []


def test_a_revoked_key_is_refused_at_once(
    person: httpx2.Client, base_url: str, bank: Bank, owner: Json
) -> None:
    key, other = issued(person), issued(person)
    answer = person.delete(f"/api/api-keys/{key['id']}")
    assert answer.status_code == 200
    assert answer.json()["revoked_at"] is not None
    problem_of(uses(base_url, key["key"]), 401, "invalid_api_key")
    assert uses(base_url, other["key"]).status_code == 200
    again = person.delete(f"/api/api-keys/{key['id']}")
    problem_of(again, 404, "api_key_not_found")
    assert [row["revoked_at"] is None for row in listed(person)] == [True, False]
    event = bank.get(f"/api/streams/{owner['id']}/events", min_position=bank.head())["data"][-1]
    assert (event["topic"], event["data"]) == ("user.api_key_revoked", {"key_id": key["id"]})


def test_an_expired_key_is_refused(
    person: httpx2.Client, base_url: str, api_database: Database
) -> None:
    key = issued(person, expires_at=FAR)
    assert uses(base_url, key["key"]).status_code == 200
    with api_database.connect() as conn:
        conn.execute("UPDATE api_keys SET expires_at = now() WHERE id = %s", (key["id"],))
        conn.execute("NOTIFY daybook_access")
    until(lambda: uses(base_url, key["key"]).status_code == 401)
    problem_of(uses(base_url, key["key"]), 401, "invalid_api_key")


def test_another_ones_keys_are_as_if_they_were_not_there(
    person: httpx2.Client, client: httpx2.Client, base_url: str, owner: Json
) -> None:
    key = issued(person)
    path = f"/api/api-keys/{key['id']}"
    with as_user(base_url, make(client)) as other:
        assert listed(other, user_id=owner["id"]) == []
        answers = [other.get(path), other.delete(path)]
    for answer in (*answers, person.delete(f"/api/api-keys/{some_id()}")):
        problem_of(answer, 404, "api_key_not_found")
    assert uses(base_url, key["key"]).status_code == 200


def test_an_administrator_sees_and_revokes_all(
    person: httpx2.Client, client: httpx2.Client, base_url: str, owner: Json
) -> None:
    key = issued(person)
    with client_of(base_url, "auditor") as auditor:
        assert [row["id"] for row in listed(auditor, user_id=owner["id"])] == [key["id"]]
        answer = auditor.delete(f"/api/api-keys/{key['id']}")
        problem_of(answer, 404, "api_key_not_found")
        problem_of(issue(auditor), 403, "insufficient_permissions")
    assert listed(client, user_id=owner["id"]) == listed(person)
    assert client.delete(f"/api/api-keys/{key['id']}").status_code == 200
    problem_of(uses(base_url, key["key"]), 401, "invalid_api_key")
    assert listed(client) == [], "his own"


def test_a_key_ends_when_its_users_role_changes(
    client: httpx2.Client, base_url: str, bank: Bank
) -> None:
    """It was given out for what its user could do then: neither more nor less."""
    user = make(client, "admin")
    with as_user(base_url, user) as person:
        key = issued(person, "users:read", "accounts:read")["key"]
    assert uses(base_url, key, "/api/users").status_code == 200
    asked = client.put(f"/api/users/{user['id']}", json={"role": "support"}).json()
    with client_of(base_url, "admin", UUID(some_id())) as second:
        assert second.post(f"/api/approvals/{asked['id']}/approve").status_code == 200
    until(lambda: uses(base_url, key).status_code == 401)
    problem_of(uses(base_url, key, "/api/users"), 401, "invalid_api_key")
    with as_user(base_url, user) as person:
        assert all(one["revoked_at"] for one in listed(person))


def test_keys_issue_no_keys(person: httpx2.Client, base_url: str) -> None:
    key = issued(person)
    with httpx2.Client(base_url=base_url, headers={"X-API-Key": key["key"]}) as program:
        problem_of(issue(program), 403, "insufficient_permissions")
        problem_of(program.get("/api/api-keys"), 403, "insufficient_permissions")


def test_nobody_has_more_than_fifty(person: httpx2.Client) -> None:
    keys = [issued(person) for _ in range(50)]
    problem_of(issue(person), 422, "too_many_api_keys")
    assert person.delete(f"/api/api-keys/{keys[7]['id']}").status_code == 200
    issued(person)
