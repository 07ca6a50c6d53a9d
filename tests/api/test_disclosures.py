"""Disclosures: personal data in clear, for a purpose that is in the log before they are shown."""

from __future__ import annotations

import httpx2
import pytest

from tests.api.conftest import Bank, Json, problem_of, some_id
from tests.support.people import ADMIN
from tests.support.serving import client_of
from tests.support.staff import make

BOTH = {"fields": ["email", "full_name"], "purpose": "court order 7"}


def disclose(client: httpx2.Client, user: Json, **more: object) -> httpx2.Response:
    return client.post(f"/api/users/{user['id']}/disclosures", json={**BOTH, **more})


def test_what_is_asked_for_is_shown_and_noted(client: httpx2.Client, bank: Bank) -> None:
    user = make(client, email="shown@example.com", full_name="Sue Shown")
    answer = disclose(client, user)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    both = answer.json()
    assert (both["email"], both["full_name"]) == ("shown@example.com", "Sue Shown")
    one = disclose(client, user, fields=["email", "email"], purpose="a call back").json()
    assert (one["email"], "full_name" in one) == ("shown@example.com", False)
    path = f"/api/users/{user['id']}/disclosures"
    listed = bank.get(path, min_position=one["position"])["data"]
    assert listed == [
        {
            "position": shown["position"],
            "recorded_at": shown["recorded_at"],
            "actor": f"user:{ADMIN}",
            "fields": fields,
            "purpose": purpose,
        }
        for shown, fields, purpose in (
            (both, ["email", "full_name"], "court order 7"),
            (one, ["email"], "a call back"),
        )
    ]
    (event,) = bank.get("/api/events", after=both["position"] - 1, limit=1)["data"]
    assert event["topic"] == "user.disclosed"
    assert event["data"] == {"fields": ["email", "full_name"], "purpose": "court order 7"}


def test_the_list_goes_on_page_by_page(client: httpx2.Client, bank: Bank) -> None:
    user = make(client)
    shown = [disclose(client, user).json()["position"] for _ in range(4)]
    path = f"/api/users/{user['id']}/disclosures"
    first = bank.get(path, limit=2)
    second = bank.get(path, limit=2, cursor=first["next_cursor"])
    assert [row["position"] for row in first["data"] + second["data"]] == shown
    assert (first["has_more"], second["has_more"]) == (True, False)
    problem_of(client.get(path, params={"cursor": "x"}), 400, "invalid_cursor")


def test_an_auditor_is_shown_them_too(client: httpx2.Client, base_url: str) -> None:
    user = make(client, email="audited@example.com")
    with client_of(base_url, "auditor") as auditor:
        assert disclose(auditor, user).json()["email"] == "audited@example.com"


@pytest.mark.parametrize("role", ["user", "support", "operator"])
def test_others_are_not(role: str, client: httpx2.Client, base_url: str, bank: Bank) -> None:
    user = make(client)
    with client_of(base_url, role) as other:
        problem_of(disclose(other, user), 403, "insufficient_permissions")
    assert bank.get(f"/api/users/{user['id']}/disclosures")["data"] == []


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"purpose": "x"}, "invalid_text"),
        ({"purpose": "x" * 256}, "invalid_text"),
        ({"purpose": "   "}, "invalid_text"),
        ({"fields": []}, "invalid_request"),
        ({"fields": ["password"]}, "invalid_request"),
        ({"more": 1}, "unknown_fields"),
    ],
)
def test_what_is_no_purpose_shows_nothing(
    wrong: Json, reason: str, client: httpx2.Client, bank: Bank
) -> None:
    user = make(client)
    problem_of(disclose(client, user, **wrong), 400, reason)
    assert bank.get(f"/api/users/{user['id']}/disclosures")["data"] == []


def test_an_answer_that_is_noted_each_time_is_not_kept(client: httpx2.Client, bank: Bank) -> None:
    user = make(client)
    path = f"/api/users/{user['id']}/disclosures"
    answer = client.post(path, json=BOTH, headers={"Idempotency-Key": "k"})
    problem_of(answer, 400, "invalid_idempotency_key")
    assert bank.get(path)["data"] == []


def test_of_nobody_nothing_is_shown(client: httpx2.Client) -> None:
    nobody = {"id": some_id()}
    problem_of(disclose(client, nobody), 404, "user_not_found")
    answer = client.get(f"/api/users/{nobody['id']}/disclosures")
    problem_of(answer, 404, "user_not_found")
