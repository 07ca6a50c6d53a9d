"""Bad input gets a problem with a reason, and changes nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api.conftest import Bank, problem_of, some_id

GOOD_ACCOUNT = {"name": "A", "type": "checking", "currency": "EUR"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"name": "x" * 300}, "invalid_name_format"),
        ({"name": ""}, "invalid_name_format"),
        ({"name": "nul\x00byte"}, "invalid_name_format"),
        ({"name": 5}, "invalid_name_format"),
        ({"type": "piggy"}, "invalid_account_type"),
        ({"currency": "usd1"}, "invalid_currency_format"),
        ({"currency": "XAU"}, "invalid_currency_format"),
        ({"id": "123"}, "invalid_uuid_format"),
        ({"id": 5}, "invalid_uuid_format"),
        ({"owner_id": "nobody"}, "invalid_uuid_format"),
        ({"balance": "1000.00"}, "unknown_fields"),
        ({"credit_limit": "-5", "type": "credit"}, "invalid_credit_limit"),
        ({"credit_limit": "0.0000", "type": "credit"}, "invalid_amount_format"),
        ({"credit_limit": "1.001", "type": "credit"}, "invalid_amount_format"),
    ],
)
def test_bad_accounts(bank: Bank, change: dict[str, object], reason: str) -> None:
    before = bank.head()
    answer = bank.client.post("/api/accounts", json=GOOD_ACCOUNT | change)
    problem_of(answer, 400, reason)
    assert bank.head() == before


@pytest.mark.parametrize(
    ("amount", "reason"),
    [
        ("1e3", "invalid_amount_format"),
        ("NaN", "invalid_amount_format"),
        ("Infinity", "invalid_amount_format"),
        ("1.234", "invalid_amount_format"),
        ("1,00", "invalid_amount_format"),
        (" 1", "invalid_amount_format"),
        ("١", "invalid_amount_format"),
        ("", "invalid_amount_format"),
        (12.5, "invalid_amount_format"),
        (True, "invalid_amount_format"),
        (None, "invalid_amount_format"),
        ({}, "invalid_amount_format"),
        ("-1.00", "negative_amount"),
        ("0", "negative_amount"),
        ("0.00", "negative_amount"),
        ("-0", "negative_amount"),
        ("1" + "0" * 30, "amount_too_large"),
        ("1000000000000.00", "amount_too_large"),
        ("9" * 5000, "invalid_amount_format"),
    ],
)
def test_bad_amounts(bank: Bank, amount: Any, reason: str) -> None:
    alice, bob = bank.open("cash"), bank.open()
    before = bank.head()
    problem_of(bank.move(alice, bob, amount), 400, reason)
    assert bank.head() == before


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"source_account_id": "x"}, 400, "invalid_uuid_format"),
        ({"source_account_id": None}, 400, "invalid_uuid_format"),
        ({"currency": "EURO"}, 400, "invalid_currency_format"),
        ({"currency": "USD"}, 422, "currency_mismatch"),
        ({"effective_at": "yesterday"}, 400, "invalid_datetime_format"),
        ({"effective_at": "0001-01-01T00:00:00+23:59"}, 400, "invalid_datetime_format"),
        ({"description": "a\x00b"}, 400, "invalid_text"),
        ({"description": "x" * 256}, 400, "invalid_text"),
        ({"metadata": {str(i): "x" for i in range(17)}}, 400, "invalid_metadata"),
        ({"metadata": {"a": {"nested": 1}}}, 400, "invalid_metadata"),
        ({"metadata": {"a": 1.5}}, 400, "invalid_metadata"),
        ({"metadata": {"a": 2**80}}, 400, "invalid_metadata"),
        ({"metadata": {"": "x"}}, 400, "invalid_metadata"),
        ({"pending": "yes"}, 400, "invalid_request"),
        ({"expires_in_s": 0}, 400, "invalid_request"),
        ({"expires_in_s": 10**12}, 400, "invalid_request"),
        ({"conditions": [{"account_id": "x"}]}, 400, "invalid_uuid_format"),
    ],
)
def test_bad_transfers(bank: Bank, change: dict[str, Any], status: int, reason: str) -> None:
    alice, bob = bank.open("cash"), bank.open()
    before = bank.head()
    body = {
        "source_account_id": alice,
        "destination_account_id": bob,
        "amount": "1.00",
        "currency": "EUR",
    }
    problem_of(bank.client.post("/api/transfers", json=body | change), status, reason)
    assert bank.head() == before


def test_unknown_accounts_and_the_same_account(bank: Bank) -> None:
    alice, nobody = bank.open("cash"), some_id()
    details = problem_of(bank.move(alice, nobody, "1.00"), 404, "account_not_found")["details"]
    assert details["account_id"] == nobody
    problem_of(bank.move(nobody, alice, "1.00"), 404, "account_not_found")
    problem_of(bank.move(alice, alice, "1.00"), 422, "same_account")
    problem_of(bank.client.get(f"/api/accounts/{nobody}"), 404, "account_not_found")
    problem_of(bank.client.get(f"/api/accounts/{nobody}/entries"), 404, "account_not_found")
    problem_of(bank.client.get(f"/api/transfers/{nobody}"), 404, "transfer_not_found")
    problem_of(bank.client.post(f"/api/transfers/{nobody}/post"), 404, "transfer_not_found")
    problem_of(bank.client.post(f"/api/accounts/{nobody}/freeze"), 404, "account_not_found")
    problem_of(bank.client.get(f"/api/streams/{nobody}/events"), 404, "stream_not_found")
    problem_of(bank.client.get("/api/projections/nonsense"), 404, "projection_not_found")
    # An account's id is no transfer's, and a transfer's no account's.
    problem_of(bank.client.post(f"/api/transfers/{alice}/void"), 404, "transfer_not_found")
    transfer = bank.move(alice, bank.open(), "1.00").json()["id"]
    problem_of(bank.client.post(f"/api/accounts/{transfer}/close"), 404, "account_not_found")
    problem_of(bank.move(alice, transfer, "1.00"), 404, "account_not_found")


def test_too_little_money_says_what_there_is(bank: Bank) -> None:
    alice, bob = bank.funded("5.00"), bank.open()
    problem = problem_of(bank.move(alice, bob, "7.00"), 422, "insufficient_funds")
    assert problem["details"]["available"] == "5.00"
    assert problem["details"]["requested"] == "7.00"
    assert "5.00" in problem["detail"]


@pytest.mark.parametrize(
    ("content", "content_type", "status", "reason"),
    [
        (b"{", "application/json", 400, "invalid_json"),
        (b"", "application/json", 400, "invalid_json"),
        (b"\xff\xfe", "application/json", 400, "invalid_json"),
        (b"[" * 100_000, "application/json", 400, "invalid_json"),
        (b'{"a":' + b"9" * 10_000 + b"}", "application/json", 400, "invalid_json"),
        (b"[]", "application/json", 400, "invalid_request"),
        (b'"text"', "application/json", 400, "invalid_request"),
        (b"name=x", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        (b'{"name": "\\ud800", "type": "cash", "currency": "EUR"}', "application/json", 400,
         "invalid_name_format"),
        (b"x" * (17 * 1024 * 1024), "application/json", 413, "body_too_large"),
    ],
)  # fmt: skip
def test_bodies_that_are_no_json_object(
    bank: Bank, content: bytes, content_type: str, status: int, reason: str
) -> None:
    answer = bank.client.post(
        "/api/accounts", content=content, headers={"Content-Type": content_type}
    )
    problem_of(answer, status, reason)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/api/accounts/123", "invalid_uuid_format"),
        ("/api/transfers/123", "invalid_uuid_format"),
        ("/api/streams/123/events", "invalid_uuid_format"),
        ("/api/accounts?limit=0", "invalid_request"),
        ("/api/accounts?limit=1001", "invalid_request"),
        ("/api/accounts?typ=cash", "unknown_fields"),
        ("/api/accounts?type=piggy", "invalid_account_type"),
        ("/api/accounts?status=FOO", "invalid_status"),
        ("/api/accounts?cursor=garbage", "invalid_cursor"),
        ("/api/accounts?min_position=-1", "invalid_request"),
        ("/api/transfers?status=done", "invalid_status"),
        ("/api/transfers?from=yesterday", "invalid_datetime_format"),
        ("/api/events?after=x", "invalid_request"),
        ("/api/events?after=99999999999999999999999", "invalid_request"),
        ("/api/events/stream?after=-1", "invalid_request"),
        ("/api/events?topic=%00", "invalid_topic"),
        ("/api/events/stream?topic=nonsense", "invalid_topic"),
    ],
)
def test_bad_queries(bank: Bank, path: str, reason: str) -> None:
    problem_of(bank.client.get(path), 400, reason)


def test_unknown_paths_and_methods_are_problems_too(bank: Bank) -> None:
    problem_of(bank.client.get("/api/nothing"), 404, "route_not_found")
    wrong = bank.client.delete("/api/accounts")
    problem_of(wrong, 405, "method_not_allowed")
    assert wrong.headers["allow"] == "GET, HEAD, POST"


def test_a_correlation_id_comes_back_and_goes_into_the_events(bank: Bank) -> None:
    answer = bank.client.post(
        "/api/accounts", json=GOOD_ACCOUNT, headers={"X-Correlation-ID": "my-request-1"}
    )
    assert answer.headers["x-correlation-id"] == "my-request-1"
    (event,) = bank.get(f"/api/streams/{answer.json()['id']}/events")["data"]
    assert event["metadata"]["correlation_id"] == "my-request-1"
    odd = bank.client.get("/api/health", headers={"X-Correlation-ID": "a b\tc"})
    assert odd.headers["x-correlation-id"] != "a b\tc"


def test_an_empty_batch_and_one_that_is_too_large_are_refused(bank: Bank) -> None:
    problem_of(
        bank.client.post("/api/transfers/batch", json={"transfers": []}), 400, "invalid_request"
    )
    many: dict[str, list[object]] = {"transfers": [{}] * 10_001}
    problem_of(bank.client.post("/api/transfers/batch", json=many), 400, "batch_too_large")


def _good(bank: Bank) -> dict[str, str]:
    return {
        "source_account_id": bank.open("cash"),
        "destination_account_id": bank.open(),
        "amount": "1.00",
        "currency": "EUR",
    }


def test_what_cannot_be_shown_does_not_spoil_a_batch(bank: Bank) -> None:
    good = json.dumps(_good(bank))
    odd = '{"id": "\\ud800", "metadata": {"\\ud800": "v"}, "\\udfff": 1}'
    answer = bank.client.post(
        "/api/transfers/batch",
        content=f'{{"transfers": [{good}, {odd}]}}',
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 200, answer.text
    posted, refused = answer.json()["results"]
    assert (posted["status"], refused["status"], refused["id"]) == ("posted", "refused", None)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"expires_in_s": 60}, "expiry_without_pending"),
        ({"conditions": [{"account_id": some_id()}]}, "empty_condition"),
        ({"metadata": {"\ud800": "v"}}, "invalid_metadata"),
        ({"\ud800": 1}, "invalid_request"),
    ],
)
def test_parts_that_do_not_fit_together(bank: Bank, change: dict[str, Any], reason: str) -> None:
    before = bank.head()
    body = json.dumps(_good(bank) | change)
    opened = bank.head()
    answer = bank.client.post(
        "/api/transfers", content=body, headers={"Content-Type": "application/json"}
    )
    problem_of(answer, 400, reason)
    assert bank.head() == opened == before + 2


def test_a_query_on_a_write_is_refused(bank: Bank) -> None:
    good = _good(bank)
    before = bank.head()
    answer = bank.client.post("/api/transfers", params={"pending": "true"}, json=good)
    problem_of(answer, 400, "unknown_fields")
    assert bank.head() == before


def test_a_long_body_in_pieces_is_too_large_as_well(bank: Bank) -> None:
    pieces = (b"x" * 1024 * 1024 for _ in range(18))
    answer = bank.client.post(
        "/api/accounts", content=pieces, headers={"Content-Type": "application/json"}
    )
    problem_of(answer, 413, "body_too_large")


def test_a_body_without_its_type_is_refused_and_no_body_needs_none(bank: Bank) -> None:
    content = json.dumps(GOOD_ACCOUNT).encode()
    problem_of(bank.client.post("/api/accounts", content=content), 415, "unsupported_media_type")
    account = bank.open()
    assert bank.client.post(f"/api/accounts/{account}/freeze").status_code == 200


def test_other_web_sites_may_not_write(bank: Bank) -> None:
    freeze = f"/api/accounts/{bank.open()}/freeze"
    cross = bank.client.post(freeze, headers={"Sec-Fetch-Site": "cross-site"})
    problem_of(cross, 403, "cross_site_request")
    rebound = bank.client.post(freeze, headers={"Host": "evil.example"})
    problem_of(rebound, 403, "untrusted_host")


def test_every_problem_can_be_looked_up(bank: Bank) -> None:
    listed = bank.get("/api/problems")["data"]
    assert {p["reason"] for p in listed} >= {"insufficient_funds", "route_not_found"}
    for problem in listed:
        assert bank.get(problem["type"]) == problem
    problem_of(bank.client.get("/api/problems/nonsense"), 404, "problem_not_found")
