"""What others tell is proven, taken in once with its effect, and answered alike when it is sent again."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import httpx2
import msgspec
import pytest
from standardwebhooks import Webhook

from application.ledger import Accepted, Ledger, Submission
from application.ledger.reading import load
from application.webhooks.signing import headers_for, make_secret
from domain.bank_transfers import BankTransfer, RequestBankTransfer
from domain.movements import Movement
from domain.provenance import Provenance
from tests.api.conftest import Bank, Json, problem_of
from tests.conftest import Database
from tests.support.bank import sandbox_bank
from tests.support.bureau import SECRET as BUREAU_SECRET
from tests.support.bureau import sandbox_bureau
from tests.support.people import bearer
from tests.support.serving import client_of, serving
from tests.support.waiting import until

SECRET, OLD = make_secret(), make_secret()
_numbers = count(1)


@pytest.fixture(scope="module")
def base_url(api_database: Database) -> Iterator[str]:
    with serving(
        api_database.url,
        BANK_WEBHOOK_SECRET=f"{SECRET},{OLD}",
        BUREAU_WEBHOOK_SECRET=BUREAU_SECRET,
    ) as url:
        yield url


@pytest.fixture(scope="module")
def ledger(api_database: Database) -> Iterator[Ledger]:
    with Ledger(api_database.url) as ledger:
        yield ledger


@pytest.fixture(scope="module")
def told(base_url: str) -> Iterator[httpx2.Client]:
    """A client that says nothing of who it is, as a bank."""
    with httpx2.Client(base_url=base_url, timeout=30) as client:
        yield client


@pytest.fixture
def movement_id(ledger: Ledger, bank: Bank) -> UUID:
    """Of a deposit that a bank was asked for."""
    account_id = UUID(bank.open())
    request = RequestBankTransfer(uuid4(), "deposit", account_id, "EUR", 10_00, "DE02")
    (outcome,) = ledger.submit_and_wait(Submission([request], Provenance(actor="test"))).outcomes
    assert isinstance(outcome, Accepted), outcome
    assert isinstance(outcome.state, BankTransfer)
    assert outcome.state.movement_id is not None
    return outcome.state.movement_id


def message(
    movement_id: UUID | str | None, status: str = "COMPLETED", sequence: int = 3, **more: Any
) -> Json:
    data = {
        "movement_id": movement_id,
        "bank_reference": "B-1",
        "status": status,
        "reason": None,
        "sequence": sequence,
    }
    return {
        "type": f"movement.{status.lower()}",
        "timestamp": "2026-03-01T12:00:00Z",
        "data": data | more,
    }


def tell(
    client: httpx2.Client,
    content: object,
    *,
    id_: str | None = None,
    late_by: timedelta = timedelta(0),
    secret: str = SECRET,
    provider: str = "bank",
) -> httpx2.Response:
    body = content if isinstance(content, bytes) else msgspec.json.encode(content)
    headers = headers_for(
        [secret], id_ or f"msg_{next(_numbers)}", datetime.now(UTC) - late_by, body
    )
    headers["content-type"] = "application/json"
    return client.post(f"/api/webhooks/incoming/{provider}", content=body, headers=headers)


def state_of(database: Database, movement_id: UUID) -> Movement:
    with database.connect() as conn:
        found = load(conn, [movement_id])[movement_id]
    assert isinstance(found, Movement)
    return found


def received(client: httpx2.Client, **params: Any) -> list[Json]:
    return list(client.get("/api/webhooks/received", params=params).json()["data"])


def test_what_a_bank_tells_is_in_the_log(
    told: httpx2.Client, client: httpx2.Client, api_database: Database, movement_id: UUID
) -> None:
    answer = tell(told, message(movement_id), id_="msg_first")
    assert (answer.status_code, answer.json()) == (
        200,
        {"message_id": "msg_first", "outcome": "accepted"},
    )
    movement = state_of(api_database, movement_id)
    assert (movement.status, movement.bank_reference, movement.sequence) == ("completed", "B-1", 3)
    (row,) = received(client, subject=str(movement_id))
    assert row.pop("received_at")
    assert row == {
        "provider": "bank",
        "message_id": "msg_first",
        "type": "movement.completed",
        "subject": str(movement_id),
        "outcome": "accepted",
        "details": {},
    }
    with api_database.connect() as conn:
        metadata = conn.execute(
            "SELECT convert_from(metadata, 'UTF8')::jsonb FROM events"
            " WHERE originator_id = %s AND topic = 'movement.settled'",
            (movement_id,),
        ).fetchone()
    assert metadata is not None
    assert (metadata[0]["actor"], metadata[0]["causation_id"]) == ("webhook:bank", "msg_first")


def test_a_message_of_the_reference_implementation_is_taken(
    told: httpx2.Client, movement_id: UUID
) -> None:
    body, now = msgspec.json.encode(message(movement_id)), datetime.now(UTC)
    headers = {
        "webhook-id": "msg_reference",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(OLD).sign("msg_reference", now, body.decode()),
    }
    answer = told.post("/api/webhooks/incoming/bank", content=body, headers=headers)
    assert answer.json()["outcome"] == "accepted"


def test_sent_again_it_has_no_further_effect_and_is_answered_as_the_first_time(
    told: httpx2.Client, client: httpx2.Client, api_database: Database, movement_id: UUID
) -> None:
    answers = [tell(told, message(movement_id), id_="msg_twice") for _ in range(3)]
    assert {(a.status_code, a.json()["outcome"]) for a in answers} == {(200, "accepted")}
    assert state_of(api_database, movement_id).version == 2
    assert len(received(client, subject=str(movement_id))) == 1
    # Another message that says the same is none of those.
    answer = tell(told, message(movement_id), id_="msg_third")
    assert (answer.status_code, answer.json()["outcome"]) == (200, "nothing_new")
    answer = tell(told, message(movement_id, "IN_PROGRESS", 2), id_="msg_late")
    assert (answer.status_code, answer.json()["outcome"]) == (200, "nothing_new")
    assert state_of(api_database, movement_id).version == 2
    rows = received(client, subject=str(movement_id))
    assert [row["outcome"] for row in rows] == ["nothing_new", "nothing_new", "accepted"]


def test_the_same_message_many_times_at_once_has_one_effect(
    told: httpx2.Client, client: httpx2.Client, api_database: Database, movement_id: UUID
) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = list(
            threads.map(
                lambda _: tell(told, message(movement_id), id_=f"msg_{movement_id}"), range(24)
            )
        )
    assert {(a.status_code, a.json()["outcome"]) for a in answers} == {(200, "accepted")}
    assert state_of(api_database, movement_id).version == 2
    assert len(received(client, subject=str(movement_id))) == 1


@pytest.mark.parametrize(
    "spoilt",
    [
        {"secret": "whsec_" + b64encode(b"k" * 32).decode()},
        {"late_by": timedelta(seconds=400)},
        {"late_by": timedelta(days=-1)},
    ],
)
def test_what_nobody_signed_just_now_is_refused(
    told: httpx2.Client, api_database: Database, movement_id: UUID, spoilt: dict[str, Any]
) -> None:
    answer = tell(told, message(movement_id), **spoilt)
    problem_of(answer, 401, "invalid_webhook_signature")
    assert answer.headers["www-authenticate"]
    assert state_of(api_database, movement_id).version == 1


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"webhook-id": "msg_1"},
        {"webhook-id": "msg_1", "webhook-timestamp": "now", "webhook-signature": "v1,AAAA"},
        {"webhook-id": "msg_1", "webhook-timestamp": "1", "webhook-signature": "nonsense"},
        {"Authorization": "Bearer nonsense"},
    ],
)
def test_malformed_headers_are_the_same_refusal(
    told: httpx2.Client, headers: dict[str, str]
) -> None:
    body = msgspec.json.encode(message(uuid4()))
    answer = told.post("/api/webhooks/incoming/bank", content=body, headers=headers)
    problem_of(answer, 401, "invalid_webhook_signature")


def test_credentials_are_no_signature(told: httpx2.Client, movement_id: UUID) -> None:
    body = msgspec.json.encode(message(movement_id))
    answer = told.post("/api/webhooks/incoming/bank", content=body, headers=bearer("admin"))
    problem_of(answer, 401, "invalid_webhook_signature")


def test_a_body_that_was_changed_on_its_way_is_refused(
    told: httpx2.Client, api_database: Database, movement_id: UUID
) -> None:
    body = msgspec.json.encode(message(movement_id, "FAILED"))
    headers = headers_for([SECRET], "msg_changed", datetime.now(UTC), body)
    changed = body.replace(b"FAILED", b"COMPLETED")
    answer = told.post("/api/webhooks/incoming/bank", content=changed, headers=headers)
    problem_of(answer, 401, "invalid_webhook_signature")
    assert state_of(api_database, movement_id).version == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "invalid_json"),
        (b"not json", "invalid_json"),
        (b"\xff\xfe", "invalid_json"),
        (b"[]", "invalid_json"),
        ({}, "missing_fields"),
        ({"type": "movement.settled"}, "missing_fields"),
        ({"data": {}}, "missing_fields"),
        ({"type": "movement.settled", "data": {}}, "missing_fields"),
        ({"type": 7, "data": {}}, "invalid_request"),
        ({"type": "movement.settled", "data": []}, "invalid_request"),
        ({"type": "a\x00b", "data": {}}, "invalid_request"),
        ({"type": "x" * 101, "data": {}}, "invalid_request"),
        (message(uuid4(), "SOMEHOW"), "invalid_request"),
        (message(uuid4(), sequence=-1), "invalid_request"),
        (message(uuid4(), sequence=2**40), "invalid_request"),
        (message(uuid4(), bank_reference=7), "invalid_request"),
        (message("7"), "invalid_request"),
        (message(None), "missing_fields"),
    ],
)
def test_what_cannot_be_understood_is_refused_and_not_remembered(
    told: httpx2.Client, client: httpx2.Client, content: object, reason: str
) -> None:
    before = received(client)
    problem = problem_of(tell(told, content), 400, reason)
    assert problem["details"].get("fields", []) or reason == "invalid_json"
    assert received(client) == before


def test_free_text_of_a_bank_is_not_kept(
    told: httpx2.Client, api_database: Database, movement_id: UUID
) -> None:
    text = "Account NL91ABNA0417164300 of Erika Mustermann\x00 is closed"
    content = message(movement_id, "FAILED", reason=text, bank_reference=text)
    assert tell(told, content).status_code == 200
    movement = state_of(api_database, movement_id)
    assert movement.status == "failed"
    assert (movement.reason, movement.bank_reference) == ("bank_api_error", "")


def test_a_movement_that_is_unknown_may_be_known_later(
    told: httpx2.Client, client: httpx2.Client
) -> None:
    unknown = uuid4()
    problem_of(tell(told, message(unknown), id_="msg_unknown"), 404, "movement_not_found")
    assert received(client, subject=str(unknown)) == []


def test_what_is_about_nothing_of_ours_is_taken_and_ignored(
    told: httpx2.Client, client: httpx2.Client
) -> None:
    content = {"type": "account.updated", "data": {"anything": [1, 2]}}
    for _ in range(2):
        answer = tell(told, content, id_="msg_other")
        assert (answer.status_code, answer.json()["outcome"]) == (200, "ignored")
    assert [row["outcome"] for row in received(client, limit=1)] == ["ignored"]


def test_a_provider_whom_nobody_knows_is_not_there(told: httpx2.Client) -> None:
    answer = tell(told, message(uuid4()), provider="fraud")
    problem_of(answer, 404, "webhook_provider_not_found")


def test_without_a_secret_nobody_is_believed(database: Database) -> None:
    with serving(database.url, projecting=False) as url, httpx2.Client(base_url=url) as client:
        empty = "whsec_" + b64encode(bytes(32)).decode()
        answer = tell(client, message(uuid4()), secret=empty)
        problem_of(answer, 404, "webhook_provider_not_found")


def test_a_body_has_an_end(told: httpx2.Client) -> None:
    answer = tell(told, message(uuid4(), padding="x" * 70_000))
    problem_of(answer, 413, "body_too_large")


def test_lists_of_what_came_in_go_on_where_they_stopped(
    told: httpx2.Client, client: httpx2.Client
) -> None:
    ids = [f"msg_listed_{number}" for number in range(5)]
    for id_ in ids:
        tell(told, {"type": "listed", "data": {}}, id_=id_)
    found: list[str] = []
    cursor: str | None = None
    while len(found) < 5:
        params: Json = {"limit": 2, "provider": "bank"} | ({"cursor": cursor} if cursor else {})
        page = client.get("/api/webhooks/received", params=params).json()
        found += [row["message_id"] for row in page["data"]]
        cursor = page["next_cursor"]
    assert found[:5] == ids[::-1]
    assert received(client, provider="fraud") == []
    for cursor in ("nonsense", client.get("/api/events?limit=1").json()["next_cursor"]):
        answer = client.get("/api/webhooks/received", params={"cursor": cursor})
        problem_of(answer, 400, "invalid_cursor")


def test_customers_do_not_see_what_banks_tell(base_url: str) -> None:
    with client_of(base_url, "user", uuid4()) as customer:
        answer = customer.get("/api/webhooks/received")
        problem_of(answer, 403, "insufficient_permissions")


def test_a_sandbox_bank_is_understood(
    base_url: str, api_database: Database, movement_id: UUID
) -> None:
    target = f"{base_url}/api/webhooks/incoming/bank"
    with (
        sandbox_bank(webhook_url=target, secret=SECRET) as sandbox,
        httpx2.Client(
            base_url=sandbox.url, headers={"Authorization": f"Bearer {sandbox.token}"}
        ) as asking,
    ):
        asking.post(
            "/v1/movements",
            json={
                "movement_id": str(movement_id), "kind": "collection", "direction": "in",
                "amount": 10_00, "currency": "EUR", "account": "DE02", "reference": "r",
            },
            headers={"Idempotency-Key": str(movement_id)},
        ).raise_for_status()  # fmt: skip
        until(lambda: state_of(api_database, movement_id).status == "completed")


def ready(report_id: object, application_id: object) -> Json:
    """What a credit bureau says when a report is there."""
    data = {"report_id": report_id, "application_id": application_id, "report": {"name": "Jo"}}
    return {"type": "report.ready", "timestamp": "2026-03-01T12:00:00Z", "data": data}


def looks(database: Database, application_id: UUID) -> list[tuple[str, Json]]:
    """The jobs that fetch reports for an application."""
    with database.connect() as conn:
        return conn.execute(
            "SELECT queue, payload FROM jobs WHERE kind = 'bureau.look'"
            " AND payload ->> 'application_id' = %s",
            (str(application_id),),
        ).fetchall()


def test_a_report_that_is_ready_is_fetched_once_and_not_taken_from_the_message(
    told: httpx2.Client, client: httpx2.Client, api_database: Database
) -> None:
    report_id, application_id = uuid4(), uuid4()
    says = ready(str(report_id), str(application_id))
    for id_ in ("msg_ready", "msg_ready", "msg_ready_again"):
        answer = tell(told, says, id_=id_, provider="bureau", secret=BUREAU_SECRET)
        assert (answer.status_code, answer.json()["outcome"]) == (200, "accepted")
    asked = {"application_id": str(application_id), "report_id": str(report_id)}
    assert looks(api_database, application_id) == [("bureaus", asked)]
    rows = received(client, subject=str(application_id))
    assert {row["message_id"] for row in rows} == {"msg_ready", "msg_ready_again"}


def test_what_a_bureau_says_must_be_its_own_and_make_sense(
    told: httpx2.Client, api_database: Database
) -> None:
    id_ = str(uuid4())
    problem_of(tell(told, ready(id_, id_), provider="bureau"), 401, "invalid_webhook_signature")
    for content, reason, fields in (
        (ready(None, id_), "missing_fields", ["report_id"]),
        (ready("7", id_), "invalid_request", ["report_id", "application_id"]),
        (ready(id_, 7), "invalid_request", ["report_id", "application_id"]),
    ):
        answer = tell(told, content, provider="bureau", secret=BUREAU_SECRET)
        assert problem_of(answer, 400, reason)["details"]["fields"] == fields
    other = ready(id_, id_) | {"type": "report.billed"}
    answer = tell(told, other, provider="bureau", secret=BUREAU_SECRET)
    assert answer.json()["outcome"] == "ignored"
    assert looks(api_database, UUID(id_)) == []


def test_a_sandbox_bureau_is_understood(base_url: str, api_database: Database) -> None:
    report_id, application_id = uuid4(), uuid4()
    with (
        sandbox_bureau(f"{base_url}/api/webhooks/incoming/bureau", answer_after=0.01) as sandbox,
        httpx2.Client(
            base_url=sandbox.url, headers={"Authorization": f"Bearer {sandbox.token}"}
        ) as asking,
    ):
        asking.post(
            "/v1/reports",
            json={
                "report_id": str(report_id), "application_id": str(application_id),
                "country": "MX", "document_type": "curp", "document_number": "X",
                "full_name": "Jo", "monthly_income": "10.00",
            },
            headers={"Idempotency-Key": str(report_id)},
        ).raise_for_status()  # fmt: skip
        until(lambda: looks(api_database, application_id))


def test_a_bank_may_tell_much_and_nobody_else_may_try_often(database: Database) -> None:
    content = {"type": "listed", "data": {}}
    with (
        serving(
            database.url,
            projecting=False,
            BANK_WEBHOOK_SECRET=SECRET,
            RATE_LIMIT_ADDRESS="5/hour",
        ) as url,
        httpx2.Client(base_url=url, timeout=30) as client,
    ):
        for _ in range(10):
            assert tell(client, content).status_code == 200
        for _ in range(5):
            answer = tell(client, content, secret=make_secret())
            problem_of(answer, 401, "invalid_webhook_signature")
        problem_of(tell(client, content, secret=make_secret()), 429, "rate_limited")
        problem_of(client.get("/api/health"), 429, "rate_limited")
        assert tell(client, content).status_code == 200
