"""Accounts over HTTP: opening, status, lists, statement lines, balances then and now."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from tests.api.conftest import Bank, problem_of, some_id
from tests.support.serving import client_of

TYPES = (
    "checking", "savings", "credit", "investment", "merchant", "loan", "fund",
    "clearing", "fee", "suspense", "cash", "lending", "loans", "interest",
)  # fmt: skip


@pytest.mark.parametrize("type_", TYPES)
def test_each_type_opens_active_and_empty(bank: Bank, type_: str) -> None:
    account = bank.account(bank.open(type_, "JPY"))
    assert (account["status"], account["balance"], account["held"]) == ("active", "0", "0")
    internal = type_ in ("clearing", "fee", "suspense", "cash", "loans", "interest")
    assert account["available"] == (None if internal else "0")


def test_only_credit_and_loan_accounts_may_go_below_zero(bank: Bank) -> None:
    card = bank.open("credit", credit_limit="100.00")
    shop = bank.open("merchant")
    assert bank.move(card, shop, "100.00").json()["source"]["balance"] == "-100.00"
    problem_of(bank.move(card, shop, "0.01"), 422, "insufficient_funds")
    body = {"name": "x", "type": "savings", "currency": "EUR", "credit_limit": "1.00"}
    problem_of(bank.client.post("/api/accounts", json=body), 422, "credit_limit_not_allowed")


def test_a_frozen_account_pays_nothing_and_takes_all(bank: Bank) -> None:
    alice, bob = bank.funded("50.00"), bank.funded("50.00")
    frozen = bank.client.post(f"/api/accounts/{alice}/freeze", json={"reason": "court order"})
    assert (frozen.status_code, frozen.json()["status"]) == (200, "frozen")
    problem_of(bank.move(alice, bob, "1.00"), 422, "account_frozen")
    assert bank.move(bob, alice, "1.00").status_code == 201
    assert bank.client.post(f"/api/accounts/{alice}/unfreeze").json()["status"] == "active"
    assert bank.move(alice, bob, "1.00").status_code == 201


def test_verbs_lead_only_from_where_they_say(bank: Bank) -> None:
    alice = bank.open()
    verbs = f"/api/accounts/{alice}"
    problem_of(bank.client.post(f"{verbs}/unfreeze"), 422, "invalid_transition")
    assert bank.client.post(f"{verbs}/suspend").json()["status"] == "suspended"
    details = problem_of(bank.client.post(f"{verbs}/deactivate"), 422, "invalid_transition")[
        "details"
    ]
    assert (details["current"], details["requested"]) == ("suspended", "inactive")
    problem_of(bank.move(bank.open("cash"), alice, "1.00"), 422, "account_suspended")
    assert bank.client.post(f"{verbs}/activate").json()["status"] == "active"
    assert bank.client.post(f"{verbs}/deactivate").json()["status"] == "inactive"
    problem_of(bank.move(bank.open("cash"), alice, "1.00"), 422, "account_inactive")


def test_closing_needs_a_zero_balance_and_no_holds(bank: Bank) -> None:
    alice, bob = bank.funded("50.00"), bank.open()
    close = f"/api/accounts/{alice}/close"
    problem_of(bank.client.post(close), 422, "balance_not_zero")
    pending = bank.move(alice, bob, "50.00", pending=True).json()["id"]
    problem_of(bank.client.post(close), 422, "holds_remain")
    bank.client.post(f"/api/transfers/{pending}/post")
    assert bank.client.post(close).json()["status"] == "closed"
    problem_of(bank.move(bob, alice, "1.00"), 422, "account_closed")
    problem_of(bank.client.post(f"/api/accounts/{alice}/activate"), 422, "invalid_transition")


def test_lists_show_each_account_once_and_end_exactly_on_a_full_page(bank: Bank) -> None:
    owner = some_id()
    opened = [bank.open(owner_id=owner) for _ in range(6)]
    bank.open()
    seen: list[str] = []
    cursor: dict[str, str] = {}
    pages = 0
    while True:
        page = bank.get(
            "/api/accounts", owner_id=owner, limit=3, min_position=bank.head(), **cursor
        )
        seen += [a["id"] for a in page["data"]]
        pages += 1
        assert page["has_more"] == (page["next_cursor"] is not None)
        if not page["has_more"]:
            break
        cursor = {"cursor": page["next_cursor"]}
        opened.append(bank.open())  # between pages
    assert seen == opened[5::-1]
    assert pages == 2


def test_entries_have_a_running_balance_and_filters(bank: Bank) -> None:
    alice, shop = bank.funded("100.00"), bank.open("merchant")
    for amount, day in (("10.00", "2026-01-10"), ("20.00", "2026-01-20"), ("30.00", "2026-01-31")):
        last = bank.move(alice, shop, amount, effective_at=day, reference=day).json()["position"]
    path = f"/api/accounts/{alice}/entries"

    def amounts(**params: object) -> list[str]:
        return [e["amount"] for e in bank.get(path, min_position=last, **params)["data"]]

    lines = bank.get(path, min_position=last)["data"]
    assert [e["balance"] for e in lines] == ["40.00", "70.00", "90.00", "100.00"]
    assert amounts(direction="credit") == ["100.00"]
    assert amounts(min_amount="20", max_amount="30.00") == ["30.00", "20.00"]
    for last_day in ("2026-01-31", "20260131"):
        assert amounts(**{"from": "2026-01-20", "to": last_day}) == ["30.00", "20.00"]
    first = bank.get(path, limit=4)
    assert (len(first["data"]), first["has_more"]) == (4, False)


def test_balances_as_of_a_position_and_a_time(bank: Bank) -> None:
    alice, bob = bank.funded("100.00"), bank.open()
    first = bank.move(alice, bob, "10.00").json()
    second = bank.move(alice, bob, "20.00", pending=True).json()
    path = f"/api/accounts/{alice}/balance"
    assert bank.get(path, position=first["position"])["balance"] == "90.00"
    assert bank.get(path, position=second["position"])["held"] == "20.00"
    assert bank.get(path, at=first["recorded_at"])["held"] == "0.00"
    assert bank.get(path, min_position=second["position"])["available"] == "70.00"


def test_balances_by_value_date(bank: Bank) -> None:
    alice, bob = bank.funded("100.00"), bank.open()
    last = bank.move(alice, bob, "10.00", effective_at="2020-05-05T10:00:00Z").json()["position"]
    path = f"/api/accounts/{alice}/balance"
    known = bank.get(path, effective_at="2020-05-06", min_position=last)
    assert (known["balance"], known["held"]) == ("-10.00", None)
    early = bank.client.get(path, params={"effective_at": "2020-05-04"})
    problem_of(early, 422, "as_of_before_opening")


def test_now_does_not_change_afterwards(bank: Bank, base_url: str) -> None:
    """Commits under way while a balance is asked for have a time that is over already."""
    alice, shop = bank.funded("1000.00"), bank.open("merchant")
    path = f"/api/accounts/{alice}/balance"
    item = {
        "source_account_id": alice,
        "destination_account_id": shop,
        "amount": "0.01",
        "currency": "EUR",
    }

    def post() -> None:
        with client_of(base_url) as client:
            for _ in range(8):
                client.post("/api/transfers/batch", json={"transfers": [item] * 1500})

    writing = threading.Thread(target=post)
    writing.start()
    asked: list[tuple[str, str]] = []
    while writing.is_alive():
        at = datetime.now(UTC).isoformat()
        asked.append((at, bank.get(path, at=at)["balance"]))
    writing.join()
    assert len({balance for _, balance in asked}) > 2
    assert [(at, bank.get(path, at=at)["balance"]) for at, _ in asked] == asked


def test_as_of_refuses_what_it_cannot_know(bank: Bank) -> None:
    before = bank.head()
    alice = bank.open()
    path = f"/api/accounts/{alice}/balance"
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    for future in ({"position": bank.head() + 1}, {"at": tomorrow}, {"effective_at": tomorrow}):
        problem_of(bank.client.get(path, params=future), 422, "as_of_in_the_future")
    early = bank.client.get(path, params={"position": before})
    details = problem_of(early, 422, "as_of_before_opening")["details"]
    assert details["position"] == before + 1
    both = bank.client.get(path, params={"position": 1, "at": "2026-01-01"})
    problem_of(both, 400, "conflicting_parameters")
    unknown = bank.client.get(f"/api/accounts/{some_id()}/balance", params={"position": 1})
    problem_of(unknown, 404, "account_not_found")


def test_the_trial_balance_is_zero_in_every_currency(bank: Bank) -> None:
    for currency, amount in (("JPY", "500"), ("KWD", "1.234"), ("USD", "0.01")):
        bank.funded(amount, currency)
    report = bank.get("/api/trial-balance", min_position=bank.head())
    by_currency = {c["currency"]: c for c in report["data"]}
    assert by_currency["KWD"]["difference"] == "0.000"
    assert by_currency["JPY"]["debits"] == by_currency["JPY"]["credits"] == "500"
    assert all(not c["difference"].strip("0.") for c in report["data"])
