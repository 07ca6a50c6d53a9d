"""Four eyes over HTTP: what is asked for waits, and another person has it done, rejects it, or does not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from application.ledger import Ledger
from domain.transfers import PostTransfer
from domain.users import RegisterUser
from tests.api.conftest import Bank, Json, problem_of, some_id
from tests.conftest import Database
from tests.support.ledgers import accepted
from tests.support.people import ADMIN, bearer
from tests.support.serving import client_of, serving

CHECKER = UUID("ad000000-0000-4000-8000-00000000000b")
ANNA, BERT = uuid4(), uuid4()
"""Customers."""

MOST = "1000.00"
"""What one person may move alone, in euros; yen have no limit."""


@pytest.fixture(scope="module")
def base_url(api_database: Database) -> Iterator[str]:
    with serving(api_database.url, FOUR_EYES_ABOVE="EUR:1000.00,USD:0") as url:
        yield url


@pytest.fixture(scope="module")
def checker(base_url: str) -> Iterator[httpx2.Client]:
    with client_of(base_url, user_id=CHECKER) as client:
        yield client


@pytest.fixture(scope="module")
def anna(base_url: str) -> Iterator[httpx2.Client]:
    with client_of(base_url, "user", ANNA) as client:
        yield client


@pytest.fixture(scope="module")
def as_role(base_url: str) -> Callable[..., httpx2.Client]:
    def make(role: str, user_id: UUID | None = None) -> httpx2.Client:
        return httpx2.Client(
            base_url=base_url, timeout=30, headers=bearer(role, user_id or uuid4())
        )

    return make


@pytest.fixture(scope="module")
def ledger(api_database: Database, base_url: str) -> Iterator[Ledger]:
    """Beside the server, for what its routes do not do alone."""
    with Ledger(api_database.url) as ledger:
        yield ledger


@pytest.fixture
def rich(bank: Bank, checker: httpx2.Client) -> str:
    """An account of the house with 5,000 euros, which took two people."""
    return funded(bank, checker)


def funded(bank: Bank, checker: httpx2.Client, **more: Any) -> str:
    account = bank.open(**more)
    asked = bank.move(bank.open("cash"), account, "5000.00")
    assert checker.post(f"{asked.headers['location']}/approve").status_code == 200
    return account


def ask(bank: Bank, source: str, amount: str = "1000.01", **more: Any) -> Json:
    """What is answered to a transfer that needs a second person."""
    answer = bank.move(source, bank.open(), amount, **more)
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def now(client: httpx2.Client, path: str, position: int) -> httpx2.Response:
    """What is at a path once a position is visible."""
    for _ in range(20):
        answer = client.get(path, params={"min_position": position})
        if '"not_yet_visible"' not in answer.text:
            break
    return answer


# Asking.
def test_a_transfer_above_the_limit_waits_for_a_second_person(bank: Bank, rich: str) -> None:
    to, transfer_id = bank.open(), some_id()
    answer = bank.move(rich, to, "1000.01", id=transfer_id, description="a car", reference="R1")
    assert answer.status_code == 202
    asked = answer.json()
    assert answer.headers["location"] == f"/api/approvals/{asked['id']}"
    assert answer.headers["etag"] == '"1"'
    assert answer.headers["daybook-position"] == str(asked["position"])
    assert (asked["status"], asked["maker_id"], asked["checker_id"]) == (
        "pending",
        str(ADMIN),
        None,
    )
    assert asked["role_change"] is None
    assert asked["transfer"] == {
        "id": transfer_id,
        "source_account_id": rich,
        "destination_account_id": to,
        "amount": "1000.01",
        "currency": "EUR",
        "description": "a car",
        "reference": "R1",
        "effective_at": None,
        "metadata": {},
        "pending": False,
        "expires_in_s": None,
        "up_to": False,
        "conditions": [],
    }
    assert bank.account(rich)["balance"] == "5000.00"
    problem_of(bank.client.get(f"/api/transfers/{transfer_id}"), 404, "transfer_not_found")


def test_the_limit_itself_and_other_currencies_pass(bank: Bank, rich: str) -> None:
    assert bank.move(rich, bank.open(), MOST).status_code == 201
    yen, more = bank.open("cash", "JPY"), bank.open(currency="JPY")
    assert bank.move(yen, more, "99999999", "JPY").status_code == 201


def test_a_limit_of_nothing_is_a_limit(bank: Bank) -> None:
    cash, dollars = bank.open("cash", "USD"), bank.open(currency="USD")
    assert bank.move(cash, dollars, "0.01", "USD").status_code == 202


@pytest.mark.parametrize("more", [{"pending": True, "expires_in_s": 60}, {"up_to": True}])
def test_holding_and_moving_what_is_there_count_by_what_is_asked(
    more: Json, bank: Bank, rich: str
) -> None:
    asked = ask(bank, rich, **more)
    assert more.items() <= asked["transfer"].items()


def test_conditions_are_shown_to_whoever_decides(bank: Bank, rich: str) -> None:
    condition = {"account_id": rich, "version": 2, "balance_at_least": "100.00"}
    asked = ask(bank, rich, conditions=[condition])
    assert asked["transfer"]["conditions"] == [condition]


@pytest.mark.parametrize("decided", [False, True])
def test_the_same_transfer_is_asked_for_once(
    decided: bool, bank: Bank, rich: str, checker: httpx2.Client
) -> None:
    to, transfer_id = bank.open(), some_id()
    first = bank.move(rich, to, "2000.00", id=transfer_id)
    if decided:
        assert checker.post(f"{first.headers['location']}/approve").status_code == 200
    again = bank.move(rich, to, "2000.00", id=transfer_id)
    assert again.status_code == 202
    assert again.headers["idempotent-replayed"] == "true"
    assert again.content == first.content
    other = bank.move(rich, to, "2000.01", id=transfer_id)
    problem_of(other, 422, "id_reused")


def test_with_an_idempotency_key_too(bank: Bank, rich: str) -> None:
    to, headers = bank.open(), {"Idempotency-Key": some_id()}
    first, again = (bank.move(rich, to, "2000.00", headers=headers) for _ in range(2))
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.content == first.content
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotent-replayed"] == "true"


def test_one_that_was_made_before_there_was_a_limit_is_answered_as_then(
    bank: Bank, rich: str, ledger: Ledger
) -> None:
    to, transfer_id = bank.open(), some_id()
    accepted(ledger, PostTransfer(UUID(transfer_id), UUID(rich), UUID(to), 2_000_00, "EUR"))
    answer = bank.move(rich, to, "2000.00", id=transfer_id)
    assert (answer.status_code, answer.json()["status"]) == (201, "posted")
    assert answer.headers["location"] == f"/api/transfers/{transfer_id}"
    assert answer.headers["idempotent-replayed"] == "true"


def test_what_cannot_be_done_is_refused_at_once(bank: Bank, rich: str, anna: httpx2.Client) -> None:
    problem_of(bank.move(rich, bank.open(), "5000.01"), 422, "insufficient_funds")
    problem_of(bank.move(rich, rich, "2000.00"), 422, "same_account")
    problem_of(bank.move(rich, some_id(), "2000.00"), 404, "account_not_found")
    problem_of(Bank(anna).move(rich, bank.open(), "2000.00"), 404, "account_not_found")
    if_match = {"If-Match": '"1"'}
    problem_of(bank.move(rich, bank.open(), "2000.00", headers=if_match), 400, "invalid_if_match")


@pytest.mark.parametrize("linked", [False, True])
def test_a_batch_does_not_wait_for_anybody(linked: bool, bank: Bank, rich: str) -> None:
    to = bank.open()

    def item(amount: str) -> Json:
        return {
            "source_account_id": rich,
            "destination_account_id": to,
            "amount": amount,
            "currency": "EUR",
        }

    body = {"transfers": [item("999.00"), item("1000.01"), item("1.00")], "linked": linked}
    answer = bank.client.post("/api/transfers/batch", json=body)
    first, second, third = answer.json()["results"]
    assert (second["status"], second["reason"]) == ("refused", "approval_required")
    assert second["details"] == {"currency": "EUR", "limit": MOST}
    assert MOST in second["detail"]
    if linked:
        assert first["reason"] == third["reason"] == "linked_refused"
        assert bank.account(to)["balance"] == "0.00"
    else:
        assert (first["status"], third["status"]) == ("posted", "posted")
        assert bank.account(to)["balance"] == "1000.00"


def test_a_batch_moves_no_more_from_an_account_than_one_transfer_may(bank: Bank, rich: str) -> None:
    to, another = bank.open(), bank.funded("600.00")

    def item(source: str, amount: str) -> Json:
        return {
            "source_account_id": source,
            "destination_account_id": to,
            "amount": amount,
            "currency": "EUR",
        }

    parts = [item(rich, "600.00"), item(another, "600.00"), item(rich, "400.01")]
    answer = bank.client.post("/api/transfers/batch", json={"transfers": parts})
    results = answer.json()["results"]
    assert [one["status"] for one in results] == ["posted", "posted", "refused"]
    assert results[2]["reason"] == "approval_required"
    assert bank.account(to)["balance"] == "1200.00"


def test_who_owns_the_account_that_is_paid_does_not_approve(
    bank: Bank, rich: str, as_role: Callable[..., httpx2.Client]
) -> None:
    payee_id = uuid4()
    with as_role("admin", payee_id) as payee:
        own = bank.open(owner_id=str(payee_id))
        asked = bank.move(rich, own, "1000.01").json()
        answer = payee.post(f"/api/approvals/{asked['id']}/approve")
    problem_of(answer, 403, "cannot_approve_own")


# Deciding.
def test_another_admin_approves_and_it_is_done(
    bank: Bank, rich: str, checker: httpx2.Client
) -> None:
    asked = ask(bank, rich, "1234.50")
    answer = checker.post(f"/api/approvals/{asked['id']}/approve")
    assert answer.status_code == 200
    done = answer.json()
    assert (done["status"], done["checker_id"]) == ("approved", str(CHECKER))
    assert (done["version"], answer.headers["etag"]) == (2, '"2"')
    assert done["position"] == asked["position"] + 4
    transfer = bank.get(f"/api/transfers/{asked['transfer']['id']}", min_position=done["position"])
    assert (transfer["status"], transfer["amount"]) == ("posted", "1234.50")
    assert bank.account(rich)["balance"] == "3765.50"
    events = bank.get("/api/events", after=asked["position"], limit=4)["data"]
    assert [event["topic"] for event in events] == [
        "approval.approved", "transfer.posted", "account.debited", "account.credited",
    ]  # fmt: skip
    assert {event["metadata"]["actor"] for event in events} == {f"user:{CHECKER}"}


def test_a_customer_asks_and_an_admin_approves(
    bank: Bank, checker: httpx2.Client, anna: httpx2.Client
) -> None:
    hers = funded(bank, checker, owner_id=str(ANNA))
    asked = ask(Bank(anna), hers, "2000.00")
    assert asked["maker_id"] == str(ANNA)
    problem_of(anna.post(f"/api/approvals/{asked['id']}/approve"), 403, "insufficient_permissions")
    assert checker.post(f"/api/approvals/{asked['id']}/approve").status_code == 200
    assert bank.account(hers)["balance"] == "3000.00"


def test_who_asked_does_not_approve_and_does_not_reject(bank: Bank, rich: str) -> None:
    asked = ask(bank, rich)
    for verb in ("approve", "reject"):
        answer = bank.client.post(f"/api/approvals/{asked['id']}/{verb}")
        problem_of(answer, 403, "cannot_approve_own")


def test_nobody_brings_a_second_person_along(
    bank: Bank, rich: str, ledger: Ledger, as_role: Callable[..., httpx2.Client]
) -> None:
    made = uuid4()
    accepted(ledger, RegisterUser(made, "sealed:1:m", "sealed:1:n", "admin", by=ADMIN))
    asked = ask(bank, rich)
    with as_role("admin", made) as second_self:
        answer = second_self.post(f"/api/approvals/{asked['id']}/approve")
    problem = problem_of(answer, 403, "cannot_approve_own")
    assert "registered" in problem["details"]["why"]


def test_when_it_can_no_longer_be_done_it_goes_on_waiting(
    bank: Bank, rich: str, checker: httpx2.Client
) -> None:
    first, second = ask(bank, rich, "3000.00"), ask(bank, rich, "3000.00")
    assert checker.post(f"/api/approvals/{first['id']}/approve").status_code == 200
    before = bank.head()
    answer = checker.post(f"/api/approvals/{second['id']}/approve")
    problem = problem_of(answer, 422, "insufficient_funds")
    assert (problem["details"]["available"], problem["details"]["requested"]) == (
        "2000.00", "3000.00",
    )  # fmt: skip
    assert bank.head() == before
    assert now(checker, f"/api/approvals/{second['id']}", before).json()["status"] == "pending"


@pytest.mark.parametrize(("verb", "status"), [("reject", "rejected"), ("withdraw", "withdrawn")])
@pytest.mark.parametrize("reason", ["", "too much"])
def test_it_is_rejected_or_withdrawn_with_or_without_a_reason(
    reason: str, verb: str, status: str, bank: Bank, rich: str, checker: httpx2.Client
) -> None:
    asked = ask(bank, rich)
    who = checker if verb == "reject" else bank.client
    path = f"/api/approvals/{asked['id']}"
    answer = who.post(f"{path}/{verb}", **({"json": {"reason": reason}} if reason else {}))  # type: ignore[arg-type]
    assert answer.status_code == 200, answer.text
    decided = answer.json()
    assert (decided["status"], decided["reason"]) == (status, reason)
    assert decided["checker_id"] == (str(CHECKER) if verb == "reject" else None)
    assert bank.account(rich)["balance"] == "5000.00"
    shown = now(checker, path, decided["position"]).json()
    assert decided.keys() - {"recorded_at"} <= shown.keys()
    assert {**shown, **decided} == {**decided, **shown}, "the read model says the same"
    for other in ("approve", "reject"):
        problem = problem_of(checker.post(f"{path}/{other}"), 409, "approval_not_pending")
        assert status in problem["detail"]
    problem_of(bank.client.post(f"{path}/withdraw"), 409, "approval_not_pending")


def test_a_decision_that_was_kept_before_there_were_more_kinds_is_answered_as_then(
    bank: Bank, rich: str, api_database: Database
) -> None:
    path, key = f"/api/approvals/{ask(bank, rich)['id']}/withdraw", {"Idempotency-Key": some_id()}
    body = bank.client.post(path, headers=key).json()
    for name in ("investment", "bank_transfer", "repayment", "funding", "review"):
        del body[name]
    with api_database.connect(superuser=True) as conn:
        conn.execute(
            "UPDATE idempotency_keys SET body = %s WHERE key = %s",
            (json.dumps(body).encode(), key["Idempotency-Key"]),
        )
    again = bank.client.post(path, headers=key)
    assert (again.status_code, again.json()) == (200, body)


def test_only_who_asked_withdraws(bank: Bank, rich: str, checker: httpx2.Client) -> None:
    asked = ask(bank, rich)
    answer = checker.post(f"/api/approvals/{asked['id']}/withdraw")
    problem_of(answer, 404, "approval_not_found")


@pytest.mark.parametrize("verb", ["approve", "reject", "withdraw"])
def test_a_decision_is_on_the_version_that_was_seen(
    verb: str, bank: Bank, rich: str, checker: httpx2.Client
) -> None:
    path = f"/api/approvals/{ask(bank, rich)['id']}"
    who = bank.client if verb == "withdraw" else checker
    answer = who.post(f"{path}/{verb}", headers={"If-Match": '"2"'})
    problem_of(answer, 412, "precondition_failed")
    assert who.post(f"{path}/{verb}", headers={"If-Match": '"1"'}).status_code == 200


def test_of_many_who_approve_at_once_one_does(
    bank: Bank, rich: str, as_role: Callable[..., httpx2.Client]
) -> None:
    path = f"/api/approvals/{ask(bank, rich)['id']}/approve"

    def approve(_: int) -> str:
        with as_role("admin") as client:
            answer = client.post(path)
        return str(answer.json().get("reason") or answer.status_code)

    with ThreadPoolExecutor(8) as threads:
        answers = sorted(threads.map(approve, range(8)))
    assert answers == ["200", *["approval_not_pending"] * 7]
    assert bank.account(rich)["balance"] == "3999.99"


def test_what_nobody_asked_for_is_not_there(bank: Bank) -> None:
    path = f"/api/approvals/{some_id()}"
    problem_of(bank.client.get(path), 404, "approval_not_found")
    for verb in ("approve", "reject", "withdraw"):
        problem_of(bank.client.post(f"{path}/{verb}"), 404, "approval_not_found")
    problem_of(bank.client.get("/api/approvals/seven"), 400, "invalid_uuid_format")


# Reading.
def test_one_is_read_with_its_etag(bank: Bank, rich: str, checker: httpx2.Client) -> None:
    asked = ask(bank, rich)
    path = f"/api/approvals/{asked['id']}"
    answer = now(checker, path, asked["position"])
    assert answer.headers["etag"] == '"1"'
    shown = answer.json()
    assert asked.keys() - {"recorded_at"} <= shown.keys()
    assert {**shown, **asked} == {**asked, **shown}
    assert shown["requested_at"] == asked["recorded_at"]
    assert shown["decided_at"] is None
    assert checker.get(path, headers={"If-None-Match": '"1"'}).status_code == 304


def test_lists_are_paged_and_filtered(
    bank: Bank, rich: str, checker: httpx2.Client, as_role: Callable[..., httpx2.Client]
) -> None:
    maker = uuid4()
    with as_role("admin", maker) as client:
        asked = [ask(Bank(client), rich)["id"] for _ in range(4)]
    rejected = checker.post(f"/api/approvals/{asked[1]}/reject").json()
    now(checker, "/api/approvals", rejected["position"])

    def ids(**params: object) -> list[str]:
        params = {"maker_id": str(maker), "limit": 2, **params}
        found: list[str] = []
        while True:
            body = checker.get("/api/approvals", params=params).json()  # type: ignore[arg-type]
            found += [row["id"] for row in body["data"]]
            if not body["has_more"]:
                return found
            params["cursor"] = body["next_cursor"]

    assert ids() == asked[::-1]
    assert ids(status="rejected") == [asked[1]]
    assert ids(status="pending") == [asked[3], asked[2], asked[0]]
    assert ids(status="approved") == []
    assert ids(maker_id=some_id()) == []
    problem = problem_of(
        checker.get("/api/approvals", params={"status": "open"}), 400, "invalid_status"
    )
    assert problem["details"]["allowed"] == ["pending", "approved", "rejected", "withdrawn"]


def test_customers_see_their_own_and_auditors_all(
    bank: Bank,
    checker: httpx2.Client,
    anna: httpx2.Client,
    as_role: Callable[..., httpx2.Client],
) -> None:
    hers = ask(Bank(anna), funded(bank, checker, owner_id=str(ANNA)))
    with as_role("user", BERT) as bert, as_role("auditor") as auditor:
        his = ask(Bank(bert), funded(bank, checker, owner_id=str(BERT)))
        position = his["position"]
        mine = now(anna, "/api/approvals", position).json()["data"]
        assert hers["id"] in [row["id"] for row in mine]
        assert {row["maker_id"] for row in mine} == {str(ANNA)}
        assert anna.get("/api/approvals", params={"maker_id": str(BERT)}).json()["data"] == []
        for path in (f"/api/approvals/{his['id']}", f"/api/approvals/{some_id()}"):
            problem_of(anna.get(path), 404, "approval_not_found")
            problem_of(anna.post(f"{path}/withdraw"), 404, "approval_not_found")
        everything = auditor.get("/api/approvals").json()["data"]
        assert {his["id"], hers["id"]} <= {row["id"] for row in everything}
        assert anna.post(f"/api/approvals/{hers['id']}/withdraw").status_code == 200
