"""Reconciliation over HTTP and on the command line: statements against what a bank was asked to move."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from uuid import UUID, uuid4

import httpx2

from domain import movements
from domain.events import Event
from tests.api.conftest import Bank, Json, problem_of
from tests.application.importing.samples import camt, entry, mt940, part
from tests.conftest import Database
from tests.projections.histories import append
from tests.support.serving import client_of

TODAY = datetime.now(UTC).date()
IBAN = "NL91ABNA0417164300"


def today(text: str) -> str:
    """A sample's statement as one of today, when all movements here are instructed."""
    swift = TODAY.strftime("%y%m%d")
    text = text.replace("240201", swift).replace("240131", swift).replace("0201C", "C")
    return text.replace("2024-02-01", TODAY.isoformat()).replace("2024-02-02", TODAY.isoformat())


def instruct(database: Database, amount: int, *then: str) -> UUID:
    """A movement of as many euro cents, out when below zero, and what the bank said of it."""
    id_, flow = uuid4(), uuid4()
    direction = "in" if amount > 0 else "out"
    kind = "deposit" if amount > 0 else "withdrawal"
    history: list[Event] = [
        movements.Instructed(kind, flow, kind, direction, IBAN, "EUR", abs(amount)),
        movements.Sent(kind, flow, kind),
    ]
    said = {"settled": movements.Settled, "failed": movements.Failed}
    history += [said[word](kind, flow, kind, sequence=n) for n, word in enumerate(then, start=1)]
    append(database, *((id_, event) for event in history))
    return id_


def statement(*entries: str, closing: str) -> str:
    return today(camt(*entries, closing=closing))


def made(client: httpx2.Client, **body: object) -> list[Json]:
    answer = client.post("/api/reconciliations", json=body)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])


def in_full(bank: Bank, one: Json) -> Json:
    return bank.get(f"/api/reconciliations/{one['id']}", min_position=one["position"])


def test_a_statement_that_comes_out_even(bank: Bank, api_database: Database) -> None:
    came, went = (instruct(api_database, amount, "settled") for amount in (25_50, -10_00))
    text = statement(
        entry("25.50", part(came.hex)), entry("-10.00", part(went.hex)), closing="115.50"
    )
    (one,) = made(bank.client, statement=text, source="march.xml")
    assert one["totals"] | {"missing": 0} == {
        "matched": 2, "missing": 0, "unexpected": 0, "mismatched": 0,
    }  # fmt: skip
    assert (one["account"], one["currency"], one["lines"]) == (IBAN, "EUR", 2)
    assert (one["opening"], one["closing"], one["source"]) == ("100.00", "115.50", "march.xml")
    assert one["digest"] == hashlib.sha256(text.encode()).hexdigest()
    whole = in_full(bank, one)
    assert whole["matched"] == [
        {"line": 1, "movement_id": str(came), "amount": "25.50", "by": "reference"},
        {"line": 2, "movement_id": str(went), "amount": "-10.00", "by": "reference"},
    ]
    assert {name: whole[name] for name in one} == one


def test_what_does_not_come_out_even_is_listed(bank: Bank, api_database: Database) -> None:
    short, missing, failed = (
        instruct(api_database, 77_77, "settled"),
        instruct(api_database, 88_88, "settled"),
        instruct(api_database, 99_99, "failed"),
    )
    text = statement(
        entry("77.00", part(short.hex)),
        entry("99.99", part(failed.hex)),
        entry("-0.01"),
        closing="276.98",
    )
    (one,) = made(bank.client, statement=text)
    assert not one["is_even"]
    whole = in_full(bank, one)
    assert whole["mismatched"] == [
        {
            "lines": [1],
            "movement_ids": [str(short)],
            "lines_amount": "77.00",
            "movements_amount": "77.77",
        }
    ]
    assert [(u["line"], u["names_movement_id"]) for u in whole["unexpected"]] == [
        (2, str(failed)),
        (3, None),
    ]
    assert {"movement_id": str(missing), "amount": "88.88", "settled": True} in whole["missing"]
    assert str(failed) not in json.dumps(whole["missing"])
    found = bank.get("/api/reconciliations", is_even="false", min_position=one["position"])["data"]
    assert found[0] == one
    assert one not in bank.get("/api/reconciliations", is_even="true")["data"]


def test_swift_and_several_statements(bank: Bank) -> None:
    text = today(
        mt940(closing="C240201EUR100,00") + mt940(number="8/1", closing="C240201EUR100,00")
    )
    both = made(bank.client, statement=text, format="mt940")
    assert [one["number"] for one in both] == ["7/1", "8/1"]
    assert both[0]["position"] < both[1]["position"]


def test_the_same_request_makes_one(bank: Bank) -> None:
    headers = {"Idempotency-Key": uuid4().hex}
    body = {"statement": statement(closing="100.00")}
    first, again = (
        bank.client.post("/api/reconciliations", json=body, headers=headers) for _ in range(2)
    )
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"


def test_what_cannot_be_used_leaves_nothing(bank: Bank) -> None:
    before = bank.head()
    good = statement(closing="100.00")
    for text, words in (
        (statement(entry("1.00"), closing="100.00"), "difference 1.00 EUR"),
        ("hello", "this is no MT940 file"),
        ("<!DOCTYPE a [<!ENTITY b 'b'>]><a>&b;</a>", "document type"),
        (good.replace("</Stmt>", "</Stmt><Stmt/>"), "it has no account"),
    ):
        answer = bank.client.post("/api/reconciliations", json={"statement": text})
        assert words in problem_of(answer, 422, "statement_unreadable")["detail"]
    wrong = bank.client.post("/api/reconciliations", json={"statement": good, "format": "pdf"})
    problem_of(wrong, 400, "invalid_format")
    assert bank.head() == before


def test_one_that_is_not_there(bank: Bank) -> None:
    problem_of(bank.client.get(f"/api/reconciliations/{uuid4()}"), 404, "reconciliation_not_found")


def test_its_state_and_history_are_shown(bank: Bank) -> None:
    (one,) = made(bank.client, statement=statement(closing="100.00"))
    state = bank.get(f"/api/streams/{one['id']}/state", version=1)
    assert state["state"]["totals"] == one["totals"]
    assert "held statement 7 (S1)" in state["summary"]


def test_operators_make_them_and_auditors_look(base_url: str) -> None:
    body = {"statement": statement(closing="100.00")}
    with client_of(base_url, "operator") as operator, client_of(base_url, "auditor") as auditor:
        assert operator.post("/api/reconciliations", json=body).status_code == 200
        problem_of(auditor.post("/api/reconciliations", json=body), 403, "insufficient_permissions")
        assert auditor.get("/api/reconciliations").status_code == 200
