"""The bureau's interface, its faults by their rules, its webhooks, and its command."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx2
import msgspec
import pytest
from standardwebhooks import Webhook

from api.sandbox.bureau_faults import Call, Faults, read_rules
from api.sandbox.rules import FaultError
from application.webhooks.signing import verify
from tests.support.bureau import SECRET, TOKEN, SandboxBureau, sandbox_bureau
from tests.support.processes import COMMAND, ROOT, environment, free_port
from tests.support.receiver import Receiver, receiving
from tests.support.waiting import until

PAN = "ABCDE1234F"


@pytest.fixture(scope="module")
def _running() -> Iterator[SandboxBureau]:
    with sandbox_bureau() as bureau:
        yield bureau


@pytest.fixture
def bureau(_running: SandboxBureau) -> SandboxBureau:
    _running.clear_faults()
    _running.set_scores({})
    return _running


@pytest.fixture
def http(bureau: SandboxBureau) -> Iterator[httpx2.Client]:
    with client_of(bureau) as http:
        yield http


def client_of(bureau: SandboxBureau) -> httpx2.Client:
    headers = {"authorization": f"Bearer {TOKEN}", "idempotency-key": "any"}
    return httpx2.Client(base_url=bureau.url, headers=headers)


def asked(report_id: UUID | None = None, **more: Any) -> dict[str, Any]:
    return {
        "report_id": str(report_id or uuid4()), "application_id": str(uuid4()), "country": "IN",
        "document_type": "pan", "document_number": PAN, "full_name": "Asha Rao",
        "monthly_income": "50000.00", "loan_type": "HOME", **more,
    }  # fmt: skip


def rules(*given: dict[str, Any]) -> Faults:
    faults = Faults()
    faults.set(read_rules(msgspec.json.encode(given)))
    return faults


def test_a_rule_holds_for_the_calls_that_it_names() -> None:
    faults = rules(
        {"fault": "500", "match": {"country": "MX"}, "times": 1},
        {"fault": "slow", "match": {"document": PAN, "nth": 2}},
        {"fault": "garbage", "match": {"on": "look"}},
    )
    calls = [Call("request", "MX", "A"), Call("request", "MX", "A"), Call("request", "IN", PAN)]
    found = [[rule.fault for rule in faults.of(call)] for call in [*calls, calls[2], Call("look")]]
    assert found == [["500"], [], [], ["slow"], ["garbage"]]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"fault": "earthquake"}, "never_answer"),
        ({"fault": "refuse"}, "needs a reason"),
        ({"fault": "later", "match": {"on": "look"}}, "only goes with request"),
        ({"fault": "refuse:no_file", "match": {"on": "look"}}, "only goes with request"),
        ({"fault": "500", "match": {"account": "A"}}, "unknown field"),
    ],
)
def test_a_rule_that_cannot_be_followed_is_refused(rule: dict[str, Any], words: str) -> None:
    with pytest.raises(FaultError, match=words):
        rules(rule)


def test_a_report_is_the_same_each_time(bureau: SandboxBureau, http: httpx2.Client) -> None:
    inquiry = asked()
    first = http.post("/v1/reports", json=inquiry)
    assert first.status_code == 200
    assert (first.json()["status"], first.json()["report"]["cibil_score"]) == ("ready", 790)
    bureau.set_scores({PAN: 300})
    assert http.post("/v1/reports", json=inquiry).json() == first.json()
    assert http.get(f"/v1/reports/{inquiry['report_id']}").json() == first.json()
    assert bureau.asked()[UUID(inquiry["report_id"])] == 2
    other = http.post("/v1/reports", json={**inquiry, "document_number": "FGHIJ5678K"})
    assert (other.status_code, other.json()["error"]["code"]) == (422, "key_reused")


def test_what_is_known_of_whom_can_be_said(bureau: SandboxBureau, http: httpx2.Client) -> None:
    bureau.set_scores({PAN: None, "B": {"score": 512, "debt": "1234.50"}})
    none = http.post("/v1/reports", json=asked()).json()["report"]
    low = http.post("/v1/reports", json=asked(document_number="B")).json()["report"]
    assert none["cibil_score"] == "NH"
    assert (low["cibil_score"], low["accounts"]["outstanding_inr"]) == (512, "1,234.50")
    assert http.put("/scores", json={PAN: "high"}).status_code == 422
    bureau.set_faults({"fault": "no_score", "match": {"country": "MX"}})
    mexican = http.post("/v1/reports", json=asked(country="MX")).json()["report"]
    assert mexican["score_buro"] is None


def test_what_cannot_be_answered_is_refused(bureau: SandboxBureau, http: httpx2.Client) -> None:
    stranger = [("POST", "/v1/reports"), ("PUT", "/scores"), ("PUT", "/faults"), ("GET", "/asked")]
    for method, path in stranger:
        assert httpx2.request(method, f"{bureau.url}{path}").status_code == 401
    assert httpx2.get(f"{bureau.url}/health").json() == {"status": "ok"}
    assert http.get(f"/v1/reports/{uuid4()}").json()["error"]["code"] == "report_not_found"
    assert http.post("/v1/reports", json={"report_id": "x"}).status_code == 400
    keyless = http.post("/v1/reports", json=asked(), headers={"idempotency-key": ""})
    assert keyless.status_code == 400
    assert http.put("/faults", json=[{"fault": "earthquake"}]).status_code == 422
    assert http.put("/webhooks/target", json={"url": "nowhere"}).status_code == 422
    bureau.set_faults({"fault": "refuse:no_file"})
    refused = http.post("/v1/reports", json=asked())
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "no_file")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def test_a_late_report_is_told_of_without_what_it_says(receiver: Receiver) -> None:
    receiver.will(500)
    with sandbox_bureau(receiver.url, answer_after=0.05) as bureau, client_of(bureau) as http:
        inquiry = asked()
        promised = http.post("/v1/reports", json=inquiry)
        assert (promised.status_code, promised.json()["status"]) == (202, "later")
        until(lambda: len(receiver.got) >= 2)
        report = http.get(f"/v1/reports/{inquiry['report_id']}")
        assert report.json()["report"]["cibil_score"] == 790
    first, second = receiver.got
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    Webhook(SECRET).verify(second.body.decode(), second.headers)
    verify(second.headers, second.body, [SECRET], now=datetime.now(UTC))
    assert second.json["type"] == "report.ready"
    assert second.json["data"] == {name: inquiry[name] for name in ("report_id", "application_id")}


def test_webhooks_come_twice_or_never_and_reports_may_never_be_there(receiver: Receiver) -> None:
    with sandbox_bureau() as bureau, client_of(bureau) as http:
        bureau.send_webhooks_to(receiver.url)
        bureau.set_faults(
            {"fault": "later", "value": 0.0},
            {"fault": "lost_webhook", "match": {"nth": 1}},
            {"fault": "never_answer", "match": {"nth": 2}},
            {"fault": "duplicate_webhook", "match": {"nth": 3}},
        )
        inquiries = [asked() for _ in range(3)]
        for inquiry in inquiries:
            assert http.post("/v1/reports", json=inquiry).status_code == 202
        until(lambda: len(receiver.got) >= 2)
        paths = [f"/v1/reports/{inquiry['report_id']}" for inquiry in inquiries]
        assert [http.get(path).json()["status"] for path in paths] == ["ready", "later", "ready"]
        told = {got.json["data"]["report_id"] for got in receiver.got}
        assert told == {inquiries[2]["report_id"]}


def test_the_command_runs_a_bureau_that_knows_what_a_file_says(tmp_path: Path) -> None:
    port, file = free_port(), tmp_path / "scores.json"
    file.write_text('{"BOXW310820HNERXN09": 599}')
    command = [*COMMAND, "sandbox", "bureau", "--port", str(port), "--scores", str(file)]
    with subprocess.Popen(
        [*command, "--token", TOKEN], env=environment({}), cwd=ROOT, stdout=subprocess.PIPE
    ) as process:
        url = f"http://127.0.0.1:{port}"
        until(lambda: process.poll() is not None or answers(f"{url}/health"))
        headers = {"authorization": f"Bearer {TOKEN}", "idempotency-key": "any"}
        inquiry = asked(country="MX", document_number="BOXW310820HNERXN09")
        answer = httpx2.post(f"{url}/v1/reports", json=inquiry, headers=headers)
        assert answer.json()["report"]["score_buro"] == 599
        process.kill()


def answers(url: str) -> bool:
    try:
        return httpx2.get(url).status_code == 200
    except httpx2.TransportError:
        return False


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "scores.json"
    file.write_text('{"A": "high"}')
    for options, words in (
        (["--webhook-url", "http://127.0.0.1/hooks"], "whsec_"),
        (["--scores", str(file)], "scores.json"),
    ):
        ended = subprocess.run(
            [*COMMAND, "sandbox", "bureau", *options],
            env=environment({"TERM": "dumb", "COLUMNS": "200"}),
            cwd=ROOT,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert ended.returncode == 2
        assert words in ended.stderr
