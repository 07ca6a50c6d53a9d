"""Alarms of fraud as they come in, signed: from a severity on they stop things, and all of them are kept."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import httpx2
import msgspec
import pytest

from application.ledger import Ledger
from application.webhooks.incoming import MessageError
from application.webhooks.providers import read_alert
from application.webhooks.signing import headers_for, make_secret
from domain.bank_transfers import RequestBankTransfer
from domain.fraud_alarms import SEVERITIES, SUBJECTS, RaiseFraudAlarm
from tests.api.conftest import Bank, Json, problem_of, some_id
from tests.conftest import Database
from tests.support.flows import invest, make_fund
from tests.support.ledgers import accepted
from tests.support.serving import client_of, serving

SECRET = make_secret()
AT = "2026-03-01T11:59:58Z"
_numbers = count(1)


@pytest.fixture(scope="module")
def base_url(api_database: Database) -> Iterator[str]:
    with serving(api_database.url, FRAUD_WEBHOOK_SECRET=SECRET) as url:
        yield url


@pytest.fixture(scope="module")
def ledger(api_database: Database) -> Iterator[Ledger]:
    with Ledger(api_database.url) as ledger:
        yield ledger


@pytest.fixture(scope="module")
def fund(client: httpx2.Client) -> str:
    return make_fund(client, seats=1000)


def alert(kind: str, id_: str, severity: str = "high", **more: Any) -> Json:
    data = {
        "alert_id": f"F-{next(_numbers)}",
        "severity": severity,
        "subject": {"kind": kind, "id": id_},
        "reason": "a new payee",
        "at": AT,
    }
    return {"type": "fraud.alert", "timestamp": AT, "data": data | more}


def tell(
    client: httpx2.Client, content: Json, id_: str = "", secret: str = SECRET
) -> httpx2.Response:
    body = msgspec.json.encode(content)
    message_id = id_ or f"msg_{next(_numbers)}"
    headers = headers_for([secret], message_id, datetime.now(UTC), body)
    return client.post("/api/webhooks/incoming/fraud", content=body, headers=headers)


def begun(bank: Bank, ledger: Ledger, kind: str, account: str, fund: str) -> str:
    """The id of something of that kind, which is of the account."""
    if kind == "account":
        return account
    if kind == "transfer":
        return str(bank.move(account, bank.open(), "1.00", pending=True).json()["id"])
    if kind == "investment":
        return str(invest(bank.client, account, fund)["id"])
    asked = RequestBankTransfer(uuid4(), kind, UUID(account), "EUR", 10_00, "DE02")
    return str(accepted(ledger, asked).id)


def test_each_severity_about_each_subject_stops_what_it_should(
    client: httpx2.Client, bank: Bank, ledger: Ledger, fund: str
) -> None:
    for severity in SEVERITIES:
        for kind in SUBJECTS:
            account = bank.funded("500.00")
            id_ = begun(bank, ledger, kind, account, fund)
            content = alert(kind, id_, severity)
            answer = tell(client, content, message_id := f"msg_{severity}_{kind}")
            assert (answer.status_code, answer.json()["outcome"]) == (200, "accepted"), answer.text
            stops = severity in ("high", "critical")
            assert bank.account(account)["status"] == ("frozen" if stops else "active"), kind
            if kind in ("deposit", "withdrawal", "investment"):
                flow = bank.get(f"/api/{kind}s/{id_}", min_position=bank.head())
                assert (flow["status"] == "failed") == stops, kind
            (row,) = client.get("/api/webhooks/received", params={"subject": id_}).json()["data"]
            assert (row["provider"], row["type"], row["outcome"]) == (
                "fraud", "fraud.alert", "accepted",
            )  # fmt: skip
            if stops:
                frozen = client.get(f"/api/streams/{account}/events").json()["data"][-1]
                cause = (frozen["metadata"]["actor"], frozen["metadata"]["causation_id"])
                assert cause == ("webhook:fraud", message_id)
                assert content["data"]["alert_id"] in frozen["data"]["reason"]


def test_an_alarm_counts_once_however_it_is_sent_again_and_staff_unfreeze(
    client: httpx2.Client, bank: Bank, base_url: str
) -> None:
    account = bank.funded()
    content = alert("account", account)
    alarm_id = RaiseFraudAlarm(
        content["data"]["alert_id"], "high", "account", UUID(account), datetime.now(UTC)
    ).alarm_id
    assert tell(client, content, "msg_alarm").json()["outcome"] == "accepted"
    with client_of(base_url, "support") as support:
        assert support.post(f"/api/accounts/{account}/unfreeze").status_code == 200
    assert tell(client, content, "msg_alarm").json()["outcome"] == "accepted"
    assert tell(client, content, "msg_another").json()["outcome"] == "nothing_new"
    graver = content | {"data": content["data"] | {"severity": "critical"}}
    for _ in range(2):
        problem_of(tell(client, graver, "msg_graver"), 422, "id_reused")
    assert bank.account(account)["status"] == "active"
    state = client.get(f"/api/streams/{alarm_id}/state").json()
    assert (state["aggregate"], state["version"]) == ("fraudalarm", 1)
    assert state["state"]["is_frozen"] is True


def test_who_has_not_the_secret_is_not_believed_and_what_is_unknown_may_come_later(
    client: httpx2.Client, bank: Bank
) -> None:
    account = bank.funded()
    refused = tell(client, alert("account", account), secret=make_secret())
    problem_of(refused, 401, "invalid_webhook_signature")
    unknown = alert("withdrawal", some_id())
    for _ in range(2):
        problem_of(tell(client, unknown, "msg_early"), 404, "bank_transfer_not_found")
    problem_of(tell(client, alert("deposit", account)), 404, "bank_transfer_not_found")
    assert bank.account(account)["status"] == "active"


def test_what_cannot_be_understood_says_where() -> None:
    good = alert("account", some_id())["data"]
    for changes, fields in (
        ({"alert_id": ""}, ["alert_id"]),
        ({"alert_id": 7}, ["alert_id"]),
        ({"alert_id": "x" * 101}, ["alert_id"]),
        ({"severity": "HIGH"}, ["severity"]),
        ({"severity": ["high"]}, ["severity"]),
        ({"subject": "7"}, ["subject"]),
        ({"subject": {"kind": "loan", "id": some_id()}}, ["subject"]),
        ({"subject": {"kind": ["account"], "id": some_id()}}, ["subject"]),
        ({"subject": {"kind": "account", "id": "7"}}, ["subject"]),
        ({"at": "2026-03-01T11:59:58"}, ["at"]),
        ({"at": "0001-01-01T00:00:00+14:00"}, ["at"]),
        ({"at": "9999-12-31T23:59:59-14:00"}, ["at"]),
        ({"at": 7, "reason": "a\x00b"}, ["at", "reason"]),
        ({"reason": 7}, ["reason"]),
        ({"reason": "x" * 256}, ["reason"]),
    ):
        with pytest.raises(MessageError, match="invalid_request") as wrong:
            read_alert("high", "fraud.alert", good | changes)
        assert wrong.value.fields == fields, changes
    with pytest.raises(MessageError, match="missing_fields") as missing:
        read_alert("high", "fraud.alert", {"subject": None})
    assert missing.value.fields == ["alert_id", "severity", "subject", "at"]
    assert read_alert("high", "fraud.seen", {}).command is None


def test_from_which_severity_on_is_a_setting() -> None:
    for stops_from in (*SEVERITIES, "never"):
        stopping = []
        for severity in SEVERITIES:
            told = read_alert(
                stops_from, "fraud.alert", alert("account", some_id(), severity)["data"]
            )
            assert isinstance(told.command, RaiseFraudAlarm)
            if told.command.stops:
                stopping.append(severity)
        first = len(SEVERITIES) if stops_from == "never" else SEVERITIES.index(stops_from)
        assert stopping == [*SEVERITIES[first:]]
