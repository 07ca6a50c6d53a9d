"""Lists of users: by number of page, one after the other, in an order, of some kind, and counted."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx2
import pytest

from domain.users import ROLES
from tests.api.conftest import Bank, Json, problem_of, some_id
from tests.conftest import MakeDatabase
from tests.support.serving import client_of, serving
from tests.support.staff import make

SUSPENDED, DELETED = 1, 2
CROWD = ("user", "user", "user", "support", "admin", "auditor", "user")
"""Roles, in the order of registration. The second one is suspended, the third one deleted."""


class Crowd:
    """Some users, and a client that may list them."""

    def __init__(self, bank: Bank) -> None:
        self.bank = bank
        self.users = [make(bank.client, role) for role in CROWD]
        self.suspend(self.users[SUSPENDED])
        assert bank.client.delete(f"/api/users/{self.users[DELETED]['id']}").status_code == 200

    def suspend(self, user: Json) -> None:
        assert self.bank.client.post(f"/api/users/{user['id']}/suspend").status_code == 200

    @property
    def ids(self) -> list[str]:
        """Of those that are not deleted, the last registered first."""
        kept = [user["id"] for number, user in enumerate(self.users) if number != DELETED]
        return kept[::-1]

    def get(self, path: str = "", **asked: object) -> Json:
        return self.bank.get(f"/api/users{path}", min_position=self.bank.head(), **asked)

    def found(self, path: str = "", **asked: object) -> list[str]:
        return [user["id"] for user in self.get(path, **asked)["data"]]


@pytest.fixture(scope="module")
def crowd(make_database: MakeDatabase) -> Iterator[Crowd]:
    with make_database() as database, serving(database.url) as url, client_of(url) as client:
        yield Crowd(Bank(client))


def test_pages_are_numbered_and_counted(crowd: Crowd) -> None:
    first, second, behind = (crowd.get(page=number, page_size=4) for number in (1, 2, 3))
    assert [user["id"] for user in first["data"] + second["data"]] == crowd.ids
    assert first["pagination"] == {
        "page": 1,
        "page_size": 4,
        "total_count": 6,
        "total_pages": 2,
        "has_next": True,
        "has_prev": False,
    }
    assert (second["pagination"]["has_next"], second["pagination"]["has_prev"]) == (False, True)
    assert (behind["data"], behind["pagination"]["total_count"]) == ([], 6)


def test_a_page_has_twenty_rows_and_at_most_a_hundred(crowd: Crowd) -> None:
    assert crowd.get()["pagination"]["page_size"] == 20
    assert crowd.get(page_size=500)["pagination"]["page_size"] == 100


def test_filters_are_all_met(crowd: Crowd) -> None:
    users = [user["id"] for user in crowd.users]
    assert crowd.found(status="SUSPENDED", role="user") == [users[SUSPENDED]]
    assert crowd.found(status="SUSPENDED", role="admin") == []
    assert crowd.found(status="DELETED") == [users[DELETED]]
    assert crowd.found(role="user", status="ACTIVE") == [users[6], users[0]]
    assert crowd.found(verified=True) == []
    assert crowd.found("/role/user") == [users[6], users[SUSPENDED], users[0]]
    assert crowd.found("/keyset", role="support") == [users[3]]
    at = crowd.users[3]["recorded_at"]
    assert crowd.found(**{"from": at}) == users[:2:-1]
    assert crowd.found(to=at) == [users[1], users[0]]


@pytest.mark.parametrize("name", ["created_at", "inserted_at"])
def test_both_names_give_the_same_order(name: str, crowd: Crowd) -> None:
    assert crowd.found(sort=f"{name}:asc") == crowd.ids[::-1]
    assert crowd.found(sort=f"{name}:desc") == crowd.found() == crowd.ids


def test_several_fields_make_an_order(crowd: Crowd) -> None:
    rows = crowd.get(sort="role:asc,created_at:desc")["data"]
    expected = sorted(rows, key=lambda user: user["created_at"], reverse=True)
    assert rows == sorted(expected, key=lambda user: user["role"])
    assert [user["role"] for user in rows] == ["admin", "auditor", "support", *["user"] * 3]


def test_every_user_is_met_once_whoever_registers_meanwhile(crowd: Crowd) -> None:
    expected, met, cursor = crowd.ids, [], None
    while True:
        page = crowd.get("/keyset", limit=2, **({} if cursor is None else {"cursor": cursor}))
        met += [user["id"] for user in page["data"]]
        crowd.users.append(make(crowd.bank.client))
        cursor = page["next_cursor"]
        if not page["has_more"]:
            break
    assert met == expected
    assert cursor is None, "it was an exact multiple of the limit"


def test_a_list_goes_on_after_a_place_that_is_spelled_out(crowd: Crowd) -> None:
    page = crowd.get("/keyset", limit=2)
    last = page["data"][-1]
    place = json.dumps({"inserted_at": last["created_at"], "id": last["id"]})
    assert crowd.found("/keyset", cursor=place) == crowd.found(
        "/keyset", cursor=page["next_cursor"]
    )
    for wrong in ("x", "{}", json.dumps({"inserted_at": last["created_at"], "id": some_id()})):
        answer = crowd.bank.client.get("/api/users/keyset", params={"cursor": wrong})
        problem_of(answer, 400, "invalid_cursor")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("?sort=email:asc", "invalid_sort"),
        ("?sort=role:up", "invalid_sort"),
        ("?status=GONE", "invalid_status"),
        ("?role=owner", "invalid_role"),
        ("?page=0", "invalid_request"),
        ("?page_size=0", "invalid_request"),
        ("?offset=1", "unknown_fields"),
        ("/keyset?limit=101", "invalid_request"),
        ("/role/owner", "invalid_role"),
        ("/role/user?status=ACTIVE", "unknown_fields"),
    ],
)
def test_what_no_list_can_be_asked_for_is_refused(path: str, reason: str, crowd: Crowd) -> None:
    problem_of(crowd.bank.client.get(f"/api/users{path}"), 400, reason)


def test_users_are_counted(crowd: Crowd) -> None:
    rows = crowd.get(page_size=100)["data"]
    roles = [user["role"] for user in rows]
    assert crowd.get("/stats") == {
        "total_users": len(rows),
        "active_users": sum(user["active"] for user in rows),
        "admin_users": roles.count("admin"),
        "suspended_users": sum(user["suspended"] for user in rows),
        "deleted_users": len(crowd.found(status="DELETED")),
        "verified_users": 0,
        "by_role": {role: roles.count(role) for role in ROLES},
    }
    assert crowd.get("/stats")["deleted_users"] == crowd.get("/stats")["suspended_users"] == 1


@pytest.mark.parametrize("role", ["user", "support", "operator"])
def test_lists_are_for_administrators_and_auditors(role: str, crowd: Crowd) -> None:
    url = str(crowd.bank.client.base_url)
    with client_of(url, role) as somebody:
        for path in ("", "/keyset", "/stats", "/role/user"):
            answer = somebody.get(f"/api/users{path}")
            problem_of(answer, 403, "insufficient_permissions")


def test_nobody_has_no_lists(crowd: Crowd) -> None:
    with httpx2.Client(base_url=crowd.bank.client.base_url) as nobody:
        problem_of(nobody.get("/api/users"), 401, "unauthorized")
